"""The atoms of a window, and how badly they would fit their periodic images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...compiled import kernel
from .large import LargeCell

#: An atom this little (share of a side) outside a face is on it: a crystal's planes are in the window once.
ON_FACE = 1e-9
#: A missing or surplus atom costs as much as so many wrong coordinations: the bonds that it takes part in [own].
COST_OF_ATOM = 4.0


@dataclass(frozen=True)
class Window:
    """A cube in a large cell.

    Attributes:
        cell: which large cell.
        centre: ``(3,)`` in that cell's frame, Å.
        rotation: ``(3, 3)``; the cube's axes are its rows.
        overlap: largest share of atoms in common with an earlier window.
        alternatives: ``(k, 3)`` other centres for further attempts, by rising cost.
    """

    cell: int
    centre: NDArray[np.float64]
    rotation: NDArray[np.float64]
    overlap: float
    alternatives: NDArray[np.float64]


def pick(
    large: LargeCell, centre: NDArray[np.float64], rotation: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the atoms in a cube, ``(m,)``, and their coordinates in units of its side, ``(m, 3)`` from 0 to 1."""
    atoms = np.empty(len(large.positions), dtype=np.int64)
    inside = np.empty((len(large.positions), 3))
    m = _pick(large.positions, large.frame, centre, rotation, large.side, atoms, inside)
    return atoms[:m].copy(), inside[:m].copy()


def costs(
    large: LargeCell,
    centres: NDArray[np.float64],
    rotations: NDArray[np.float64],
    n_atoms: int,
    bond_cutoff: float,
    min_distance: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Estimate what it costs to make windows periodic, the lower the better.

    That is the sum of the differences in coordination from the large cell, and :data:`COST_OF_ATOM` for every atom too
    many or too few once one of each pair too close is dropped.

    Args:
        large: the cell.
        centres: ``(k, 3)``, Å.
        rotations: ``(k, 3, 3)``.
        n_atoms: wanted in a window.
        bond_cutoff: Å.
        min_distance: Å.

    Returns:
        ``(k,)`` costs, and ``(k, m)`` the atoms, filled up with −1; of windows with far too many atoms only some.
    """
    room = n_atoms + n_atoms // 3 + 16
    found = np.full((len(centres), room), -1, dtype=np.int64)
    middle = (centres.min(axis=0) + centres.max(axis=0)) / 2
    reach = large.side * (0.5 if (rotations == np.eye(3)).all() else 3**0.5 / 2) * (1 + 4 * ON_FACE)
    near = around(large.frame, large.positions, middle, np.ptp(centres, axis=0) / 2 + reach)
    cost = _costs(
        np.ascontiguousarray(large.positions[near]),
        large.frame,
        np.ascontiguousarray(large.coordination[near]),
        np.ascontiguousarray(centres),
        np.ascontiguousarray(rotations),
        large.side,
        n_atoms,
        bond_cutoff,
        min_distance,
        found,
    )
    # −1 stays −1
    return cost, np.append(near, -1)[found]


def around(
    frame: NDArray[np.float64], points: NDArray[np.float64], centre: NDArray[np.float64], half: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the points that may have an image in a box: all that have, and few others in a large cell.

    Args:
        frame: ``(3, 3)`` lower triangular lattice vectors, Å.
        points: ``(n, 3)``, Å.
        centre: ``(3,)`` of the box.
        half: ``(3,)`` half its sides.
    """
    near = np.arange(len(points))
    steps = np.zeros((len(points), 0))
    # a step along an axis moves a point along the axes before it, too
    for k in (2, 1, 0):
        if half[k] > frame[k, k] / 2:
            break
        along = points[near, k] - centre[k] - steps @ frame[k + 1 :, k][::-1]
        step = np.floor(along / frame[k, k] + 0.5)
        inside = np.abs(along - step * frame[k, k]) <= half[k] + ON_FACE * frame[k, k]
        near, steps = near[inside], np.column_stack([steps, step])[inside]
    return near


@kernel
def _pick(
    positions: NDArray[np.float64],
    frame: NDArray[np.float64],
    centre: NDArray[np.float64],
    rotation: NDArray[np.float64],
    side: float,
    atoms: NDArray[np.int64],
    inside: NDArray[np.float64],
) -> int:
    """Put the atoms of a cube into ``atoms`` and their coordinates into ``inside``; return their number."""
    m = 0
    reach = side * 0.8660254037844387 * (1 + ON_FACE)  # half the cube's diagonal, if it is turned
    if rotation[0, 0] == 1.0 and rotation[1, 1] == 1.0:
        reach = side * 0.5 * (1 + 4 * ON_FACE)
    for i in range(len(positions)):
        z = positions[i, 2] - centre[2]
        steps = math.floor(z / frame[2, 2] + 0.5 + ON_FACE)
        z -= steps * frame[2, 2]
        if abs(z) > reach:
            continue
        y = positions[i, 1] - centre[1] - steps * frame[2, 1]
        x = positions[i, 0] - centre[0] - steps * frame[2, 0]
        steps = math.floor(y / frame[1, 1] + 0.5 + ON_FACE)
        y -= steps * frame[1, 1]
        if abs(y) > reach:
            continue
        x -= steps * frame[1, 0]
        x -= math.floor(x / frame[0, 0] + 0.5 + ON_FACE) * frame[0, 0]
        within = True
        for k in range(3):
            along = (rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z) / side + 0.5
            within = within and -ON_FACE <= along < 1 - ON_FACE
            if m < len(inside):
                inside[m, k] = along
        if within:
            if m < len(inside):
                atoms[m] = i
            m += 1
    return m


@kernel
def _costs(
    positions: NDArray[np.float64],
    frame: NDArray[np.float64],
    coordination: NDArray[np.int64],
    centres: NDArray[np.float64],
    rotations: NDArray[np.float64],
    side: float,
    n_atoms: int,
    bond_cutoff: float,
    min_distance: float,
    found: NDArray[np.int64],
) -> NDArray[np.float64]:
    result = np.empty(len(centres))
    inside = np.empty((found.shape[1], 3))
    bonded = np.empty(found.shape[1], dtype=np.int64)
    near, closest = (bond_cutoff / side) ** 2, (min_distance / side) ** 2
    for c in range(len(centres)):
        m = _pick(positions, frame, centres[c], rotations[c], side, found[c], inside)
        if m > found.shape[1]:
            result[c] = COST_OF_ATOM * m
            continue
        for i in range(m, found.shape[1]):
            found[c, i] = -1
        for i in range(m):
            bonded[i] = 0
        conflicts = 0
        for i in range(m):
            for j in range(i):
                squared = 0.0
                across = False
                for k in range(3):
                    d = inside[i, k] - inside[j, k]
                    if d > 0.5:
                        d -= 1.0
                        across = True
                    elif d < -0.5:
                        d += 1.0
                        across = True
                    squared += d * d
                    if squared > near:
                        break
                if squared < near:
                    bonded[i] += 1
                    bonded[j] += 1
                    if across and squared < closest:
                        conflicts += 1
        wrong = 0
        for i in range(m):
            wrong += abs(bonded[i] - coordination[found[c, i]])
        result[c] = wrong + COST_OF_ATOM * abs(m - conflicts - n_atoms)
    return result
