"""Training of a graph model: steps of Adam, validation, plateau schedule, best weights, on one device or several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...checkpoint import load_checkpoint
from ...context import Context
from ...device import matrix_products
from ...errors import Diverged
from .descent import Descent, check_machine
from .epochs import CHECKPOINT, Epochs
from .parameters import GraphTrainingParameters
from .problem import Fit, Problem
from .randomness import VALIDATION, shuffled
from .workers import Alone, Worker, run_on_devices


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
    check_machine(parameters, problem.n_training, device)
    if parameters.devices * parameters.num_nodes == 1:
        results = train(Alone(torch.device(device)), [problem], parameters, context)
    else:
        results = run_on_devices(train, [problem], parameters, context, device)
    return _fit_of(context, results)


def train(
    worker: Worker, problems: Sequence[Problem], parameters: GraphTrainingParameters, context: Context
) -> dict[str, Any]:
    """Do one process's part of :func:`fit`; its last checkpoint holds weights and curves. Returns the scalars."""
    (problem,) = problems
    with matrix_products(parameters.precision):
        learner = PlateauDescent(worker, problem, parameters, context.required_seed())
        epochs = Epochs(learner, parameters, context, worker)
        if learner.choose_batch_size():
            epochs.keep_batch_size(learner.batch_size)
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


class PlateauDescent(Descent):
    """Descent whose rate falls on a plateau, as the :class:`~.epochs.Learner` of its epochs."""

    def __init__(self, worker: Worker, problem: Problem, parameters: GraphTrainingParameters, seed: int) -> None:
        """Set up optimiser and schedule; nothing is computed yet."""
        super().__init__(worker, problem, parameters, seed)
        self.parameters = parameters
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer,
            factor=parameters.plateau_factor,
            patience=parameters.plateau_patience,
            min_lr=parameters.min_learning_rate,
        )

    def take(self, epoch: int, seen: int, size: int) -> Tensor:
        """Return the indices of the next structures; the order follows from seed and epoch."""
        return shuffled(self.seed, epoch, self.n_training)[seen : seen + size]

    def step(self, chosen: Tensor, epoch: int, step: int) -> dict[str, float]:
        """Take one step of the optimiser on some structures; return the mean losses over them."""
        values = self.add_gradients(chosen, (epoch, step), f"epoch {epoch + 1}, step {step + 1}").tolist()
        for name, number in zip([*self.names, "the gradient"], values, strict=True):
            if not math.isfinite(number):
                raise Diverged(f"{name} became {number}")
        self.descend()
        return dict(zip(self.names, values[:-1], strict=True))

    def close(self, epoch: int, means: dict[str, float]) -> dict[str, float]:
        """Validate, lower the learning rate on a plateau, keep the best weights."""
        row = {f"train_{name}": value for name, value in means.items()}
        watched: float | None = row[f"train_{self.problem.monitor}"]
        if self.problem.n_validation:
            due = (epoch + 1) % self.parameters.validation_interval == 0
            validated: dict[str, float] = {}
            if due or epoch + 1 == self.parameters.epochs:  # with the same random numbers every time
                validated = self.validate(epoch, (VALIDATION,), f"epoch {epoch + 1}, validation")
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
