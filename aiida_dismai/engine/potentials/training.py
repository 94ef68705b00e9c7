"""The training loop: every random choice follows from seed and epoch, so a resumed run equals an uninterrupted one."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..checkpoint import load_newest, save_checkpoint
from ..context import Context
from ..errors import Diverged, Unfinished
from ..ownership import Owner
from .folder import network_of
from .graphs import GraphBuilder
from .labels import Split
from .losses import ErrorSums, Labels, compute, loss_part, memory_hint
from .parameters import TrainParameters

if TYPE_CHECKING:
    from matgl.apps.pes import Potential

CHECKPOINT = "train.safetensors"
#: Seconds between two lines of progress inside one epoch.
REPORT_INTERVAL = 10.0
#: The cosine schedule ends at this share of the learning rate.
FINAL_SHARE = 0.01
CURVES = (
    "epoch",
    "train_loss",
    "train_mae_energy",
    "train_mae_forces",
    "train_mae_stress",
    "validation_mae_energy",
    "validation_mae_forces",
    "validation_mae_stress",
    "score",
    "learning_rate",
    "seconds",
)


class Training:
    """State and course of one training.

    Attributes:
        epoch: the running epoch, from 1.
        step: steps done in it.
        curves: one list per name of :data:`CURVES`; errors in meV/atom, meV/Å and GPa.
        best_epoch: epoch of the best score so far, 0 before the first.
        best_weights: ``state_dict`` of the network at that epoch.
        steps_run: steps that this process has done, and ``step_seconds`` the time they took.
    """

    def __init__(
        self,
        potential: Potential,
        builder: GraphBuilder,
        labels: Labels,
        split: Split,
        parameters: TrainParameters,
        seed: int,
    ) -> None:
        """Set up the optimiser; nothing is computed yet."""
        self.potential = potential
        self.network = network_of(potential)
        self.builder = builder
        self.labels = labels
        self.split = split
        self.parameters = parameters
        self.seed = seed
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=parameters.learning_rate)
        self.weights = (parameters.energy_weight, parameters.forces_weight, parameters.stress_weight)
        self.owner = Owner.of_parameters(
            "potential.train", parameters, seed=seed, structures=labels.structures.content_hash
        )
        self.epoch = 1
        self.step = 0
        self.loss_sum = 0.0
        self.sums = ErrorSums()
        self.curves: dict[str, list[float]] = {name: [] for name in CURVES}
        self.best_epoch = 0
        self.best_score = math.inf
        self.best_weights: dict[str, torch.Tensor] = {}
        self.steps_run = 0
        self.step_seconds = 0.0

    # ------------------------------------------------------------------ checkpoint
    def save(self, folder: Path) -> None:
        """Write everything that the course depends on."""
        save_checkpoint(
            folder / CHECKPOINT,
            {
                "owner": self.owner.record(),
                "epoch": self.epoch,
                "step": self.step,
                "loss_sum": self.loss_sum,
                "sums": asdict(self.sums),
                "curves": self.curves,
                "best_epoch": self.best_epoch,
                "best_score": self.best_score,
                "best_weights": self.best_weights,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
        )

    def resume(self, folder: Path, warn: Callable[[str], None]) -> bool:
        """Go on from the newest sound checkpoint in ``folder``, if there is one; return whether there was.

        ``warn`` is called with a line for each that is damaged.

        Raises:
            BadInput: the checkpoint belongs to other data, another seed or other parameters.
        """
        path = folder / CHECKPOINT
        state = load_newest(path, warn)
        if state is None:
            return False
        self.owner.require(state.get("owner"), path)
        self.epoch, self.step = state["epoch"], state["step"]
        self.loss_sum, self.sums = state["loss_sum"], ErrorSums(**state["sums"])
        self.curves = state["curves"]
        self.best_epoch, self.best_score = state["best_epoch"], state["best_score"]
        self.best_weights = state["best_weights"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        return True

    # ------------------------------------------------------------------ course
    def stopped(self) -> str | None:
        """Return why the training is over (``patience`` or ``max_epochs``), None while it is not."""
        if self.step == 0 and self.epoch > 1:
            if self.epoch - 1 - self.best_epoch >= self.parameters.patience:
                return "patience"
            if self.epoch > self.parameters.max_epochs:
                return "max_epochs"
        return None

    def learning_rate(self) -> float:
        """Return the learning rate of the running epoch."""
        top = self.parameters.learning_rate
        if self.parameters.schedule == "constant":
            return top
        part = min(1.0, (self.epoch - 1) / max(1, self.parameters.max_epochs - 1))
        return top * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * part)))

    def run(self, context: Context) -> str:
        """Train until it is over; return why it is.

        Raises:
            Unfinished: the time is used up; a checkpoint was written.
            Diverged: loss or gradients became NaN or infinite; the last checkpoint is from before.
        """
        folder, saved = context.checkpoint, time.monotonic()
        while (reason := self.stopped()) is None:
            started = time.monotonic()
            batches = self._batches()
            reported = started
            while self.step < len(batches):
                loss = self._one_step(batches[self.step])
                self.step += 1
                now = time.monotonic()
                if now - reported > REPORT_INTERVAL:
                    reported = now
                    context.progress(
                        "train",
                        self.epoch - 1,
                        self.parameters.max_epochs,
                        step=self.step,
                        steps=len(batches),
                        loss=loss,
                    )
                if context.out_of_time():
                    self.save(folder)
                    raise Unfinished(
                        f"stopped in epoch {self.epoch} after step {self.step} of {len(batches)}; run again to resume"
                    )
                if now - saved >= self.parameters.checkpoint_interval:
                    self.save(folder)
                    saved = time.monotonic()
            self._close_epoch(context, len(batches), time.monotonic() - started)
        self.save(folder)
        return reason

    def _batches(self) -> list[Any]:
        frames = np.random.default_rng([self.seed, self.epoch]).permutation(self.split.train)
        size = self.parameters.batch_size
        return [frames[start : start + size] for start in range(0, len(frames), size)]

    def _one_step(self, batch: Any) -> float:
        started = time.monotonic()
        self.potential.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        atoms = int(self.labels.structures.n_atoms[batch].sum())
        total = 0.0
        sums = copy.copy(self.sums)
        size = self.parameters.micro_batch_size
        for start in range(0, len(batch), size):
            micro = batch[start : start + size]
            output = compute(self.potential, self.builder, self.labels.structures, micro)
            errors = self.labels.errors(output, micro)
            part = loss_part(errors, self.weights, len(batch), atoms)
            with memory_hint():
                part.backward()
            sums.add(errors)
            total += float(part.detach())
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        if not math.isfinite(total) or not all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
            raise Diverged(
                f"the loss became {total} in epoch {self.epoch}, step {self.step + 1}; the last checkpoint is from "
                f"before: run again with a lower learning_rate than {self.parameters.learning_rate:g}"
            )
        self.optimizer.step()
        self.sums = sums
        self.loss_sum += total
        self.steps_run += 1
        self.step_seconds += time.monotonic() - started
        return total

    def _close_epoch(self, context: Context, steps: int, seconds: float) -> None:
        """Validate, write the curves down, keep the best weights, and go to the next epoch."""
        train = self.sums.means()
        validation = self._validate()
        # Without a validation set the errors on the training batches have to do.
        judged = validation if len(self.split.validation) else train
        score = sum(weight * error for weight, error in zip(self.weights, judged, strict=True))
        if not math.isfinite(score):
            raise Diverged(
                f"the errors became {judged} after epoch {self.epoch}; the last checkpoint is from before: run again "
                f"with a lower learning_rate than {self.parameters.learning_rate:g}"
            )
        row: dict[str, float] = {"epoch": self.epoch, "train_loss": self.loss_sum / steps, "score": score}
        row |= {"learning_rate": self.learning_rate(), "seconds": seconds}
        for name, errors in (("train", train), ("validation", validation)):
            row |= {
                f"{name}_mae_energy": 1000 * errors[0],
                f"{name}_mae_forces": 1000 * errors[1],
                f"{name}_mae_stress": errors[2],
            }
        for key in CURVES:
            self.curves[key].append(row[key])
        if score < self.best_score:
            self.best_score, self.best_epoch = score, self.epoch
            self.best_weights = {
                name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()
            }
        context.progress(
            "train",
            self.epoch,
            self.parameters.max_epochs,
            best_epoch=self.best_epoch,
            **{key: value for key, value in row.items() if key != "epoch" and not math.isnan(value)},
        )
        self.epoch += 1
        self.step, self.loss_sum, self.sums = 0, 0.0, ErrorSums()

    def _validate(self) -> tuple[float, float, float]:
        self.potential.eval()
        sums = ErrorSums()
        frames, size = self.split.validation, self.parameters.micro_batch_size
        for start in range(0, len(frames), size):
            chosen = frames[start : start + size]
            sums.add(self.labels.errors(compute(self.potential, self.builder, self.labels.structures, chosen), chosen))
        return sums.means()
