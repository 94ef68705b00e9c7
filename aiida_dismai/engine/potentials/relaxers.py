"""Who relaxes the structures of a set: workers, each one structure at a time; or batches on one device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cadence import Cadence
from ..context import Context
from ..errors import Unfinished
from ..store import Store
from ..structures import StructureSet, to_ase
from ..workers import Died, map_items
from .batched import Batch, Relaxing
from .calculators import make_calculator, make_evaluator
from .outcomes import Outcome
from .parameters import RelaxParameters
from .relaxation import relax_one

#: Begins the key of the state of a structure that was stopped half-way.
PARTIAL = "partial"
#: Seconds between two writings of the state of a batch.
KEEP_SECONDS = 300.0


@dataclass
class Tools:
    """What calculators and evaluators are made from.

    Attributes:
        parameters: of the task.
        potential: folder of the trained potential, if there is one.
        device: ``cpu`` or ``cuda``.
        numbers: atomic numbers that will be computed.
    """

    parameters: RelaxParameters
    potential: Path | None
    device: str
    numbers: NDArray[Any]

    def __post_init__(self) -> None:
        """Keep each number once: this is sent to all workers."""
        self.numbers = np.unique(self.numbers)

    def _make(self, make: Callable[..., Any], precision: str) -> Any:
        atoms = StructureSet.from_uniform(self.numbers, np.zeros((1, len(self.numbers), 3)), np.eye(3))
        given = self.parameters
        arguments = (given.calculator, given.calculator_kwargs, self.potential, self.device, atoms)
        return make(*arguments, precision, given.compile)

    def calculator(self) -> Any:
        """Return the ASE calculator."""
        return self._make(make_calculator, self.parameters.precision)

    def evaluator(self, precision: str | None = None) -> Any:
        """Return the evaluator of batches."""
        return self._make(make_evaluator, precision or self.parameters.precision)

    def precision_difference(self, one: StructureSet) -> float:
        """Return the largest difference of a component of the forces on a structure from single precision, eV/Å."""
        forces = []
        for precision in (self.parameters.precision, "float32"):
            evaluator = self.evaluator(precision)
            site = evaluator.site(one.numbers, one.pbc[0])
            forces.append(evaluator.evaluate([site], [one.positions], [one.cells[0]])[0].forces)
        return float(np.abs(forces[0] - forces[1]).max(initial=0.0))


class Finished:
    """What is finished, and on disk.

    Attributes:
        outcomes: by the structure's place.
        resumed: how many there were at the beginning of this run.
    """

    def __init__(self, context: Context, structures: StructureSet, store: Store) -> None:
        self.context, self.structures, self.store = context, structures, store
        self.outcomes = {i: self._outcome(i) for i in range(len(structures)) if i in store}
        self.resumed = len(self.outcomes)
        self.failed = sum(bool(outcome.failure) for outcome in self.outcomes.values())

    @property
    def new(self) -> int:
        """How many this run has finished."""
        return len(self.outcomes) - self.resumed

    def todo(self) -> list[int]:
        """Return the places of those that are not finished."""
        return [i for i in range(len(self.structures)) if i not in self.outcomes]

    def bare(self, i: int) -> StructureSet:
        """Return a structure without its properties."""
        return self.structures[i].without_properties()

    def add(self, i: int, outcome: Outcome) -> None:
        """Keep an outcome and say so."""
        self.store.put(i, **asdict(outcome))
        self.outcomes[i] = outcome
        self.failed += bool(outcome.failure)
        self.context.progress(
            "relax",
            len(self.outcomes),
            len(self.structures),
            structure=i,
            steps=outcome.steps,
            energy=outcome.energy,
            fmax=outcome.fmax,
            failed=self.failed,
        )

    def begun(self, i: int) -> dict[str, Any] | None:
        """Return what an earlier run has kept of a structure half-way."""
        key = f"{PARTIAL} {i}"
        if key not in self.store:
            return None
        with self.store.reading():
            found = self.store.get(key)
            self._check_shapes(i, found["positions"], found["cell"])
            return found

    def _outcome(self, i: int) -> Outcome:
        with self.store.reading():
            found = Outcome(**self.store.get(i))
            self._check_shapes(i, found.positions, found.cell)
            return found

    def _check_shapes(self, i: int, positions: Any, cell: Any) -> None:
        if np.shape(positions) != (int(self.structures.n_atoms[i]), 3) or np.shape(cell) != (3, 3):
            raise ValueError("of another structure")

    def keep_begun(self, i: int, **state: Any) -> None:
        """Keep a structure half-way."""
        self.store.put(f"{PARTIAL} {i}", **state)

    def say_begun(self, i: int, outcome: Outcome) -> None:
        """Report progress inside a structure: a job without any is taken for one that will never end."""
        done = len(self.outcomes)
        self.context.progress("relax", done, len(self.structures), structure=i, steps=outcome.steps, fmax=outcome.fmax)

    def stopped(self, i: int) -> str:
        """Return where a run was stopped."""
        return f"stopped in structure {i} of {len(self.structures)}"


class OneByOne:
    """Relaxations with ASE's optimisers, one structure at a time in each worker.

    When the time ends inside a structure, it starts from its beginning next time, so that its result does not depend
    on where a job was cut. Only when the run has finished none is the half-way state of those under way kept:
    otherwise a structure that takes longer than the wall time would never end.
    """

    def __init__(self, tools: Tools, workers: int, threads: int) -> None:
        self.tools, self.workers, self.threads = tools, workers, threads
        self.warnings: list[str] = []
        self.calculator = tools.calculator()  # here, too, so that what is wrong with it is said at once
        self.potential_file = getattr(self.calculator, "potential_file", None)

    def relax(self, kept: Finished) -> None:
        """Relax all that are not finished.

        Raises:
            Unfinished: the time was used up.
        """
        context, total = kept.context, len(kept.structures)
        setup, arguments = partial(_relaxer, self.calculator), (context, self.tools, total)
        if self.workers > 1:
            setup, arguments = partial(_relaxer, None), (replace(context, watch=None), self.tools, total)
        items = ((i, kept.bare(i), kept.begun(i)) for i in kept.todo())
        halfway: dict[int, Outcome] = {}
        for (i, one, _), result in map_items(
            items, setup, arguments, self.workers, self.threads, lambda: bool(halfway)
        ):
            if isinstance(result, Died):
                failure = f"killed: its worker process died twice ({result.how})"
                result = (Outcome(one.positions.copy(), one.cells[0].copy(), failure=failure), True)
            outcome, whole = result
            if whole:
                kept.add(i, outcome)
            else:
                halfway[i] = outcome
        if not halfway:
            return
        for i, outcome in halfway.items():
            if not kept.new and outcome.steps:
                kept.keep_begun(i, **asdict(outcome))
                kept.say_begun(i, outcome)
        raise Unfinished(f"{kept.stopped(min(halfway))}; run again to resume")


def _relaxer(calculator: Any, context: Context, tools: Tools, total: int) -> Callable[[Any], tuple[Outcome, bool]]:
    """Return the function that relaxes one structure; ``calculator`` is made where it is None."""
    calculator = tools.calculator() if calculator is None else calculator

    def work(item: tuple[int, StructureSet, dict[str, Any] | None]) -> tuple[Outcome, bool]:
        """Return the outcome, and whether it is that of a finished relaxation."""
        i, one, begun = item
        atoms = to_ase(one)[0]
        outcome = Outcome(atoms.positions.copy(), atoms.cell.array.copy()) if begun is None else Outcome(**begun)
        if begun is not None:
            atoms.set_cell(outcome.cell)
            atoms.positions = outcome.positions
        before, started = outcome.seconds, time.monotonic()
        whole = True
        try:
            stopped = f"stopped in structure {i} of {total}"
            relax_one(atoms, calculator, tools.parameters, lambda: context.check_time(stopped), outcome)
        except Unfinished:
            whole = False
        outcome.seconds = before + time.monotonic() - started
        return outcome, whole

    return work


class Batches:
    """Relaxations in batches; see :mod:`.batched`. What was under way at a stop goes on exactly where it was."""

    potential_file = None

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.warnings: list[str] = []
        self.evaluator = tools.evaluator()

    def relax(self, kept: Finished) -> None:
        """Relax all that are not finished.

        Raises:
            BadInput: a structure that is larger than the batch that was asked for.
            OutOfMemory: not even one structure fits.
            Unfinished: the time was used up.
        """
        todo = []
        for i in kept.todo():
            one = Relaxing.begin(i, kept.bare(i), self.tools.parameters)
            if (begun := kept.begun(i)) is not None:
                one.take_up(begun)
            todo.append(one)
        batch = Batch(self.evaluator, self.tools.parameters, todo, self.warnings.append)
        cadence = Cadence(KEEP_SECONDS)

        def check_time() -> None:
            stop = kept.context.out_of_time()
            if not stop and not cadence.save():
                return
            begun = [one for one in (*batch.running, *batch.waiting) if one.outcome.evaluations]
            for one in begun:
                kept.keep_begun(one.index, **one.keep())
            if stop:
                for one in begun:
                    kept.say_begun(one.index, one.outcome)
                first = min((one.index for one in begun), default=len(kept.outcomes))
                raise Unfinished(f"{kept.stopped(first)}; run again to resume")

        for one in batch.run(check_time):
            kept.add(one.index, one.outcome)
