"""The epochs of a run: steps of Adam, validation, plateau schedule, best weights, checkpoints to resume from."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...checkpoint import load_checkpoint, save_checkpoint
from ...context import Context
from ...errors import BadInput, Diverged, Unfinished
from .memory import find_batch_size, named_batch, peak_memory
from .objective import Objective, check_device, matrix_products
from .parameters import GraphTrainingParameters
from .problem import Fit, Problem
from .randomness import TRAINING, VALIDATION, shuffled, stream
from .workers import Alone, Worker, check_launcher, run_on_devices

CHECKPOINT = "training.safetensors"
#: Seconds between two lines of progress.
REPORT_SECONDS = 5.0


def fit(problem: Problem, parameters: GraphTrainingParameters, context: Context, device: str) -> Fit:
    """Train a network, resuming from ``context.checkpoint`` when it holds a checkpoint of this run.

    With more than one process, the processes are started here and end here, or they have been started by srun or
    torchrun; then all but the first end inside this function (``SystemExit``), so that only one writes results.

    Args:
        problem: network, data and losses.
        parameters: of the training.
        context: folder, seed, time limit.
        device: ``cpu`` or ``cuda``.

    Raises:
        BadInput: more processes than structures, another number of processes than a launcher has started, or an option
            that the device does not have.
        Diverged: a loss or a gradient became NaN or infinite; the last good checkpoint is kept.
        OutOfMemory: a batch did not fit; it is named.
        Unfinished: out of time, after a checkpoint has been written.
    """
    check_device(parameters, device)
    parts = parameters.accumulate * parameters.devices * parameters.num_nodes
    if problem.n_training < parts:
        raise BadInput(
            f"{problem.n_training} training structures are too few for accumulate × devices × num_nodes = {parts} "
            "batches a step; lower these"
        )
    check_launcher(parameters)
    if parameters.devices * parameters.num_nodes == 1:
        results = train(Alone(torch.device(device)), problem, parameters, context)
    else:
        results = run_on_devices(train, problem, parameters, context, device)
    return _fit_of(context, results)


def train(worker: Worker, problem: Problem, parameters: GraphTrainingParameters, context: Context) -> dict[str, Any]:
    """Do one process's part of :func:`fit`; its last checkpoint holds weights and curves. Returns the scalars."""
    with matrix_products(parameters.precision):
        return _Loop(worker, problem, parameters, context).run()


def _fit_of(context: Context, results: dict[str, Any]) -> Fit:
    state = load_checkpoint(context.checkpoint / CHECKPOINT)
    best, rows = state["best"], state["rows"]
    curves = {name: values.numpy() for name, values in rows.items()}
    return Fit(state["network"] if best is None else best["weights"], curves, results)


