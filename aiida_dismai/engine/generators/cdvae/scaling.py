"""Constant factors that keep the variance of GemNet's activations, and how to find them.

A sum over neighbours, or a product with a basis function, has another variance than what went in; a constant factor
behind it puts that right (GemNet, arXiv 2106.08903, section 6, "Stabilizing the variance"). The factors are measured
once, before training, and are no parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...errors import BadInput

if TYPE_CHECKING:
    from .gemnet import GemNetT

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


def factors(network: GemNetT) -> dict[str, float]:
    """Return the scale factors of a network by their published names."""
    return {name: module.scale_factor.item() for name, module in network.scales().items()}


def set_factors(network: GemNetT, values: Mapping[str, float]) -> None:
    """Give a network its scale factors.

    Args:
        network: changed in place.
        values: by published name; names of blocks that the network lacks are passed over.

    Raises:
        BadInput: when a block has no factor, or one is not positive and finite.
    """
    for name, module in network.scales().items():
        if name not in values:
            raise BadInput(f"no scale factor {name!r} for a GemNet of {network.num_blocks} blocks: fit the factors")
        if not (math.isfinite(values[name]) and values[name] > 0):
            raise BadInput(f"the scale factor {name!r} is {values[name]}: it must be positive and finite")
        module.scale_factor.fill_(values[name])


def rounds(num_blocks: int) -> list[list[str]]:
    """Return the names of the factors in the order of fitting.

    A factor can be measured only behind final ones. Those of one round do not see each other.
    """
    result: list[list[str]] = []
    for block in range(num_blocks + 1):
        result.append([f"OutBlock_{block}_sum", f"OutBlock_{block}_had"])
        if block < num_blocks:
            result[-1].append(f"TripInteraction_{block + 1}_had_rbf")
            result += [[f"TripInteraction_{block + 1}_sum_cbf"], [f"AtomUpdate_{block + 1}_sum"]]
    return result


@torch.no_grad()
def fit(network: GemNetT, batches: Sequence[Iterable[Tensor | None]]) -> dict[str, float]:
    """Find the scale factors for a network with its initial weights and for given data.

    Each factor makes the variance behind it that before it, in the order of the network; all batches pass once for
    each round of :func:`rounds` (3 × blocks + 1). Without random numbers: the same batches give the same factors.

    Args:
        network: its factors are replaced; nothing else is left behind.
        batches: the arguments of ``network.forward`` (latents or None, fractional coordinates, numbers, counts,
            cells), as they come in training: noise included, on the device of the network.

    Returns:
        the factors by published name.

    Raises:
        BadInput: when there is no variance to measure, for instance because no atom has a neighbour.
    """
    scales = network.scales()
    kept = factors(network)
    was_training = network.training
    for module in scales.values():
        module.scale_factor.fill_(1.0)
    network.eval()
    try:
        for names in rounds(network.num_blocks):
            for name in names:
                scales[name].watch = Variances()
            for batch in batches:
                network(*batch)
            for name in names:
                watch, scales[name].watch = scales[name].watch, None
                assert watch is not None
                if not math.isfinite(watch.factor):
                    raise BadInput(
                        f"the scale factor {name!r} cannot be fitted: {watch.samples} rows with variance "
                        f"{watch.before:.3g} before and {watch.after:.3g} behind it in {len(batches)} batches; "
                        "give structures whose atoms have neighbours within the cutoff, or use the published factors"
                    )
                scales[name].scale_factor.fill_(watch.factor)
    except BaseException:
        for name, value in kept.items():
            scales[name].watch = None
            scales[name].scale_factor.fill_(value)
        raise
    finally:
        network.train(was_training)
    return factors(network)
