"""Atoms and their periodic images around a cell, sorted into boxes so that those near a site are found at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
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
    found, owner, is_home = _images(fractional, margin, pbc)
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


def _images(
    fractional: NDArray[np.float64], margin: NDArray[np.float64], pbc: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return fractional coordinates, owners and home marks of all images within ``margin`` of the cell."""
    low = np.where(pbc, np.ceil(-margin - fractional), 0).astype(np.int64)
    high = np.where(pbc, np.floor(1 + margin - fractional), 0).astype(np.int64)
    size = high - low + 1
    images = size.prod(axis=1)
    owner = np.repeat(np.arange(len(fractional)), images)
    # The images of an atom are numbered with the last axis running fastest.
    number = np.arange(len(owner)) - np.repeat(np.cumsum(images) - images, images)
    step = low[owner]
    for axis in (2, 1, 0):
        number, place = np.divmod(number, size[owner, axis])
        step[:, axis] += place
    return fractional[owner] + step, owner, (step == 0).all(axis=1)
