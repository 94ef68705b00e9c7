"""How the scale factors of a GemNet are found, before it is trained: measured block after block."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ...errors import BadInput
from .gemnet import GemNetT
from .scale_factor import Variances


def factors(network: GemNetT) -> dict[str, float]:
    """Return the scale factors of a network by their published names."""
    return {name: module.scale_factor.item() for name, module in network.scales().items()}


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
