"""Close pairs of atoms under periodic boundary conditions, for any cell, and coordinates of any size."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Coordinates beyond this are as meaningless as NaN: a double no longer resolves a bond there, Å.
LARGEST = 1e8
#: Cells whose opposite faces are nearer than this are no cells (and have no end of close images), Å.
SMALLEST_HEIGHT = 0.1


class Pairs(NamedTuple):
    """``p`` pairs of atoms, sorted by first and second atom.

    Attributes:
        first: ``(p,)`` indices, never above ``second``; equal where an atom meets its own image.
        second: ``(p,)`` indices.
        offsets: ``(p, 3)`` lattice translations of the second atom, Å: the connection is
            ``positions[second] + offsets - positions[first]``.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    offsets: NDArray[np.float64]


def usable(positions: NDArray[np.float64], cell: NDArray[np.float64]) -> bool:
    """Say whether distances mean anything.

    That is: finite coordinates and lattice vectors below :data:`LARGEST`, and faces of the cell at least
    :data:`SMALLEST_HEIGHT` apart.
    """
    if not ((np.abs(positions) < LARGEST).all() and (np.abs(cell) < LARGEST).all()):  # False for NaN
        return False
    volume = abs(np.linalg.det(cell))
    areas = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    return bool((volume > SMALLEST_HEIGHT * areas).all())


def close_pairs(
    positions: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_], cutoff: float
) -> Pairs:
    """Find all pairs closer than ``cutoff``; a pair that is close through two images comes twice.

    Args:
        positions: ``(n, 3)``, Å; need not lie in the cell.
        cell: ``(3, 3)``, rows are the lattice vectors, Å.
        pbc: ``(3,)``.
        cutoff: Å.
    """
    from scipy.spatial import cKDTree

    n = len(positions)
    inverse = np.linalg.inv(cell)
    fractional = positions @ inverse
    wraps = np.floor(fractional) * pbc
    fractional = fractional - wraps
    # The faces of the cell are 1 / |column of the inverse| apart.
    margin = cutoff * np.linalg.norm(inverse, axis=0)
    reach = np.where(pbc, np.ceil(margin), 0).astype(int)
    owners, images = [np.arange(n)], [np.zeros((n, 3))]
    for image in itertools.product(*(range(-m, m + 1) for m in reach)):
        if any(image):
            moved = fractional + image
            near = np.flatnonzero(((moved > -margin) & (moved < 1 + margin) | ~pbc).all(axis=1))
            owners.append(near)
            images.append(np.tile(np.array(image, dtype=float), (len(near), 1)))
    owner, image_of = np.concatenate(owners), np.concatenate(images)
    tree = cKDTree((fractional[owner] + image_of) @ cell)
    found = tree.query_pairs(cutoff, output_type="ndarray").astype(np.int64)
    # query_pairs gives a < b: one of the two must be in the cell itself, and each pair is kept once.
    found = found[found[:, 0] < n]
    first, second = owner[found[:, 0]], owner[found[:, 1]]
    shifts = image_of[found[:, 1]] + wraps[first] - wraps[second]
    kept = first <= second
    first, second, shifts = first[kept], second[kept], shifts[kept]
    offsets = shifts @ cell
    distances = np.linalg.norm(positions[second] + offsets - positions[first], axis=1)
    order = np.lexsort((*shifts.T[::-1], second, first))
    order = order[distances[order] < cutoff]
    return Pairs(first[order], second[order], offsets[order])
