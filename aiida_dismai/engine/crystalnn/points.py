"""Atoms and their periodic images around a cell, sorted into boxes so that those near a site are found at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .errors import CrystalNNError

#: A cell so small, or a radius so large, that more points than this would lie within reach is refused.
MOST_POINTS = 1_000_000


class Points(NamedTuple):
    """All atoms and images within ``radius`` of the cell, box by box.

    Attributes:
        radius: Å.
        homes: ``(n, 3)`` the atoms moved into the cell (along periodic directions), Å.
        positions: ``(p, 3)`` points, sorted by box, Å.
        owner: ``(p,)`` the atom of each point.
        is_home: ``(p,)`` whether the point is the atom itself, not an image.
        box_start: ``(boxes + 1,)`` where the points of each box begin; z runs fastest.
        box_counts: ``(3,)`` boxes along x, y, z.
        origin: ``(3,)`` lower corner of the first box, Å.
        box_size: edge of a box, Å.
    """

    radius: float
    homes: NDArray[np.float64]
    positions: NDArray[np.float64]
    owner: NDArray[np.int64]
    is_home: NDArray[np.bool_]
    box_start: NDArray[np.int64]
    box_counts: NDArray[np.int64]
    origin: NDArray[np.float64]
    box_size: float


def lay_out(positions: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_], radius: float) -> Points:
    """Collect the points that a ball of ``radius`` around any atom can contain.

    Args:
        positions: ``(n, 3)``, n > 0, Å; need not lie in the cell.
        cell: ``(3, 3)``, rows are the lattice vectors, of any shape, Å.
        pbc: ``(3,)`` periodic directions.
        radius: Å.

    Raises:
        CrystalNNError: more than :data:`MOST_POINTS` points.
    """
    inverse = np.linalg.inv(cell)
    fractional = positions @ inverse
    fractional -= np.floor(fractional) * pbc
    # The faces of the cell are 1 / |column of the inverse| apart; the rest is room for rounding.
    margin = np.where(pbc, (radius + 1e-6) * np.linalg.norm(inverse, axis=0), 0.0)
    expected = len(positions) * float(np.prod(1 + 2 * margin))
    if expected > MOST_POINTS:
        raise CrystalNNError(
            None,
            f"about {expected:.1g} atoms lie within {radius:g} Å; the cell is far too small or flat for its atoms",
        )
    found, owner, is_home = _images(fractional, margin, np.ascontiguousarray(pbc, dtype=np.bool_))
    cartesian = found @ cell
    origin = cartesian.min(axis=0) - 1e-6
    extent = cartesian.max(axis=0) + 1e-6 - origin
    box_size = radius / 2
    # Atoms far apart in a cell that is not periodic must not ask for more boxes than there are points.
    while np.prod(np.floor(extent / box_size) + 1) > 8 * len(cartesian) + 512:
        box_size *= 1.5
    counts = np.floor(extent / box_size).astype(np.int64) + 1
    boxes = ((cartesian - origin) / box_size).astype(np.int64)
    number = (boxes[:, 0] * counts[1] + boxes[:, 1]) * counts[2] + boxes[:, 2]
    order = np.argsort(number, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=int(counts.prod())))]).astype(np.int64)
    homes = np.empty((len(positions), 3))
    homes[owner[is_home]] = cartesian[is_home]
    return Points(
        float(radius), homes, cartesian[order], owner[order], is_home[order], start, counts, origin, float(box_size)
    )


@njit(cache=True, nogil=True)
def _images(
    fractional: NDArray[np.float64], margin: NDArray[np.float64], pbc: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return fractional coordinates, owners and home marks of all images within ``margin`` of the cell."""
    n = len(fractional)
    low = np.zeros((n, 3), dtype=np.int64)
    high = np.zeros((n, 3), dtype=np.int64)
    total = 0
    for i in range(n):
        images = 1
        for axis in range(3):
            if pbc[axis]:
                low[i, axis] = int(np.ceil(-margin[axis] - fractional[i, axis]))
                high[i, axis] = int(np.floor(1.0 + margin[axis] - fractional[i, axis]))
            images *= high[i, axis] - low[i, axis] + 1
        total += images
    found = np.empty((total, 3))
    owner = np.empty(total, dtype=np.int64)
    is_home = np.zeros(total, dtype=np.bool_)
    k = 0
    for i in range(n):
        for a in range(low[i, 0], high[i, 0] + 1):
            for b in range(low[i, 1], high[i, 1] + 1):
                for c in range(low[i, 2], high[i, 2] + 1):
                    found[k, 0] = fractional[i, 0] + a
                    found[k, 1] = fractional[i, 1] + b
                    found[k, 2] = fractional[i, 2] + c
                    owner[k] = i
                    is_home[k] = a == 0 and b == 0 and c == 0
                    k += 1
    return found, owner, is_home
