"""Training that counts steps of the optimiser, of one network after another, in intervals between validations.

One checkpoint holds the state of every network: those that are finished, and the one that is trained.
"""

from __future__ import annotations

from typing import Any, Protocol

from ...checkpoint import load_newest
from ...context import Context
from ...errors import BadInput
from .epochs import CHECKPOINT, Epochs, Learner
from .memory import peak_memory
from .parameters import StepTrainingParameters
from .workers import Worker


class StepLearner(Learner, Protocol):
    """What intervals need besides what epochs need.

    Attributes:
        count: steps of the optimiser so far, in all intervals.
    """

    count: int

    def recent(self) -> dict[str, float]:
        """Return the mean losses of the running interval so far."""
        ...


class Intervals(Epochs):
    """The training of one of several networks, as :class:`~.epochs.Epochs` with intervals in the place of epochs."""

    learner: StepLearner

    def __init__(
        self,
        learner: StepLearner,
        parameters: StepTrainingParameters,
        names: list[str],
        name: str,
        context: Context,
        worker: Worker,
    ) -> None:
        """Begin before the first step, or where the checkpoint is; the learner's state is that afterwards.

        Args:
            learner: network, optimiser, data and losses.
            parameters: of the training.
            names: of all networks, in the order in which they are trained.
            name: of this one.
            context: folder, seed, time limit.
            worker: this process.

        Raises:
            BadInput: the checkpoint is of other networks.
        """
        self.steps = parameters
        self.names, self.name = names, name
        self.networks: dict[str, Any] = {}
        self._begin(learner, parameters.checkpoint_seconds, context, worker)

    # ------------------------------------------------------------------ what an interval is
    def finished(self) -> bool:
        """Whether the last step is done."""
        return self.learner.count >= self.steps.steps

    def due(self) -> bool:
        """A checkpoint belongs to the end of the training; others follow the clock."""
        return self.finished()

    def over(self) -> bool:
        """Whether a validation comes now: after the steps v, 2 v, … counted from zero, and after the last."""
        count = self.learner.count
        return self.finished() or (count > 1 and (count - 1) % self.steps.validation_steps == 0)

    def done(self) -> float:
        """Return how many steps are done."""
        return self.learner.count

    def where(self) -> str:
        """Name the next step."""
        return f"{self.name}, step {self.learner.count + 1}"

    def so_far(self) -> str:
        """Say what is done."""
        return f"step {self.learner.count} of {self.steps.steps} of {self.name} is done"

    def axis(self) -> dict[str, float]:
        """Return the steps done."""
        return {"step": float(self.learner.count)}

    def report(self, numbers: dict[str, float]) -> None:
        """Write a line of progress; the steps of all networks are counted together."""
        place = self.names.index(self.name)
        ended = {name: rows[-1] for name, rows in self.rows.items() if name != "step"}
        self.context.progress(
            "train",
            place * self.steps.steps + self.learner.count,
            len(self.names) * self.steps.steps,
            network=place + 1,
            structures_per_second=self.structures_run / self.seconds,
            **ended,
            **self.learner.recent(),
        )

    # ------------------------------------------------------------------ checkpoints
    def read(self) -> dict[str, Any] | None:
        """Return this network's part of the checkpoint; None if it has not begun."""
        found = load_newest(self.path, self.context.warn)
        if found is None:
            return None
        self.networks = found.get("networks", {})
        expected = self.names[: len(self.networks)]
        if not self.networks or sorted(self.networks) != sorted(expected):
            raise BadInput(
                f"{CHECKPOINT}: a checkpoint of {', '.join(self.networks) or 'another training'} where one of "
                f"{', '.join(self.names)} is wanted; remove its folder to start from scratch"
            )
        state: dict[str, Any] | None = self.networks.pop(self.name, None)
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Write a checkpoint of all networks so far."""
        super().write({"networks": self.networks | {self.name: state}})

    # ------------------------------------------------------------------ what comes out
    def results(self) -> dict[str, Any]:
        """Return the scalars of the results."""
        device = self.worker.device
        results = {
            "steps": self.learner.count,
            "resumed_from_step": self.resumed_from,
            "peak_memory_mb": max(peak_memory(device) - self.peak_before * (device.type == "cpu"), 0) / 1e6,
            **{f"final_{name}": rows[-1] for name, rows in self.rows.items() if name != "step"},
        }
        if self.steps_run:
            results["seconds_per_step"] = self.seconds / self.steps_run
            results["structures_per_second"] = self.structures_run / self.seconds
        return results
