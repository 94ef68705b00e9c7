"""Pairs of near atoms under periodic boundaries, for any cell, any periodicity and coordinates of any size.

Behind it is scipy's k-d tree over the atoms and those images that the cutoff can reach. pymatgen's
``find_points_in_spheres`` finds the same pairs two to four times faster, but lays a grid over the extent of the atoms:
one that has flown off along an open axis, as in a broken relaxation or a generated slab, takes all memory. ASE's list
finds them ten times slower.

Searches with a reason to stand elsewhere give it in their module: edges on a GPU with a rule for ties
(``generators/graphs/edges``), differentiable distances (``generators/cryingan/distances``), the search of matgl
(``potentials/graphs``), images in boxes for compiled Voronoi cells (``crystalnn/points``), compiled loops that never
store the pairs (``descriptors/rdf``, ``generators/baselines/random_packing/contacts``, ``alloys``).
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

#: Coordinates beyond this are as meaningless as NaN: a double no longer resolves a bond there, Å.
LARGEST = 1e8
#: Cells whose opposite faces are nearer than this are no cells (and have no end of close images), Å.
SMALLEST_HEIGHT = 0.1


class Pairs(NamedTuple):
    """``p`` pairs of atoms, sorted by first atom, second atom and image.

    Attributes:
        first: ``(p,)`` indices, never above ``second``; equal where an atom meets its own image.
        second: ``(p,)`` indices.
        offsets: ``(p, 3)`` lattice translations of the second atom, Å: the connection is
            ``positions[second] + offsets - positions[first]``.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    offsets: NDArray[np.float64]


def heights(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances of opposite faces of a cell (rows are the lattice vectors), ``(3,)``, Å."""
    return np.asarray(1 / np.linalg.norm(np.linalg.inv(cell), axis=0))


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
    points = (fractional[owner] + image_of) @ cell
    homes = cKDTree(points[:n])
    inside = homes.query_pairs(cutoff, output_type="ndarray")
    across = homes.sparse_distance_matrix(cKDTree(points[n:]), cutoff, output_type="ndarray")
    one = np.concatenate([inside[:, 0], across["i"]])
    other = np.concatenate([inside[:, 1], across["j"] + n])
    first, second = one, owner[other]
    shifts = image_of[other] + wraps[first] - wraps[second]
    kept = first <= second
    first, second, shifts = first[kept], second[kept], shifts[kept]
    offsets = shifts @ cell
    distances = np.linalg.norm(positions[second] + offsets - positions[first], axis=1)
    order = np.lexsort((*shifts.T[::-1], second, first))
    order = order[distances[order] < cutoff]
    return Pairs(first[order], second[order], offsets[order])


def shortest_distance(
    positions: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_], cutoff: float
) -> float:
    """Return the smallest distance below ``cutoff`` between two atoms (periodic images too), else infinity, Å.

    Arguments as of :func:`close_pairs`.
    """
    first, second, offsets = close_pairs(positions, cell, pbc, cutoff)
    return float(np.linalg.norm(positions[second] + offsets - positions[first], axis=1).min(initial=math.inf))


def tree_in_cube(positions: NDArray[np.float64], edge: float) -> cKDTree:
    """Return a periodic k-d tree of a cube with an edge in Å, for searches that need more than the pairs.

    Its ``data`` are the ``(n, 3)`` positions moved into the cube.
    """
    from scipy.spatial import cKDTree

    # -1e-17 % edge is the edge itself, which the tree refuses
    return cKDTree(positions % edge % edge, boxsize=edge)
