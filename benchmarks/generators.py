"""CSPNet beside a plain implementation of the published layer: time, memory and the same numbers.

    OMP_NUM_THREADS=1 python benchmarks/generators.py [--atoms 264] [--repeat 3]

Forward and backward pass of the paper's network for one structure. Both run in turns in one process, of each the
fastest counts (CPU seconds); the peak memory is that of a process of its own for each, above what it held before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import click
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.plain_cspnet import PlainCSPNet

from aiida_dismai.engine.generators.diffcsp.config import DiffcspParameters
from aiida_dismai.engine.generators.diffcsp.model import CSPNet
from aiida_dismai.engine.generators.training.memory import peak_memory as peak_memory_of

#: Li, Sc, Co, Cl, O of the interface, in its cell, Å.
COUNTS = {3: 72, 21: 12, 27: 36, 17: 72, 8: 72}
CELL = [[12.46997, 0.0, 0.0], [4.257784, 16.664331, 0.0], [0.0, 0.0, 33.1969]]
NAMES = ("plain", "ours", "recomputing")


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "plain":
        return PlainCSPNet(27)
    return CSPNet(27, DiffcspParameters(recompute=name == "recomputing"))


def structure(n: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(1)
    species = torch.repeat_interleave(torch.tensor(list(COUNTS)), torch.tensor(list(COUNTS.values())))
    return (
        torch.tensor([500]),
        species[torch.arange(n) % len(species)],
        torch.rand(n, 3, generator=random, dtype=dtype),
        torch.tensor([CELL], dtype=dtype),
        torch.tensor([n]),
    )


def work(net: nn.Module, inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """Return outputs and gradients of a loss like the training's."""
    net.zero_grad()
    lattice, score = net(*inputs)
    target = torch.randn(score.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float32).to(score)
    (((score - target) ** 2).mean() + (lattice**2).mean() / 1e4).backward()
    gradients = [weight.grad.detach().clone() for weight in net.parameters() if weight.grad is not None]
    return [lattice.detach(), score.detach(), *gradients]


def difference(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    """Return the largest difference of an output or gradient relative to its norm."""
    return max(float((a.double() - b.double()).norm() / b.double().norm()) for a, b in zip(one, other, strict=True))


def peak_memory(name: str, n: int) -> float:
    """Return the MB that a forward and backward pass needs, from a process of its own."""
    command = [sys.executable, __file__, "--memory", name, "--atoms", str(n)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def measure_here(name: str, n: int) -> None:
    net = build(name)
    work(net, structure(8))  # loads what the libraries load once
    before = peak_memory_of(torch.device("cpu"))
    work(net, structure(n))
    print((peak_memory_of(torch.device("cpu")) - before) / 1e6)


@click.command()
@click.option("--atoms", default=264, show_default=True)
@click.option("--repeat", default=3, show_default=True)
@click.option("--memory", "alone", type=click.Choice(NAMES), default=None, hidden=True)
def main(atoms: int, repeat: int, alone: str | None) -> None:
    if alone is not None:
        measure_here(alone, atoms)
        return
    nets = {name: build(name) for name in NAMES}
    for net in nets.values():
        net.load_state_dict(nets["plain"].state_dict())
    inputs = structure(atoms)
    results = {name: work(net, inputs) for name, net in nets.items()}
    best = dict.fromkeys(NAMES, float("inf"))
    for _ in range(repeat):
        for name, net in nets.items():
            start = time.process_time()
            work(net, inputs)
            best[name] = min(best[name], time.process_time() - start)
    memory = {name: peak_memory(name, atoms) for name in NAMES}
    truth = work(nets["plain"].double(), structure(atoms, torch.float64)) if atoms <= 128 else None
    print(f"CSPNet, {atoms} atoms, forward and backward, {torch.get_num_threads()} threads")
    for name in NAMES:
        print(
            f"{name:12s} {best[name]:7.2f} CPU s ({best['plain'] / best[name]:.2f} x), {memory[name]:6.0f} MB "
            f"({memory[name] / memory['plain']:.2f} x), from plain {difference(results[name], results['plain']):.1e}"
            + (f", from double precision {difference(results[name], truth):.1e}" if truth else "")
        )


if __name__ == "__main__":
    main()
