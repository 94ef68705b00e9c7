"""The pairs of atoms within structures, each once, and the Fourier features that all layers share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """Pairs i < j of atoms of the same structure, ``P`` in all.

    Attributes:
        first: atom i, ``(P,)`` int64; ascending.
        second: atom j, ``(P,)`` int64.
        sines: of the difference x_j − x_i, ``(P, 3 F)``, axis by axis, frequencies 0 … F − 1; those of (j, i) have the
            other sign.
        cosines: the same for both.
    """

    first: Tensor
    second: Tensor
    sines: Tensor
    cosines: Tensor


def pair_indices(counts: list[int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the atoms of all pairs, ``(P,)`` each, for structures of these sizes one after another."""
    known = {n: torch.triu_indices(n, n, 1, device=device) for n in set(counts)}
    pieces, start = [], 0
    for n in counts:
        pieces.append(known[n] + start)
        start += n
    first, second = torch.cat(pieces, dim=1)
    return first, second


def build_pairs(fractional: Tensor, counts: list[int], n_frequencies: int) -> Pairs:
    """Find the pairs and compute their features, without gradients.

    Args:
        fractional: coordinates, ``(N, 3)``.
        counts: atoms of each structure.
        n_frequencies: per axis.
    """
    first, second = pair_indices(counts, fractional.device)
    with torch.no_grad():
        # remainder as published: sin and cos of many periods need the argument small to keep their digits
        difference = torch.remainder(fractional[second] - fractional[first], 1.0)
        frequencies = 2 * math.pi * torch.arange(n_frequencies, device=fractional.device, dtype=fractional.dtype)
        angles = (difference[:, :, None] * frequencies).reshape(len(first), 3 * n_frequencies)
        cosines = torch.cos(angles)
        return Pairs(first, second, angles.sin_(), cosines)
