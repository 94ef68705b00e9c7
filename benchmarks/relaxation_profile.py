"""Where the time of an evaluation goes, at 264 atoms with the paper's network: ``relaxation.py --profile``."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from potentials import random_interface

from aiida_dismai.engine.potentials.bonds import BondList
from aiida_dismai.engine.potentials.evaluator import TrainedEvaluator
from aiida_dismai.engine.potentials.folder import TrainedPotential, build_potential
from aiida_dismai.engine.potentials.graphs import GraphBuilder

#: Rounds that are timed, after one that is not.
ROUNDS = 10


class Parts:
    """CPU seconds by part of an evaluation.

    Attributes:
        seconds: of all calls so far.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a clock."""

        def work(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            found = function(*args, **kwargs)
            self.seconds[name] += time.process_time() - started
            return found

        return work


def main() -> None:
    """Print CPU seconds of one evaluation by matgl's network and by ours, and where ours go."""
    one = random_interface(0)
    numbers = tuple(int(number) for number in np.unique(one.numbers))
    config = {"architecture": "m3gnet", "elements": one.elements, "network": {}, "data_std": 1.0}
    potential = build_potential(config).eval().requires_grad_(False)
    potential.calc_stresses = False
    trained = TrainedPotential(potential, np.zeros(len(numbers)), GraphBuilder(numbers, 5.0), config, "cpu")
    evaluator, parts, positions = TrainedEvaluator(trained), Parts(), one.positions.copy()
    site = evaluator.site(one.numbers, one.pbc[0])
    rng = np.random.default_rng(0)

    def theirs() -> None:
        graph, cells = trained.builder.batch(one, [0])
        potential(graph, cells)

    def ours() -> None:
        evaluator.evaluate([site], [positions + rng.normal(scale=0.01, size=positions.shape)], [one.cells[0]])

    def rebuilt() -> None:
        BondList(trained.builder.cutoff, one.pbc[0]).update(positions, one.cells[0])

    compiled = TrainedEvaluator(trained, compiled=True)
    own = compiled.site(one.numbers, one.pbc[0])

    def fused() -> None:
        compiled.evaluate([own], [positions + rng.normal(scale=0.01, size=positions.shape)], [one.cells[0]])

    evaluator.network = parts.timed("network, forward", evaluator.network)
    torch.autograd.grad = parts.timed("network, derivatives", torch.autograd.grad)
    site.bonds.update = parts.timed("list of bonds, kept", site.bonds.update)
    works = {"matgl": theirs, "ours": ours, "compiled": fused, "list of bonds, rebuilt": rebuilt}
    works = {name: parts.timed(name, work) for name, work in works.items()}
    for turn in range(1 + ROUNDS):  # in turns: other jobs disturb all alike
        if turn == 1:
            parts.seconds.clear()
        for work in works.values():
            work()
    each = {name: seconds / ROUNDS for name, seconds in parts.seconds.items()}
    print(
        f"264 atoms, paper's network: matgl {each['matgl']:.3f} s, ours {each['ours']:.3f} s of one CPU: "
        f"{each['matgl'] / each['ours']:.2f} x"
    )
    print(f"  with torch.compile {each['compiled']:.3f} s: {each['ours'] / each['compiled']:.2f} x")
    inside = ("network, forward", "network, derivatives", "list of bonds, kept")
    each["rest (bond vectors, forces, copies)"] = each["ours"] - sum(each[name] for name in inside)
    for name in (*inside, "rest (bond vectors, forces, copies)", "list of bonds, rebuilt"):
        print(f"  {name:38s} {1000 * each[name]:7.1f} ms  {100 * each[name] / each['ours']:5.1f} %")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        ours()
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=40))
