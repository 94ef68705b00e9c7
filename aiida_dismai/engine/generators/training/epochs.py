"""The epochs of any training: what a step sees, when it is saved, reported and stopped, and the curves.

What a step does, with one optimiser or several, is up to the :class:`Learner`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...cadence import Cadence
from ...checkpoint import load_newest, save_checkpoint
from ...context import Context
from ...errors import BadInput, Diverged, Unfinished
from .memory import peak_memory
from .parameters import EpochParameters
from .workers import Worker

CHECKPOINT = "training.safetensors"
#: Seconds between two lines of progress.
REPORT_SECONDS = 5.0


class Learner(Protocol):
    """Networks, optimisers, data and losses.

    Attributes:
        n_training: training structures in an epoch.
    """

    n_training: int

    def take(self, epoch: int, seen: int, size: int) -> Tensor:
        """Return the indices of the next structures, at most ``size``, after ``seen`` ones in this epoch (from 0)."""
        ...

    def step(self, chosen: Tensor, epoch: int, step: int) -> dict[str, float]:
        """Learn from some structures; ``step`` is the number of steps before it in this epoch.

        Returns:
            Numbers to be averaged over the epoch, NaN for one that this step does not have.

        Raises:
            Diverged: a number or weight is NaN or infinite.
        """
        ...

    def close(self, epoch: int, means: dict[str, float]) -> dict[str, float]:
        """End an epoch: validate, and return the row of the curves, which ``means`` are the averages for."""
        ...

    def state(self) -> dict[str, Any]:
        """Return all that a resumed run needs, for a checkpoint.

        Raises:
            Diverged: a weight is NaN or infinite, so that no bad checkpoint replaces a good one.
        """
        ...

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        ...


class Epochs:
    """One process's view of a run: where it is, and the curves so far.

    Attributes:
        epoch: epochs that are over.
        step: steps in the running one, and ``seen``, the structures of these.
        rows: the curves, name → one number per epoch.
    """

    def __init__(self, learner: Learner, parameters: EpochParameters, context: Context, worker: Worker) -> None:
        """Begin before the first epoch, or where the checkpoint is; the learner's state is that afterwards.

        Raises:
            BadInput: the checkpoint is of an earlier version.
        """
        self.parameters = parameters
        self._begin(learner, parameters.checkpoint_seconds, context, worker)

    def _begin(self, learner: Learner, checkpoint_seconds: float, context: Context, worker: Worker) -> None:
        self.learner, self.context, self.worker = learner, context, worker
        self.checkpoint_seconds = checkpoint_seconds
        self.path = context.checkpoint / CHECKPOINT
        self.epoch = self.step = self.seen = 0
        self.sums: dict[str, list[float]] = {}
        self.rows: dict[str, list[float]] = {}
        state = self.read()
        if state is not None:
            self.epoch, self.step, self.seen = state["epoch"], state["step"], state["seen"]
            self.sums = state["sums"]
            self.rows = {name: rows.tolist() for name, rows in state["rows"].items()}
            learner.load_state(state)
        self.resumed_from = self.done()
        self.per_step = self.steps_run = self.structures_run = 0
        self.seconds = 0.0
        self.peak_before = peak_memory(worker.device)

    # ------------------------------------------------------------------ what an epoch is
    def finished(self) -> bool:
        """Whether the last epoch is over."""
        return self.epoch >= self.parameters.epochs

    def due(self) -> bool:
        """Whether a checkpoint is due now that an epoch is over."""
        return self.finished() or self.epoch % self.parameters.checkpoint_epochs == 0

    def over(self) -> bool:
        """Whether the steps of the running epoch are all of it."""
        return self.seen >= self.learner.n_training

    def done(self) -> float:
        """Return how much is done, in epochs."""
        return self.epoch + self.seen / self.learner.n_training

    def where(self) -> str:
        """Name the next step, for errors."""
        return f"epoch {self.epoch + 1}, step {self.step + 1}"

    def so_far(self) -> str:
        """Say what is done."""
        return f"epoch {self.epoch} of {self.parameters.epochs} is done"

    def axis(self) -> dict[str, float]:
        """Return what an epoch that is just over is named by in the curves."""
        return {"epoch": self.epoch + 1.0}

    # ------------------------------------------------------------------ running

    def run(self, per_step: int) -> None:
        """Train to the last epoch; a step sees ``per_step`` structures, in all processes together.

        Raises:
            Diverged: names epoch and step.
            Unfinished: out of time, after a checkpoint has been written.
        """
        self.per_step = per_step
        cadence = Cadence(self.checkpoint_seconds, REPORT_SECONDS)
        while not self.finished():
            if self.worker.agree(self.context.out_of_time()):
                self.save()
                raise Unfinished(f"{self.so_far()}; run again to resume")
            where = self.where()
            chosen = self.learner.take(self.epoch, self.seen, per_step)
            try:
                numbers = self.learner.step(chosen, self.epoch, self.step)
                over = self._note(numbers, len(chosen))
                if cadence.save(over and self.due()):
                    self.save()
            except Diverged as error:
                kept = "the last good checkpoint is kept" if self.path.is_file() else "no checkpoint was written yet"
                raise Diverged(f"{where}: {error}; a lower learning_rate may help, and {kept}") from error
            self.seconds = cadence.seconds()
            if self.worker.first and cadence.report(self.finished()):
                self.report(numbers)

    def _note(self, numbers: dict[str, float], size: int) -> bool:
        """Note the numbers of a step; return whether the epoch is over."""
        for name, value in numbers.items():
            total = self.sums.setdefault(name, [0.0, 0])
            if not math.isnan(value):
                total[:] = total[0] + value * size, total[1] + size
        self.step, self.seen = self.step + 1, self.seen + size
        self.steps_run, self.structures_run = self.steps_run + 1, self.structures_run + size
        if not self.over():
            return False
        row = self.learner.close(self.epoch, {name: total / count for name, (total, count) in self.sums.items()})
        for name, value in (self.axis() | row).items():
            self.rows.setdefault(name, []).append(value)
        self.epoch, self.step, self.seen, self.sums = self.epoch + 1, 0, 0, {}
        return True

    def report(self, numbers: dict[str, float]) -> None:
        """Write a line of progress with the numbers of the last step."""
        ended = {name: rows[-1] for name, rows in self.rows.items()}
        shown = numbers | {name: ended[name] for name in ended if name.startswith(("validation_", "learning_rate"))}
        self.context.progress(
            "train",
            self.epoch,
            self.parameters.epochs,
            step=self.step,
            structures_per_second=self.structures_run / self.seconds,
            **{name: value for name, value in shown.items() if math.isfinite(value)},
        )

    # ------------------------------------------------------------------ checkpoints
    def read(self) -> dict[str, Any] | None:
        """Return what :meth:`write` wrote; None before the first checkpoint, and where none is sound.

        Raises:
            BadInput: the checkpoint is of an earlier version.
        """
        state = load_newest(self.path, self.context.warn)
        if state is not None and "seen" not in state:
            raise BadInput(f"{CHECKPOINT}: checkpoint of an earlier version; remove its folder to start from scratch")
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Write a checkpoint."""
        save_checkpoint(self.path, state)

    def save(self) -> None:
        """Write a checkpoint of the present state, in the first process."""
        if self.worker.first:
            rows = {name: torch.tensor(rows, dtype=torch.float64) for name, rows in self.rows.items()}
            frame = {"epoch": self.epoch, "step": self.step, "seen": self.seen, "sums": self.sums, "rows": rows}
            self.write(frame | self.learner.state())

    def keep_batch_size(self, batch_size: int) -> None:
        """Save the batch size that a dry run has found: memory may be another when the run is resumed."""
        self.save()
        if self.worker.first:  # whoever restarts the run after it ran out of memory all the same halves this
            self.context.progress("batch size", 1, 1, batch_size=batch_size)

    # ------------------------------------------------------------------ what comes out

    def curves(self) -> dict[str, NDArray[np.float64]]:
        """Return the curves, one number per epoch."""
        return {name: np.array(rows) for name, rows in self.rows.items()}

    def results(self) -> dict[str, Any]:
        """Return the scalars of the results."""
        steps = math.ceil(self.learner.n_training / self.per_step)
        device = self.worker.device
        results = {
            "epochs": self.epoch,
            "resumed_from_epoch": self.resumed_from,
            "steps_per_epoch": steps,
            "peak_memory_mb": max(peak_memory(device) - self.peak_before * (device.type == "cpu"), 0) / 1e6,
            **{f"final_{name}": rows[-1] for name, rows in self.rows.items() if name != "epoch"},
        }
        if self.steps_run:
            results["seconds_per_step"] = self.seconds / self.steps_run
            results["seconds_per_epoch"] = results["seconds_per_step"] * steps
            results["structures_per_second"] = self.structures_run / self.seconds
        return results
