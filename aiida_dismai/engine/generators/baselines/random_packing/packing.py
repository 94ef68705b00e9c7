"""Random packing: random sequential addition, then overlapping atoms are pushed apart.

Random sequential addition fills space to about 38 % with equal spheres (Torquato, Uche, Stillinger 2006), which denser
data exceed. So an atom that found no place goes where it is least in the way, and pairs that are too close are then
pushed apart, one after the other, to just above their minimum distance, until none is left: possible up to near
the density of random close packing (64 %). Beyond it, atoms jam; the distances are then shrunk by one common
factor, in equal steps, and pushing goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....compiled import kernel
from ....neighbours import close_pairs, heights

#: No arrangement of equal spheres fills more of space (Kepler).
DENSEST = np.pi / np.sqrt(18)
#: Pairs are pushed to this much above their minimum distance: without it the last overlaps shrink for ever.
OVERSHOOT = 1.01
#: Pairs up to this much farther apart than their minimum are listed, Å; the list holds until an atom has moved half.
SKIN = 1.0


@dataclass(frozen=True, eq=False)
class Box:
    """What atoms are packed into.

    Attributes:
        cell: rows are the lattice vectors, Å, ``(3, 3)``.
        pbc: ``(3,)`` bool.
        low: lower end of the range for the atoms, fractional, ``(3,)``.
        width: of that range, fractional, ``(3,)``; infinite along a periodic axis without walls.
    """

    cell: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    low: NDArray[np.float64]
    width: NDArray[np.float64]


def pack(
    rng: np.random.Generator,
    kinds: NDArray[np.int64],
    distances: NDArray[np.float64],
    box: Box,
    tries: int,
    max_sweeps: int,
    shrink: float,
) -> NDArray[np.float64]:
    """Pack atoms at random, none closer than its minimum distance where that is possible.

    Args:
        rng: source of all random points.
        kinds: row of ``distances`` of each atom, ``(n,)``.
        distances: minimum distances, Å, ``(k, k)``, symmetric; 0 for none.
        box: what they are packed into.
        tries: random points for one atom.
        max_sweeps: rounds of pushing before the distances are shrunk.
        shrink: step of the common factor.

    Returns:
        Cartesian positions, Å, ``(n, 3)``, in the order of ``kinds``; inside the cell along periodic axes without
        walls, inside the range along the others.
    """
    span = np.where(np.isinf(box.width), 1.0, box.width)
    # those that need most room first: the later, the fuller
    room = distances[kinds, kinds]
    order = np.lexsort((rng.random(len(kinds)), -room))
    points = box.low + span * rng.random((len(kinds), tries, 3))
    fractional = np.empty((len(kinds), 3))
    fractional[order] = _add(points, kinds[order], distances, box.cell, box.pbc, heights(box.cell))
    positions = fractional @ box.cell
    factor = 1.0
    while factor > _largest_factor(kinds, distances, box):
        factor -= shrink
    while factor > 0:
        positions, done = _separate(positions, kinds, factor * distances, box, max_sweeps)
        if done:
            break
        factor -= shrink
    fractional = positions @ np.linalg.inv(box.cell)
    return np.asarray(positions - (np.floor(fractional) * (box.pbc & np.isinf(box.width))) @ box.cell)


def _largest_factor(kinds: NDArray[np.int64], distances: NDArray[np.float64], box: Box) -> float:
    """Return a factor on the distances beyond which no packing exists, so that none is looked for.

    Atoms of one element are centres of spheres, and no packing of equal spheres fills more than 74 % of space (Kepler).
    Between walls half a sphere may stick out on both sides.
    """
    largest = np.inf
    across = heights(box.cell)
    for kind, count in enumerate(np.bincount(kinds, minlength=len(distances))):
        diameter = distances[kind, kind]
        if count < 2 or diameter == 0:
            continue
        # in a range widened by a whole diameter the factor is below 1, and then so is what sticks out
        widths = np.where(np.isinf(box.width), 1.0, box.width + diameter / across)
        room = abs(float(np.linalg.det(box.cell))) * float(np.prod(widths))
        bound = (DENSEST * room / (count * np.pi / 6 * diameter**3)) ** (1 / 3)
        # an atom's own images need not keep the distance: the bound holds where the cell keeps them as far apart
        if bound * diameter < across[box.pbc].min(initial=np.inf):
            largest = min(largest, bound)
    return largest


def distance_factor(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    kinds: NDArray[np.int64],
    distances: NDArray[np.float64],
) -> float:
    """Return the smallest ratio of a distance to the minimum of its pair, 1 where all are kept."""
    pairs = close_pairs(positions, cell, pbc, float(distances.max(initial=0.0)) + 1e-6)
    minimum = distances[kinds[pairs.first], kinds[pairs.second]]
    real = (pairs.first != pairs.second) & (minimum > 0)
    connections = positions[pairs.second] + pairs.offsets - positions[pairs.first]
    return float((np.linalg.norm(connections, axis=1)[real] / minimum[real]).min(initial=1.0))


def _separate(
    positions: NDArray[np.float64], kinds: NDArray[np.int64], minimum: NDArray[np.float64], box: Box, max_sweeps: int
) -> tuple[NDArray[np.float64], bool]:
    """Push pairs apart; return the positions and whether no pair is closer than its minimum."""
    if not minimum.any():
        return positions, True
    inverse = np.asarray(np.linalg.inv(box.cell), dtype=np.float64)
    sweeps = 0
    while sweeps < max_sweeps:
        pairs = close_pairs(positions, box.cell, box.pbc, float(minimum.max()) + SKIN)
        target = minimum[kinds[pairs.first], kinds[pairs.second]]
        length = np.linalg.norm(positions[pairs.second] + pairs.offsets - positions[pairs.first], axis=1)
        kept = (pairs.first != pairs.second) & (length < target + SKIN) & (target > 0)
        positions = positions.copy()
        made, done = _push(
            positions,
            pairs.first[kept],
            pairs.second[kept],
            pairs.offsets[kept],
            target[kept],
            box.cell,
            inverse,
            box.low,
            box.width,
            max_sweeps - sweeps,
        )
        if done:
            return positions, True
        sweeps += made
    return positions, False


@kernel
def _add(
    points: NDArray[np.float64],
    kinds: NDArray[np.int64],
    distances: NDArray[np.float64],
    cell: NDArray[np.float64],
    periodic: NDArray[np.bool_],
    across: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Place atoms one after the other at the first of their points that keeps the distances, or the least bad."""
    n, tries = points.shape[:2]
    placed = np.empty((n, 3))
    step = np.zeros(3)
    reach = np.zeros(3, dtype=np.int64)
    for i in range(n):
        best = -1.0
        for t in range(tries):
            # the smallest squared ratio of a distance to its minimum, and 1 if none is smaller
            ratio = 1.0
            for j in range(i):
                minimum = distances[kinds[i], kinds[j]]
                if minimum == 0.0:
                    continue
                for k in range(3):
                    step[k] = points[i, t, k] - placed[j, k]
                    reach[k] = 0
                    if periodic[k]:
                        step[k] -= np.rint(step[k])
                        # |step| <= 1/2, so the image u is farther than (|u| - 1/2) heights away
                        reach[k] = int(minimum / across[k] + 0.5)
                for u in range(-reach[0], reach[0] + 1):
                    for v in range(-reach[1], reach[1] + 1):
                        for w in range(-reach[2], reach[2] + 1):
                            square = 0.0
                            for k in range(3):
                                length = (
                                    (step[0] + u) * cell[0, k] + (step[1] + v) * cell[1, k] + (step[2] + w) * cell[2, k]
                                )
                                square += length * length
                            ratio = min(ratio, square / (minimum * minimum))
                if ratio <= best:
                    break
            if ratio > best:
                best = ratio
                for k in range(3):
                    placed[i, k] = points[i, t, k]
            if best >= 1.0:
                break
    return placed


