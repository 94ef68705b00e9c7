"""What a model gives to the training loop, and what it gets back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Problem(Protocol):
    """A network, its data, and the losses of a batch.

    A problem holds CPU tensors and is pickled when several processes train; :meth:`losses` moves what it takes to the
    device of the network that it is given.

    Attributes:
        network: with its initial weights.
        n_training: number of training structures.
        n_validation: number of structures kept aside; 0 is none.
        monitor: the loss of the validation by which the learning rate is lowered and the best weights are kept (of the
            training when nothing is kept aside).
    """

    network: nn.Module
    n_training: int
    n_validation: int
    monitor: str

    def n_atoms(self, indices: Sequence[int], validation: bool) -> int:
        """Return the number of atoms of some structures together; decides what a large batch is."""
        ...

    def losses(
        self, network: nn.Module, indices: Sequence[int], validation: bool, epoch: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the losses of a batch, each a scalar.

        Args:
            network: in training or evaluation mode; use it and not :attr:`network`, which it may wrap.
            indices: of training or validation structures, not empty.
            validation: which of the two; no gradients are asked for then.
            epoch: from 0.
            generator: on the CPU; every random number comes from it. Its seed follows from the run's seed, the epoch
                (the same numbers in every validation), the step and the part of the batch, so that an interrupted run
                and one on several devices draw what a run in one piece draws.

        Returns:
            ``loss``, which is minimised, and any others to be recorded, always of the same names; means over the
            structures of the batch.
        """
        ...


@dataclass(frozen=True)
class Fit:
    """What training gives back.

    Attributes:
        best: ``state_dict`` of the epoch with the lowest watched loss of the validation; of the last epoch when nothing
            was kept aside.
        curves: one number per epoch: ``epoch`` (from 1), ``learning_rate``, ``train_NAME`` and, where there was a
            validation (else NaN), ``validation_NAME``.
        results: scalars for ``results.json``.
    """

    best: dict[str, Tensor]
    curves: dict[str, NDArray[np.float64]]
    results: dict[str, Any]
