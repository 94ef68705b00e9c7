"""Constant factors that keep the variance of GemNet's activations; :mod:`.scale_fitting` finds them.

A sum over neighbours, or a product with a basis function, has another variance than what went in; a constant factor
behind it puts that right (GemNet, arXiv 2106.08903, section 6, "Stabilizing the variance"). The factors are measured
once, before training, and are no parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ...errors import BadInput

#: The factors with which the published CDVAE runs, fitted by its authors' predecessors on other data [code].
PUBLISHED: Mapping[str, float] = {
    "TripInteraction_1_had_rbf": 18.873615264892578,
    "TripInteraction_1_sum_cbf": 7.996850490570068,
    "AtomUpdate_1_sum": 1.220463752746582,
    "TripInteraction_2_had_rbf": 16.10817527770996,
    "TripInteraction_2_sum_cbf": 7.614634037017822,
    "AtomUpdate_2_sum": 0.9690994620323181,
    "TripInteraction_3_had_rbf": 15.01930046081543,
    "TripInteraction_3_sum_cbf": 7.025179862976074,
    "AtomUpdate_3_sum": 0.8903237581253052,
    "OutBlock_0_sum": 1.6437848806381226,
    "OutBlock_0_had": 16.161039352416992,
    "OutBlock_1_sum": 1.1077653169631958,
    "OutBlock_1_had": 13.54678726196289,
    "OutBlock_2_sum": 0.9477927684783936,
    "OutBlock_2_had": 12.754337310791016,
    "OutBlock_3_sum": 0.9059251546859741,
    "OutBlock_3_had": 13.484951972961426,
}


class ScaleFactor(nn.Module):
    """Multiply by a constant that is kept with the weights; let itself be watched while it is fitted."""

    scale_factor: Tensor

    def __init__(self) -> None:
        """Start from 1."""
        super().__init__()
        self.register_buffer("scale_factor", torch.tensor(1.0))
        self.watch: Variances | None = None

    def forward(self, values: Tensor, reference: Callable[[], Tensor]) -> Tensor:
        """Return the scaled ``values`` ``(M, width)``.

        Args:
            values: what came out of the product or sum.
            reference: gives what went in, ``(M', width)``; only called while the factor is fitted.
        """
        scaled = values * self.scale_factor
        if self.watch is not None:
            self.watch.add(reference(), scaled)
        return scaled


class Variances:
    """Mean variances of what goes into and comes out of one place of the network, over several batches."""

    def __init__(self) -> None:
        """Start from nothing."""
        self.before = self.after = 0.0
        self.samples = 0

    def add(self, before: Tensor, after: Tensor) -> None:
        """Take in one batch; each column has its own variance over the rows, and a batch counts by its rows.

        A batch with fewer than two rows has no variance and is left out.
        """
        if min(len(before), len(after)) < 2:
            return
        self.before += len(after) * before.double().var(dim=0).mean().item()
        self.after += len(after) * after.double().var(dim=0).mean().item()
        self.samples += len(after)

    @property
    def factor(self) -> float:
        """The number that makes the variance of what comes out that of what goes in; NaN without any variance."""
        return math.sqrt(self.before / self.after) if self.before > 0 and self.after > 0 else math.nan


def set_factors(scales: Mapping[str, ScaleFactor], values: Mapping[str, float]) -> None:
    """Give a network its scale factors.

    Args:
        scales: of the network, by published name; changed in place.
        values: by published name; names of blocks that the network lacks are passed over.

    Raises:
        BadInput: when a block has no factor, or one is not positive and finite.
    """
    for name, module in scales.items():
        if name not in values:
            raise BadInput(f"no scale factor {name!r} among those given: fit the factors")
        if not (math.isfinite(values[name]) and values[name] > 0):
            raise BadInput(f"the scale factor {name!r} is {values[name]}: it must be positive and finite")
        module.scale_factor.fill_(values[name])
