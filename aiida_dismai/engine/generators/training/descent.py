"""Steps of Adam on a problem, on one device or several, and its validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import BadInput
from .memory import find_batch_size, named_batch
from .objective import Objective, check_device
from .parameters import DescentParameters
from .problem import Problem
from .randomness import TRAINING, stream
from .workers import Worker, check_launcher


class Descent:
    """One process's network and optimiser; what an epoch is, and what follows from it, is up to its subclasses.

    Attributes:
        problem: network, data and losses.
        names: of the losses, once there has been a step.
        best: ``value`` of the watched loss of the validation where it was lowest, and ``weights``; None before.
    """

    BETAS: ClassVar[tuple[float, float]] = (0.9, 0.999)

    def __init__(self, worker: Worker, problem: Problem, parameters: DescentParameters, seed: int) -> None:
        """Set up the optimiser; nothing is computed yet."""
        self.worker, self.problem, self.settings, self.seed = worker, problem, parameters, seed
        self.n_training = problem.n_training
        self.network = problem.network.to(worker.device)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=parameters.learning_rate, betas=self.BETAS, fused=True
        )
        self.batch_size = 0
        self.names: list[str] = []
        self.best: dict[str, Any] | None = None
        self.local = Objective(problem, parameters.precision)
        self.objective: nn.Module = self.local

    def choose_batch_size(self) -> bool:
        """Take the batch size of the parameters, else that of the checkpoint; return whether a dry run found it."""
        if self.settings.batch_size != "auto":
            self.batch_size = self.settings.batch_size
        elif not self.batch_size:
            self.network.train()
            found = find_batch_size(self.problem, self.local, self.seed, self.worker.device)
            self.batch_size = self.worker.smallest(found)
            return True
        return False

    def distribute(self) -> None:
        """Make everything ready for the first step."""
        if self.settings.compile:
            self.network.compile()
        self.objective = self.worker.distribute(self.local)

    def add_gradients(self, chosen: Tensor, place: tuple[int, int], where: str) -> Tensor:
        """Leave the gradients of a step in the weights.

        Args:
            chosen: indices of the step's structures, those of all processes.
            place: epoch and step, from which the random numbers follow.
            where: named in an error of memory.

        Returns:
            The means of the losses in the order of ``names``, and the largest component of the gradients, float64.
        """
        self.network.train()
        accumulate = self.settings.accumulate
        parts = np.array_split(chosen.numpy(), accumulate * self.worker.world)
        mine = range(self.worker.rank * accumulate, (self.worker.rank + 1) * accumulate)
        self.optimizer.zero_grad(set_to_none=True)
        means: Tensor | None = None
        for part in mine:
            indices = parts[part].tolist()
            share = len(indices) / len(chosen)
            losses = self._add_part(indices, (*place, part), where, share, part != mine[-1])
            if len(indices):
                self.names = self.names or sorted(losses)
                value = torch.stack([losses[name].detach().double() for name in self.names]) * share
                means = value if means is None else means + value
        gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
        largest = torch.nn.utils.get_total_norm(gradients, math.inf).double()
        if means is None:
            means = torch.zeros(len(self.names), dtype=torch.float64, device=self.worker.device)
        return torch.cat([self.worker.sum(means), largest[None]])

    def _add_part(
        self, indices: Sequence[int], place: tuple[int, int, int], where: str, share: float, more: bool
    ) -> dict[str, Tensor]:
        """Return the losses of a part of a step; add their gradients, weighted by its share of the step."""
        random = stream(self.seed, TRAINING, *place)
        with self._named(where, indices, False), self.worker.adding(self.objective, more):
            losses: dict[str, Tensor] = self.objective(indices, False, place[0], random)
            # several processes average their gradients, which are to be added
            (losses["loss"] * (share * self.worker.world)).backward()
        return losses

    def _named(self, where: str, indices: Sequence[int], validation: bool) -> AbstractContextManager[None]:
        """Let an error of memory inside name this batch."""
        n_atoms = self.problem.n_atoms(indices, validation) if len(indices) else 0
        return named_batch(where, len(indices), n_atoms)

    def descend(self) -> None:
        """Take the step that the gradients say."""
        if self.settings.clip_value:
            torch.nn.utils.clip_grad_value_(self.network.parameters(), self.settings.clip_value)
        self.optimizer.step()

    @torch.no_grad()
    def validate(self, epoch: int, key: tuple[int, ...], where: str) -> dict[str, float]:
        """Return the mean losses over the structures kept aside.

        Args:
            epoch: of the training, from 0.
            key: the random numbers follow from it.
            where: named in an error of memory.
        """
        self.network.eval()
        sums = torch.zeros(len(self.names), dtype=torch.float64, device=self.worker.device)
        n = self.problem.n_validation
        for number, start in enumerate(range(0, n, self.batch_size)):
            if number % self.worker.world != self.worker.rank:
                continue
            indices = list(range(start, min(start + self.batch_size, n)))
            with self._named(where, indices, True):
                losses = self.local(indices, True, epoch, stream(self.seed, *key, start))
            sums += torch.stack([losses[name].double() for name in self.names]) * len(indices)
        return dict(zip(self.names, (self.worker.sum(sums) / n).tolist(), strict=True))


def check_machine(parameters: DescentParameters, n_training: int, device: str) -> None:
    """Refuse what cannot be done with so many structures, on this device, or as the job was started.

    Raises:
        BadInput: more processes than structures, another number of processes than a launcher has started, or an option
            that the device does not have.
    """
    check_device(parameters, device)
    parts = parameters.accumulate * parameters.devices * parameters.num_nodes
    if n_training < parts:
        raise BadInput(
            f"{n_training} training structures are too few for accumulate × devices × num_nodes = {parts} "
            "batches a step; lower these"
        )
    check_launcher(parameters)