@kernel
def _push(
    positions: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    offsets: NDArray[np.float64],
    minimum: NDArray[np.float64],
    cell: NDArray[np.float64],
    inverse: NDArray[np.float64],
    low: NDArray[np.float64],
    width: NDArray[np.float64],
    max_sweeps: int,
) -> tuple[int, bool]:
    """Push the listed pairs apart, in place, until none is too close or the list no longer holds.

    Returns:
        The number of sweeps made, and whether no pair was too close in the last.
    """
    start = positions.copy()
    connection = np.zeros(3)
    for sweep in range(max_sweeps):
        pushed = False
        for p in range(len(first)):
            i, j = first[p], second[p]
            square = 0.0
            for k in range(3):
                connection[k] = positions[j, k] + offsets[p, k] - positions[i, k]
                square += connection[k] * connection[k]
            if square >= minimum[p] * minimum[p]:
                continue
            pushed = True
            length = np.sqrt(square)
            if length < 1e-12:  # on top of each other: any direction will do
                for k in range(3):
                    connection[k] = cell[0, k]
                length = np.sqrt(cell[0, 0] ** 2 + cell[0, 1] ** 2 + cell[0, 2] ** 2)
                move = 0.5 * OVERSHOOT * minimum[p] / length
            else:
                move = 0.5 * (OVERSHOOT * minimum[p] - length) / length
            for k in range(3):
                positions[i, k] -= move * connection[k]
                positions[j, k] += move * connection[k]
        if not pushed:
            return sweep, True
        farthest = 0.0
        for i in range(len(positions)):
            for axis in range(3):
                if width[axis] == np.inf:
                    continue
                along = 0.0
                for k in range(3):
                    along += positions[i, k] * inverse[k, axis]
                back = min(max(along, low[axis]), low[axis] + width[axis]) - along
                for k in range(3):
                    positions[i, k] += back * cell[axis, k]
            square = 0.0
            for k in range(3):
                square += (positions[i, k] - start[i, k]) ** 2
            farthest = max(farthest, square)
        # two atoms that come towards each other are not in the list before they have made its skin together
        if farthest > (0.5 * SKIN) ** 2:
            return sweep + 1, False
    return max_sweeps, False
