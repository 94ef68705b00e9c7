"""Training of a graph model: steps of Adam, validation, plateau schedule, best weights, on one device or several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...checkpoint import load_checkpoint
from ...context import Context
from ...errors import BadInput, Diverged
from .epochs import CHECKPOINT, Epochs
from .memory import find_batch_size, named_batch
from .objective import Objective, check_device, matrix_products
from .parameters import GraphTrainingParameters
from .problem import Fit, Problem
from .randomness import TRAINING, VALIDATION, shuffled, stream
from .workers import Alone, Worker, check_launcher, run_on_devices


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
        learner = Descent(worker, problem, parameters, context.required_seed())
        epochs = Epochs(learner, parameters, context, worker)
        if learner.choose_batch_size():
            epochs.save()  # memory may be another when the run is resumed; its batches may not
            if worker.first:  # whoever restarts the run after it ran out of memory all the same halves this
                context.progress("batch size", 1, 1, batch_size=learner.batch_size)
        learner.distribute()
        epochs.run(learner.batch_size * parameters.accumulate * worker.world)
    results = epochs.results() | {
        "best_epoch": epochs.epoch if learner.best is None else learner.best["epoch"],
        "batch_size": learner.batch_size,
        "structures_per_step": epochs.per_step,
        "precision": parameters.precision,
        "compiled": parameters.compile,
        "devices": parameters.devices,
        "num_nodes": parameters.num_nodes,
    }
    if learner.best is not None:
        results[f"best_validation_{problem.monitor}"] = learner.best["value"]
    return results


def _fit_of(context: Context, results: dict[str, Any]) -> Fit:
    state = load_checkpoint(context.checkpoint / CHECKPOINT)
    best, rows = state["best"], state["rows"]
    curves = {name: values.numpy() for name, values in rows.items()}
    return Fit(state["network"] if best is None else best["weights"], curves, results)


class Descent:
    """One process's network and optimiser, as the :class:`~.epochs.Learner` of its epochs."""

    def __init__(self, worker: Worker, problem: Problem, parameters: GraphTrainingParameters, seed: int) -> None:
        """Set up the optimiser; nothing is computed yet."""
        self.worker, self.problem, self.parameters, self.seed = worker, problem, parameters, seed
        self.n_training = problem.n_training
        self.network = problem.network.to(worker.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=parameters.learning_rate, fused=True)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer,
            factor=parameters.plateau_factor,
            patience=parameters.plateau_patience,
            min_lr=parameters.min_learning_rate,
        )
        self.batch_size = 0
        self.names: list[str] = []
        self.best: dict[str, Any] | None = None
        self.local = Objective(problem, parameters.precision)
        self.objective: nn.Module = self.local

    def choose_batch_size(self) -> bool:
        """Take the batch size of the parameters, else that of the checkpoint; return whether a dry run found it."""
        if self.parameters.batch_size != "auto":
            self.batch_size = self.parameters.batch_size
        elif not self.batch_size:
            self.network.train()
            found = find_batch_size(self.problem, self.local, self.seed, self.worker.device)
            self.batch_size = self.worker.smallest(found)
            return True
        return False

    def distribute(self) -> None:
        """Make everything ready for the first step."""
        if self.parameters.compile:
            self.network.compile()
        self.objective = self.worker.distribute(self.local)

    def take(self, epoch: int, seen: int, size: int) -> Tensor:
        """Return the indices of the next structures; the order follows from seed and epoch."""
        return shuffled(self.seed, epoch, self.n_training)[seen : seen + size]

    def step(self, chosen: Tensor, epoch: int, step: int) -> dict[str, float]:
        """Take one step of the optimiser on some structures; return the mean losses over them."""
        self.network.train()
        parts = np.array_split(chosen.numpy(), self.parameters.accumulate * self.worker.world)
        mine = range(self.worker.rank * self.parameters.accumulate, (self.worker.rank + 1) * self.parameters.accumulate)
        self.optimizer.zero_grad(set_to_none=True)
        means: Tensor | None = None
        for part in mine:
            indices = parts[part].tolist()
            share = len(indices) / len(chosen)
            losses = self._add_gradients(indices, (epoch, step, part), share, part != mine[-1])
            if len(indices):
                self.names = self.names or sorted(losses)
                value = torch.stack([losses[name].detach().double() for name in self.names]) * share
                means = value if means is None else means + value
        gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
        largest = torch.nn.utils.get_total_norm(gradients, math.inf).double()
        if means is None:
            means = torch.zeros(len(self.names), dtype=torch.float64, device=self.worker.device)
        values = torch.cat([self.worker.sum(means), largest[None]]).tolist()
        for name, number in zip([*self.names, "the gradient"], values, strict=True):
            if not math.isfinite(number):
                raise Diverged(f"{name} became {number}")
        if self.parameters.clip_value:
            torch.nn.utils.clip_grad_value_(self.network.parameters(), self.parameters.clip_value)
        self.optimizer.step()
        return dict(zip(self.names, values[:-1], strict=True))

    def _add_gradients(
        self, indices: Sequence[int], place: tuple[int, int, int], share: float, more: bool
    ) -> dict[str, Tensor]:
        """Return the losses of a part of a step; add their gradients, weighted by its share of the step."""
        epoch, step, _ = place
        random = stream(self.seed, TRAINING, *place)
        named = self._named(f"epoch {epoch + 1}, step {step + 1}", indices, False)
        with named, self.worker.adding(self.objective, more):
            losses: dict[str, Tensor] = self.objective(indices, False, epoch, random)
            # several processes average their gradients, which are to be added
            (losses["loss"] * (share * self.worker.world)).backward()
        return losses

    def _named(self, where: str, indices: Sequence[int], validation: bool) -> AbstractContextManager[None]:
        """Let an error of memory inside name this batch."""
        n_atoms = self.problem.n_atoms(indices, validation) if len(indices) else 0
        return named_batch(where, len(indices), n_atoms)

    @torch.no_grad()
    def _validate(self, epoch: int) -> dict[str, float]:
        """Return the mean losses over the structures kept aside, with the same random numbers every time."""
        self.network.eval()
        sums = torch.zeros(len(self.names), dtype=torch.float64, device=self.worker.device)
        n = self.problem.n_validation
        for number, start in enumerate(range(0, n, self.batch_size)):
            if number % self.worker.world != self.worker.rank:
                continue
            indices = list(range(start, min(start + self.batch_size, n)))
            with self._named(f"epoch {epoch + 1}, validation", indices, True):
                losses = self.local(indices, True, epoch, stream(self.seed, VALIDATION, start))
            sums += torch.stack([losses[name].double() for name in self.names]) * len(indices)
        return dict(zip(self.names, (self.worker.sum(sums) / n).tolist(), strict=True))

    def close(self, epoch: int, means: dict[str, float]) -> dict[str, float]:
        """Validate, lower the learning rate on a plateau, keep the best weights."""
        row = {f"train_{name}": value for name, value in means.items()}
        watched: float | None = row[f"train_{self.problem.monitor}"]
        if self.problem.n_validation:
            due = (epoch + 1) % self.parameters.validation_interval == 0
            validated = self._validate(epoch) if due or epoch + 1 == self.parameters.epochs else {}
            row |= {f"validation_{name}": validated.get(name, math.nan) for name in self.names}
            watched = validated.get(self.problem.monitor)
        row["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        if watched is None:
            return row
        if not math.isfinite(watched):
            raise Diverged(f"{self.problem.monitor} of the validation became {watched}")
        self.plateau.step(watched)
        if self.problem.n_validation and (self.best is None or watched < self.best["value"]):
            weights = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
            self.best = {"value": watched, "epoch": epoch + 1, "weights": weights}
        return row

    def state(self) -> dict[str, Any]:
        """Return everything that the course depends on."""
        return {
            "batch_size": self.batch_size,
            "learning_rate": self.parameters.learning_rate,
            "names": self.names,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "plateau": self.plateau.state_dict(),
            "best": self.best,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave; where the learning rate has changed since, in proportion."""
        self.batch_size, self.names, self.best = state["batch_size"], state["names"], state["best"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.plateau.load_state_dict(state["plateau"])
        for group in self.optimizer.param_groups:
            group["lr"] *= self.parameters.learning_rate / state["learning_rate"]
