"""Training by steps: Adam at one rate, an average of the weights with which structures are generated, its best kept.

Several networks may be trained in one job, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from ...checkpoint import load_checkpoint
from ...context import Context
from ...device import matrix_products
from ...errors import Diverged
from .average import decay
from .descent import Descent, check_machine
from .epochs import CHECKPOINT
from .intervals import Intervals
from .parameters import StepTrainingParameters
from .problem import Fit, Problem
from .randomness import VALIDATION, branch, shuffled
from .workers import Alone, Worker, run_on_devices

#: Steps between two looks at the losses on a GPU, which waits for them; on a CPU they are looked at after every step.
LOOK_STEPS = 50


class NamedProblem(Problem, Protocol):
    """A problem among several.

    Attributes:
        name: of its network, in errors and in the checkpoint.
    """

    name: str


def fit_steps(
    problems: Sequence[NamedProblem], parameters: StepTrainingParameters, context: Context, device: str
) -> dict[str, Fit]:
    """Train networks, one after the other, resuming from ``context.checkpoint`` when it holds a checkpoint of this run.

    As :func:`~.loop.fit`, but for what is said in :class:`~.parameters.StepTrainingParameters`.

    Returns:
        By name of the network: in ``best`` the averaged weights, in ``curves`` a number per validation.
    """
    check_machine(parameters, min(problem.n_training for problem in problems), device)
    if parameters.devices * parameters.num_nodes == 1:
        results = train_steps(Alone(torch.device(device)), problems, parameters, context)
    else:
        results = run_on_devices(train_steps, problems, parameters, context, device)
    states = load_checkpoint(context.checkpoint / CHECKPOINT)["networks"]
    return {problem.name: _fit_of(states[problem.name], results[problem.name]) for problem in problems}


def train_steps(
    worker: Worker, problems: Sequence[Any], parameters: StepTrainingParameters, context: Context
) -> dict[str, Any]:
    """Do one process's part of :func:`fit_steps`; the last checkpoint holds weights and curves. Returns scalars."""
    names = [problem.name for problem in problems]
    results = {}
    for number, problem in enumerate(problems):
        worker.agree(True)  # the first process has written the checkpoint of the network before
        with matrix_products(parameters.precision):
            learner = AveragedDescent(worker, problem, parameters, branch(context.required_seed(), number))
            intervals = Intervals(learner, parameters, names, problem.name, context, worker)
            if not intervals.finished() and learner.choose_batch_size():
                intervals.keep_batch_size(learner.batch_size)
            learner.distribute()
            intervals.run(learner.batch_size * parameters.accumulate * worker.world)
        results[problem.name] = intervals.results() | {
            "best_step": learner.count if learner.best is None else learner.best["step"],
            "batch_size": learner.batch_size,
        }
        if learner.best is not None:
            results[problem.name][f"best_validation_{problem.monitor}"] = learner.best["value"]
    return results


def _fit_of(state: Mapping[str, Any], results: dict[str, Any]) -> Fit:
    weights = state["average"] if state["best"] is None else state["best"]["weights"]
    return Fit(weights, {name: values.numpy() for name, values in state["rows"].items()}, results)


def _add(sums: Tensor, values: Tensor) -> Tensor:
    """Return the sums of losses with those of another step; of the gradients, which are last, the largest."""
    return torch.cat([sums[:-1] + values[:-1], torch.maximum(sums[-1:], values[-1:])])


