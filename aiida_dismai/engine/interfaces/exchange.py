"""Mutual exchange of ions between the random region and slab A's top layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import REGIONS


def exchange(
    rng: np.random.Generator,
    numbers: NDArray[Any],
    regions: NDArray[Any],
    kinds: Sequence[tuple[int, int, int]],
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Let ions change places; an ion that was moved is not moved again.

    Places stay where they are and keep their region: it is the ions on them that change.

    Args:
        rng: source of the random numbers.
        numbers: atomic number on each place, ``(n,)``.
        regions: region of each place, ``(n,)``.
        kinds: (element in the interface, element in the top layer, most exchanges) as atomic numbers.
            The maxima of one element together are at most what there is of it.

    Returns:
        The atomic numbers after the exchanges, and the number of exchanges of each kind, which is
        drawn uniformly from 0 to its maximum.
    """
    result = numbers.copy()
    moved = np.zeros(len(numbers), dtype=bool)
    counts = np.zeros(len(kinds), dtype=np.int64)
    for i, (inside, top, maximum) in enumerate(kinds):
        counts[i] = rng.integers(0, maximum, endpoint=True)
        ours = np.flatnonzero((result == inside) & (regions == REGIONS["interface"]) & ~moved)
        theirs = np.flatnonzero((result == top) & (regions == REGIONS["slab_a_top"]) & ~moved)
        first = rng.choice(ours, counts[i], replace=False)
        second = rng.choice(theirs, counts[i], replace=False)
        result[first], result[second] = top, inside
        moved[first] = moved[second] = True
    return result, counts
