"""The smallest distance of every pair of elements, with all periodic images, in any cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....compiled import kernel
from ....neighbours import heights
from ....structures import StructureSet


def smallest_distances(structure: StructureSet, elements: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the smallest distance of every pair of elements in a structure.

    An atom and its own image are no pair: their distance belongs to the cell.

    Args:
        structure: a set of one.
        elements: sorted atomic numbers, ``(k,)``; all that occur in the structure are among them.

    Returns:
        ``(k, k)``, Å, symmetric; infinite for pairs that the structure does not have.
    """
    cell = structure.cells[0]
    fractional = structure.positions @ np.linalg.inv(cell)
    periodic = structure.pbc[0]
    fractional -= np.floor(fractional) * periodic
    kinds = np.searchsorted(elements, structure.numbers).astype(np.int64)
    return np.sqrt(_smallest_squares(fractional, cell, periodic, heights(cell), kinds, len(elements)))


@kernel
def _smallest_squares(
    fractional: NDArray[np.float64],
    cell: NDArray[np.float64],
    periodic: NDArray[np.bool_],
    across: NDArray[np.float64],
    kinds: NDArray[np.int64],
    n_kinds: int,
) -> NDArray[np.float64]:
    """Return the squares of the smallest distances, ``(n_kinds, n_kinds)``, Å²."""
    best = np.full((n_kinds, n_kinds), np.inf)
    step = np.zeros(3)
    reach = np.zeros(3, dtype=np.int64)
    for i in range(len(fractional)):
        for j in range(i + 1, len(fractional)):
            a, b = kinds[i], kinds[j]
            for k in range(3):
                step[k] = fractional[j, k] - fractional[i, k]
                if periodic[k]:
                    step[k] -= np.rint(step[k])
            square = 0.0
            for k in range(3):
                length = step[0] * cell[0, k] + step[1] * cell[1, k] + step[2] * cell[2, k]
                square += length * length
            smallest = min(best[a, b], square)
            # |step| <= 1/2, so the image u is farther than (|u| - 1/2) heights away
            limit = np.sqrt(smallest)
            for k in range(3):
                reach[k] = int(limit / across[k] + 0.5) if periodic[k] else 0
            if reach[0] + reach[1] + reach[2] > 0:
                for u in range(-reach[0], reach[0] + 1):
                    for v in range(-reach[1], reach[1] + 1):
                        for w in range(-reach[2], reach[2] + 1):
                            square = 0.0
                            for k in range(3):
                                length = (
                                    (step[0] + u) * cell[0, k] + (step[1] + v) * cell[1, k] + (step[2] + w) * cell[2, k]
                                )
                                square += length * length
                            smallest = min(smallest, square)
            best[a, b] = smallest
            best[b, a] = smallest
    return best
