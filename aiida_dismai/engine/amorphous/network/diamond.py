"""Diamond with any even number of atoms in a cubic box: where bond switching starts.

The supercell of the lattice that is nearest to a cube is mapped onto the cube; for 8 k³ atoms it is one already. What
counts is the network, the strain is relaxed away with the rest of the crystal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Below this some atoms would be bonded to each other through two sides of the box.
SMALLEST = 32
#: Above this nobody would wait for the result.
LARGEST = 20_000
#: A second atom of each lattice point sits at (½, ½, ½), in halves of the cube's edge; its four neighbours' points.
FOUR = np.array([[0, 0, 0], [0, -1, -1], [-1, 0, -1], [-1, -1, 0]])


class Network(NamedTuple):
    """Atoms with four bonds each in a cubic box; see :mod:`.keating`.

    Attributes:
        positions: ``(n, 3)``, Å.
        bonded: ``(n, 4)``.
        images: ``(n, 4, 3)``.
        box: edge, Å.
    """

    positions: NDArray[np.float64]
    bonded: NDArray[np.int64]
    images: NDArray[np.int64]
    box: float


def diamond_network(n_atoms: int, box: float) -> Network:
    """Return a diamond lattice, strained into a cube.

    Args:
        n_atoms: even, from 32.
        box: edge of the cube, Å.

    Raises:
        ValueError: a number of atoms for which there is none.
    """
    if n_atoms % 2 or not SMALLEST <= n_atoms <= LARGEST:
        raise ValueError(f"a diamond network needs an even number of atoms from {SMALLEST} to {LARGEST}, not {n_atoms}")
    vectors = nearly_cubic(n_atoms // 2)
    points = _points(vectors)
    places = {tuple(point): i for i, point in enumerate(points.tolist())}
    n = len(points)
    bonded, images = np.empty((2 * n, 4), dtype=np.int64), np.empty((2 * n, 4, 3), dtype=np.int64)
    filled = np.zeros(2 * n, dtype=np.int64)
    for slot, step in enumerate(FOUR):
        turns, inside = _reduce(points + step, vectors)
        partner = n + np.array([places[tuple(point)] for point in inside.tolist()])
        bonded[:n, slot], images[:n, slot] = partner, turns
        # each second atom is met once with every step
        bonded[partner, filled[partner]], images[partner, filled[partner]] = np.arange(n), -turns
        filled[partner] += 1
    sites = np.concatenate([points, points + 0.5])
    return Network(np.ascontiguousarray(sites @ np.linalg.inv(vectors) * box), bonded, images, box)


def nearly_cubic(n_points: int) -> NDArray[np.int64]:
    """Return the supercell of the fcc lattice that needs the least strain to become a cube.

    Supercells in which some atom of diamond would have fewer than four different neighbours are left out.

    Args:
        n_points: lattice points of the supercell.

    Returns:
        ``(3, 3)`` right-handed rows, in halves of the edge of the conventional cube.

    Raises:
        ValueError: there is none.
    """
    edge = (2.0 * n_points) ** (1 / 3)
    for tolerance in (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5):
        best, least = None, np.inf
        candidates = _lattice_vectors(edge, tolerance)
        for first in candidates[(candidates[:, 0] >= candidates[:, 1]) & (candidates[:, 1] >= candidates[:, 2])]:
            if first[2] < 0:
                continue  # the others are images of this wedge under the symmetry of the lattice
            across = candidates[np.abs(candidates @ first) <= tolerance * edge**2]
            volumes = np.cross(first, across) @ across.T
            skew = np.abs(across @ across.T)
            for a, b in np.argwhere((volumes == 2 * n_points) & (skew <= tolerance * edge**2)):
                vectors = np.array([first, across[a], across[b]])
                strain = _strain(vectors, edge)
                if strain < least - 1e-9 and _four_different(vectors):
                    best, least = vectors, strain
        if best is not None:
            return best
    raise ValueError(f"no supercell of diamond with {2 * n_points} atoms resembles a cube")


def _lattice_vectors(edge: float, tolerance: float) -> NDArray[np.int64]:
    """Return the fcc lattice vectors of about a length."""
    most = int(np.ceil(edge * (1 + tolerance)))
    axis = np.arange(-most, most + 1)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(grid, axis=1)
    return grid[(grid.sum(axis=1) % 2 == 0) & (np.abs(lengths / edge - 1) <= tolerance)]


def _strain(vectors: NDArray[np.int64], edge: float) -> float:
    """Return how far three vectors are from those of a cube, however it is turned."""
    stretches = np.linalg.svd(vectors / edge, compute_uv=False)
    return float(np.sum(np.log(stretches) ** 2))


def _four_different(vectors: NDArray[np.int64]) -> bool:
    """Say whether the four neighbours of an atom are four atoms."""
    _, inside = _reduce(FOUR, vectors)
    return len(np.unique(inside, axis=0)) == 4


def _reduce(points: NDArray[np.int64], vectors: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how often the supercell's vectors lead from its inside to each point, and the point inside."""
    volume = round(float(np.linalg.det(vectors)))
    inverse = np.rint(np.linalg.inv(vectors) * volume).astype(np.int64)
    turns = np.floor_divide(points @ inverse, volume)
    return turns, points - turns @ vectors


def _points(vectors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the points of the fcc lattice inside a supercell, sorted."""
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T @ vectors
    axes = [np.arange(low, high + 1) for low, high in zip(corners.min(axis=0), corners.max(axis=0), strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[grid.sum(axis=1) % 2 == 0]
    turns, _ = _reduce(grid, vectors)
    return grid[(turns == 0).all(axis=1)]