class AveragedDescent(Descent):
    """Descent beside which an average of the weights is kept, as the learner of :class:`~.intervals.Intervals`."""

    BETAS = (0.9, 0.99)

    problem: NamedProblem

    def __init__(self, worker: Worker, problem: NamedProblem, parameters: StepTrainingParameters, seed: int) -> None:
        """Set up optimiser and average; nothing is computed yet."""
        super().__init__(worker, problem, parameters, seed)
        self.parameters = parameters
        #: Steps so far, and structures of these.
        self.count = self.position = 0
        self.average = self._copy()
        #: Of the running interval: sums of losses over structures and the largest gradient, and how many structures.
        self.sums: Tensor | None = None
        self.size = 0

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def take(self, epoch: int, seen: int, size: int) -> Tensor:
        """Return the indices of the next structures, of one pass only; passes take no notice of validations."""
        done, start = divmod(self.position, self.n_training)
        return shuffled(self.seed, done, self.n_training)[start : start + size]

    def step(self, chosen: Tensor, epoch: int, step: int) -> dict[str, float]:
        """Take one step of the optimiser on some structures; the losses stay on the device."""
        values = self.add_gradients(chosen, (0, self.count), f"{self.problem.name}, step {self.count + 1}")
        self.descend()
        self.count, self.position, self.size = self.count + 1, self.position + len(chosen), self.size + len(chosen)
        values[:-1] *= len(chosen)
        self.sums = values if self.sums is None else _add(self.sums, values)
        self._update_average()
        if self.worker.device.type == "cpu" or self.count % LOOK_STEPS == 0:
            self._look()
        return {}

    @torch.no_grad()
    def _update_average(self) -> None:
        kept = decay(self.count, self.parameters.average_interval)
        if kept is not None:
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1 - kept)

    def _look(self) -> list[float]:
        """Return the mean losses of the interval so far.

        Raises:
            Diverged: one of them or a gradient is not finite.
        """
        if self.sums is None:
            return []
        values: list[float] = self.sums.tolist()
        for name, number in zip([*self.names, "the gradient"], values, strict=True):
            if not math.isfinite(number):
                raise Diverged(f"{name} became {number}")
        return [value / self.size for value in values[:-1]]

    def recent(self) -> dict[str, float]:
        """Return the mean losses of the running interval so far."""
        return dict(zip(self.names, self._look(), strict=False))

    def close(self, epoch: int, means: dict[str, float]) -> dict[str, float]:
        """Validate, and keep the averaged weights if they are the best so far."""
        row = {f"train_{name}": value for name, value in self.recent().items()}
        self.sums, self.size = None, 0
        if not self.problem.n_validation:
            return row
        key = (VALIDATION,) if self.parameters.same_validation_noise else (VALIDATION, self.count)
        with self._validated_weights():
            validated = self.validate(0, key, f"{self.problem.name}, step {self.count}, validation")
        watched = validated[self.problem.monitor]
        if not math.isfinite(watched):
            raise Diverged(f"{self.problem.monitor} of the validation became {watched}")
        if self.best is None or watched < self.best["value"]:
            weights = {name: value.clone() for name, value in self.average.items()}
            self.best = {"value": watched, "step": self.count, "weights": weights}
        return row | {f"validation_{name}": value for name, value in validated.items()}

    @contextmanager
    def _validated_weights(self) -> Iterator[None]:
        """Put the average into the network inside, if it is to be validated."""
        if not self.parameters.validate_average:
            yield
            return
        latest = self._copy()
        self.network.load_state_dict(self.average)
        try:
            yield
        finally:
            self.network.load_state_dict(latest)

    def state(self) -> dict[str, Any]:
        """Return everything that the course depends on.

        Raises:
            Diverged: a loss or a weight is not finite.
        """
        self._look()
        for name, value in self.network.state_dict().items():
            if not bool(torch.isfinite(value).all()):
                raise Diverged(f"the weight {name} became NaN or infinite")
        return {
            "count": self.count,
            "position": self.position,
            "losses": self.sums,
            "size": self.size,
            "batch_size": self.batch_size,
            "names": self.names,
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave, but for the learning rate."""
        self.count, self.position, self.size = state["count"], state["position"], state["size"]
        self.batch_size, self.names, self.best = state["batch_size"], state["names"], state["best"]
        losses = state["losses"]
        self.sums = None if losses is None else losses.to(self.worker.device)
        self.network.load_state_dict(state["network"])
        self.average = {name: value.to(self.worker.device) for name, value in state["average"].items()}
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            group["lr"] = self.parameters.learning_rate