class _Loop:
    """One process's view of a run: where it is, its network, its optimiser, the curves so far."""

    def __init__(self, worker: Worker, problem: Problem, parameters: GraphTrainingParameters, context: Context) -> None:
        """Begin before the first epoch, or where the checkpoint is."""
        self.worker, self.problem, self.parameters, self.context = worker, problem, parameters, context
        self.seed = context.required_seed()
        self.path = context.checkpoint / CHECKPOINT
        self.network = problem.network.to(worker.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=parameters.learning_rate, fused=True)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer,
            factor=parameters.plateau_factor,
            patience=parameters.plateau_patience,
            min_lr=parameters.min_learning_rate,
        )
        self.epoch = self.step = self.batch_size = 0
        self.names: list[str] = []
        self.sums: list[float] = []
        self.rows: dict[str, list[float]] = {}
        self.best: dict[str, Any] | None = None
        if self.path.is_file():
            self._load_state(load_checkpoint(self.path))
        self.peak_before = peak_memory(worker.device)
        self.local = Objective(problem, parameters.precision)
        if not self.batch_size:
            self.batch_size = self._choose_batch_size()
        if parameters.compile:
            self.network.compile()
        self.objective = worker.distribute(self.local)
        self.per_step = self.batch_size * parameters.accumulate * worker.world
        self.steps = math.ceil(problem.n_training / self.per_step)
        self.resumed_from = self.epoch + self.step / self.steps

    def _choose_batch_size(self) -> int:
        if self.parameters.batch_size != "auto":
            return self.parameters.batch_size
        self.network.train()
        size = self.worker.smallest(find_batch_size(self.problem, self.local, self.seed, self.worker.device))
        self.batch_size = size
        self._save()  # memory may be another when the run is resumed; its batches may not
        if self.worker.first:  # whoever restarts the run after it ran out of memory all the same halves this
            self.context.progress("batch size", 1, 1, batch_size=size)
        return size

    # ------------------------------------------------------------------ the run
    def run(self) -> dict[str, Any]:
        """Train to the last epoch; return the scalars of the results."""
        started = saved = time.monotonic()
        reported = -math.inf
        steps = structures = 0
        while self.epoch < self.parameters.epochs:
            if self.worker.agree(self.context.out_of_time()):
                self._save()
                raise Unfinished(f"epoch {self.epoch} of {self.parameters.epochs} is done; run again to resume")
            chosen = shuffled(self.seed, self.epoch, self.problem.n_training)[self.step * self.per_step :]
            chosen = chosen[: self.per_step]
            numbers = self._step(chosen.tolist())
            steps += 1
            structures += len(chosen)
            complete = self.step == self.steps
            if complete:
                self._end_epoch()
            now = time.monotonic()
            last = self.epoch == self.parameters.epochs
            due = complete and self.epoch % self.parameters.checkpoint_epochs == 0
            if last or due or now - saved >= self.parameters.checkpoint_seconds:
                self._save()
                saved = time.monotonic()
            if self.worker.first and (last or now - reported >= REPORT_SECONDS):
                self._report(numbers, structures / (now - started))
                reported = now
        return self._results(steps, structures, time.monotonic() - started)

    def _report(self, numbers: dict[str, float], speed: float) -> None:
        validated = {name: rows[-1] for name, rows in self.rows.items() if name.startswith("validation_")}
        self.context.progress(
            "train",
            self.epoch,
            self.parameters.epochs,
            step=self.step,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            structures_per_second=speed,
            **numbers,
            **{name: value for name, value in validated.items() if math.isfinite(value)},
        )

    def _step(self, chosen: Sequence[int]) -> dict[str, float]:
        """Take one step of the optimiser on some structures; return the mean losses over them."""
        self.network.train()
        parts = np.array_split(np.asarray(chosen), self.parameters.accumulate * self.worker.world)
        mine = range(self.worker.rank * self.parameters.accumulate, (self.worker.rank + 1) * self.parameters.accumulate)
        self.optimizer.zero_grad(set_to_none=True)
        means: Tensor | None = None
        for part in mine:
            indices = parts[part].tolist()
            share = len(indices) / len(chosen)
            losses = self._add_gradients(indices, part, share, part != mine[-1])
            if len(indices):
                self._name(losses)
                value = torch.stack([losses[name].detach().double() for name in self.names]) * share
                means = value if means is None else means + value
        gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
        largest = torch.nn.utils.get_total_norm(gradients, math.inf).double()
        if means is None:
            means = torch.zeros(len(self.names), dtype=torch.float64, device=self.worker.device)
        values = torch.cat([self.worker.sum(means), largest[None]]).tolist()
        for name, number in zip([*self.names, "the gradient"], values, strict=True):
            if not math.isfinite(number):
                kept = "the last good checkpoint is kept" if self.path.is_file() else "no checkpoint was written yet"
                raise Diverged(
                    f"epoch {self.epoch + 1}, step {self.step + 1}: {name} became {number}; a lower learning_rate may "
                    f"help, and {kept}"
                )
        if self.parameters.clip_value:
            torch.nn.utils.clip_grad_value_(self.network.parameters(), self.parameters.clip_value)
        self.optimizer.step()
        self.sums = [total + value * len(chosen) for total, value in zip(self.sums, values[:-1], strict=True)]
        self.step += 1
        return dict(zip(self.names, values[:-1], strict=True))

    def _add_gradients(self, indices: Sequence[int], part: int, share: float, more: bool) -> dict[str, Tensor]:
        """Return the losses of a part of a step; add their gradients, weighted by its share of the step."""
        random = stream(self.seed, TRAINING, self.epoch, self.step, part)
        with self._named(indices, False), self.worker.adding(self.objective, more):
            losses: dict[str, Tensor] = self.objective(indices, False, self.epoch, random)
            # several processes average their gradients, which are to be added
            (losses["loss"] * (share * self.worker.world)).backward()
        return losses

    def _named(self, indices: Sequence[int], validation: bool) -> AbstractContextManager[None]:
        """Let an error of memory inside name this batch."""
        where = f"epoch {self.epoch + 1}, " + ("validation" if validation else f"step {self.step + 1}")
        n_atoms = self.problem.n_atoms(indices, validation) if len(indices) else 0
        return named_batch(where, len(indices), n_atoms)

    def _name(self, losses: dict[str, Tensor]) -> None:
        if not self.names:
            self.names = sorted(losses)
            self.sums = [0.0] * len(self.names)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Return the mean losses over the structures kept aside, with the same random numbers every time."""
        self.network.eval()
        sums = torch.zeros(len(self.names), dtype=torch.float64, device=self.worker.device)
        n = self.problem.n_validation
        for number, start in enumerate(range(0, n, self.batch_size)):
            if number % self.worker.world != self.worker.rank:
                continue
            indices = list(range(start, min(start + self.batch_size, n)))
            with self._named(indices, True):
                losses = self.local(indices, True, self.epoch, stream(self.seed, VALIDATION, start))
            sums += torch.stack([losses[name].double() for name in self.names]) * len(indices)
        return dict(zip(self.names, (self.worker.sum(sums) / n).tolist(), strict=True))

    def _end_epoch(self) -> None:
        row = {
            f"train_{name}": total / self.problem.n_training for name, total in zip(self.names, self.sums, strict=True)
        }
        watched: float | None = row[f"train_{self.problem.monitor}"]
        if self.problem.n_validation:
            due = (self.epoch + 1) % self.parameters.validation_interval == 0
            validated = self._validate() if due or self.epoch + 1 == self.parameters.epochs else {}
            row |= {f"validation_{name}": validated.get(name, math.nan) for name in self.names}
            watched = validated.get(self.problem.monitor)
        row |= {"epoch": self.epoch + 1.0, "learning_rate": self.optimizer.param_groups[0]["lr"]}
        for name, value in row.items():
            self.rows.setdefault(name, []).append(value)
        self.epoch, self.step, self.sums = self.epoch + 1, 0, [0.0] * len(self.names)
        if watched is None:
            return
        if not math.isfinite(watched):
            raise Diverged(
                f"epoch {self.epoch}: {self.problem.monitor} of the validation became {watched}; a lower learning_rate "
                "may help"
            )
        self.plateau.step(watched)
        if self.problem.n_validation and (self.best is None or watched < self.best["value"]):
            weights = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
            self.best = {"value": watched, "epoch": self.epoch, "weights": weights}

    # ------------------------------------------------------------------ what is kept
    def _results(self, steps: int, structures: int, seconds: float) -> dict[str, Any]:
        worker, parameters = self.worker, self.parameters
        results: dict[str, Any] = {
            "epochs": self.epoch,
            "best_epoch": self.epoch if self.best is None else self.best["epoch"],
            "resumed_from_epoch": self.resumed_from,
            "steps_per_epoch": self.steps,
            "batch_size": self.batch_size,
            "structures_per_step": self.per_step,
            "precision": parameters.precision,
            "compiled": parameters.compile,
            "devices": parameters.devices,
            "num_nodes": parameters.num_nodes,
            "peak_memory_mb": max(peak_memory(worker.device) - self.peak_before * (worker.device.type == "cpu"), 0)
            / 1e6,
            **{f"final_{name}": rows[-1] for name, rows in self.rows.items() if name != "epoch"},
        }
        if self.best is not None:
            results[f"best_validation_{self.problem.monitor}"] = self.best["value"]
        if steps:
            results["seconds_per_step"] = seconds / steps
            results["seconds_per_epoch"] = seconds / steps * self.steps
            results["structures_per_second"] = structures / seconds
        return results

    def _save(self) -> None:
        if not self.worker.first:
            return
        save_checkpoint(
            self.path,
            {
                "epoch": self.epoch,
                "step": self.step,
                "batch_size": self.batch_size,
                "names": self.names,
                "sums": self.sums,
                "rows": {name: torch.tensor(rows, dtype=torch.float64) for name, rows in self.rows.items()},
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "plateau": self.plateau.state_dict(),
                "best": self.best,
            },
        )

    def _load_state(self, state: dict[str, Any]) -> None:
        self.epoch, self.step, self.batch_size = state["epoch"], state["step"], state["batch_size"]
        self.names, self.sums = state["names"], state["sums"]
        self.rows = {name: rows.tolist() for name, rows in state["rows"].items()}
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.plateau.load_state_dict(state["plateau"])
        self.best = state["best"]
