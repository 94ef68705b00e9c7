"""Many relaxations at once on one device: one evaluation of all running structures a step.

Each structure has its own optimiser (:mod:`.optimisers`), its own end and its own failure. One that has ended leaves,
and one that waits enters at once, so that the batch stays full.

What evaluates the batch is asked through :class:`~.contract.Evaluator`. torch-sim does such relaxations for other
potentials (it needs Python 3.12 and knows no M3GNet of matgl); its models could stand behind the same three methods.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import BadInput, OutOfMemory
from ..memory import first_line, is_out_of_memory
from ..structures import StructureSet
from .contract import Evaluator
from .optimisers import OPTIMISERS, BatchOptimiser, NoDescent
from .outcomes import Outcome
from .parameters import RelaxParameters
from .relaxation import RelaxationError, require_apart, require_sane_end, require_sound, require_together

#: Begins the names of an optimiser's state beside those of the outcome.
STATE = "optimiser_"


@dataclass
class Relaxing:
    """One structure that is being relaxed.

    Attributes:
        index: in the set.
        one: the structure.
        optimiser: its state.
        outcome: so far.
        site: what the evaluator keeps of it.
    """

    index: int
    one: StructureSet
    optimiser: BatchOptimiser
    outcome: Outcome
    site: Any = None
    _since: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, index: int, one: StructureSet, parameters: RelaxParameters) -> Relaxing:
        """Begin with a structure of a set."""
        optimiser = OPTIMISERS[parameters.optimizer](one.positions, parameters.fmax)
        return cls(index, one, optimiser, Outcome(one.positions.copy(), one.cells[0].copy()))

    @property
    def size(self) -> int:
        """Number of atoms."""
        return len(self.one.positions)

    def keep(self) -> dict[str, Any]:
        """Return everything that is needed to go on from here, by name."""
        self._clock()
        return vars(self.outcome) | {STATE + name: value for name, value in self.optimiser.state().items()}

    def take_up(self, kept: dict[str, Any]) -> None:
        """Go on from what was kept."""
        self.optimiser.restore({name[len(STATE) :]: kept.pop(name) for name in list(kept) if name.startswith(STATE)})
        self.outcome = Outcome(**kept)

    def check(self) -> None:
        """Look at the positions that are to be evaluated.

        Raises:
            RelaxationError: they are not to be.
        """
        if not self.outcome.evaluations:
            require_apart(self.one.positions, self.outcome.cell, self.one.pbc[0])
        volume = abs(float(np.linalg.det(self.one.cells[0])))
        require_together(self.optimiser.trial, self.outcome.cell, self.one.positions, volume)

    def learn(self, energy: float, forces: Any, steps: int) -> bool:
        """Take energy (eV) and forces (eV/Å) of the trial; returns whether the relaxation has ended.

        Raises:
            RelaxationError: it cannot be continued.
        """
        outcome = self.outcome
        outcome.evaluations += 1
        require_sound({"energy": energy, "forces": forces}, self.size)
        if math.isnan(outcome.energy_initial):
            outcome.energy_initial = energy
        try:
            accepted = self.optimiser.learn(energy, forces)
        except NoDescent:
            raise RelaxationError("the line search found no lower energy along the forces") from None
        if not accepted:
            return False
        outcome.steps = self.optimiser.steps
        outcome.positions, outcome.energy, forces = self.optimiser.accepted
        outcome.fmax = float(np.linalg.norm(forces, axis=1).max(initial=0.0))
        outcome.converged = outcome.fmax < self.optimiser.fmax
        if not (outcome.converged or outcome.steps >= steps):
            return False
        require_sane_end(outcome, self.one.pbc[0])
        return True

    def end(self, failure: str = "") -> Outcome:
        """Return the outcome."""
        self.outcome.failure = failure
        if failure:
            self.outcome.converged = False
        self._clock()
        return self.outcome

    def _clock(self) -> None:
        now = time.monotonic()
        self.outcome.seconds += now - self._since
        self._since = now


class Batch:
    """The structures that run and those that wait.

    Args:
        evaluator: of the potential.
        parameters: of the task.
        todo: structures in the order in which they begin.
        report: called with a line where the batch had to be made smaller.

    Raises:
        BadInput: a structure that is larger than the batch that was asked for.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        parameters: RelaxParameters,
        todo: Sequence[Relaxing],
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.evaluator, self.parameters, self.report = evaluator, parameters, report
        self.waiting, self.running = deque(todo), list[Relaxing]()
        self.evaluations = 0
        given = parameters.batch_atoms
        self.atoms = math.inf if given == "auto" else given
        self._auto = given == "auto"
        for one in todo:
            if one.size > self.atoms:
                raise BadInput(
                    f"batch_atoms: {given} are fewer than the {one.size} atoms of structure {one.index}; give at "
                    f"least {max(other.size for other in todo)}, or 'auto'"
                )

    def run(self, check_time: Callable[[], None]) -> Iterator[Relaxing]:
        """Relax all; yields each as it ends.

        Args:
            check_time: called before each evaluation; raises to stop, when :attr:`running` holds what is worth keeping.

        Raises:
            OutOfMemory: not even one structure fits.
        """
        while self.waiting or self.running:
            check_time()
            yield from self._fill()
            if not self.running:
                continue
            found = self._evaluate()
            if found is None:
                continue
            ended = []
            for one, (energy, forces, _) in zip(self.running, found, strict=True):
                try:
                    if one.learn(energy, forces, self.parameters.steps):
                        one.end()
                        ended.append(one)
                        continue
                    one.check()
                except RelaxationError as failure:
                    one.end(str(failure))
                    ended.append(one)
            left = set(map(id, ended))
            self.running = [one for one in self.running if id(one) not in left]
            yield from ended

    def _fill(self) -> Iterator[Relaxing]:
        """Let structures in as long as there is room; yields those that cannot begin."""
        size = sum(one.size for one in self.running)
        while self.waiting:
            one = self.waiting[0]
            if one.site is None:
                try:
                    one.check()
                except RelaxationError as failure:
                    self.waiting.popleft()
                    one.end(str(failure))
                    yield one
                    continue
                one.site = self.evaluator.site(one.one.numbers, one.one.pbc[0])
            if self._auto and math.isinf(self.atoms):
                self._try_one(max(self.waiting, key=lambda other: other.size))
            if self.running and size + one.size > self.atoms:
                return
            size += one.size
            one._since = time.monotonic()
            self.running.append(self.waiting.popleft())

    def _try_one(self, largest: Relaxing) -> None:
        """Find the size of the batch with the largest structure."""
        site = self.evaluator.site(largest.one.numbers, largest.one.pbc[0])
        try:
            self.atoms = self.evaluator.batch_atoms(site, largest.optimiser.trial, largest.outcome.cell)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise self._too_little(largest, error) from error

    def _evaluate(self) -> Any:
        """Evaluate all running structures; None where the batch was too large and some of them wait again."""
        positions = [one.optimiser.trial for one in self.running]
        cells = [one.outcome.cell for one in self.running]
        try:
            found = self.evaluator.evaluate([one.site for one in self.running], positions, cells)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(self.running) == 1:
                raise self._too_little(self.running[0], error) from error
        else:
            self.evaluations += 1
            return found
        half = len(self.running) // 2
        self.waiting.extendleft(reversed(self.running[half:]))
        self.running = self.running[:half]
        self.atoms = sum(one.size for one in self.running)
        self.report(f"out of memory: continuing with {self.atoms} atoms at once")
        return None

    @staticmethod
    def _too_little(one: Relaxing, error: Exception) -> OutOfMemory:
        return OutOfMemory(
            f"relax: structure {one.index} with {one.size} atoms does not fit by itself ({first_line(error)}); use a "
            "device with more memory, or device 'cpu'"
        )
