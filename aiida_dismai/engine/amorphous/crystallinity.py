"""Which atoms sit in crystalline silicon: the second neighbours of an atom tell (Maras et al. 2016).

The twelve second neighbours of an atom in cubic diamond are arranged as the first neighbours in an fcc crystal, in
hexagonal diamond as in an hcp crystal. Common neighbour analysis finds that out: of each two touching second neighbours
it counts the others that touch both, the contacts among those, and their longest chain. fcc has (4, 2, 1) twelve times,
hcp six times (4, 2, 1) and six times (4, 2, 2). Touching means nearer than halfway from the first to the second shell
of fcc, (1 + √2)/2 times the mean distance of the twelve from the atom.

Source: Maras, Trushin, Stukowski, Ala-Nissila, Jónsson, Comput. Phys. Commun. 205, 13 (2016); cutoff: Stukowski,
Modelling Simul. Mater. Sci. Eng. 20, 045021 (2012). It was chosen over CHILL+ (Nguyen and Molinero, J. Phys. Chem. B
119, 9369 (2015)), which looks only at how the bonds of an atom are twisted: in a good
continuous random network four staggered bonds come about by chance, twelve second neighbours in place hardly ever.

The bonds are given, so an atom whose neighbours or second neighbours are not exactly four and twelve is not
crystalline.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper, kernel

NONE, CUBIC, HEXAGONAL = 0, 1, 2
TOUCHING = (1.0 + math.sqrt(2.0)) / 2.0


def crystalline(
    start: NDArray[np.int64], neighbour: NDArray[np.int64], vectors: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Say of each atom whether it sits in a crystal.

    Args:
        start: ``(n + 1,)`` the bonds of atom i are ``start[i]:start[i + 1]``.
        neighbour: ``(k,)`` the other atom; every bond is there in both directions.
        vectors: ``(k, 3)`` from the atom to the other, in any unit.

    Returns:
        ``(n,)``: 0 no crystal, 1 cubic diamond, 2 hexagonal diamond.
    """
    return np.asarray(
        _classify(
            np.ascontiguousarray(start, dtype=np.int64),
            np.ascontiguousarray(neighbour, dtype=np.int64),
            np.ascontiguousarray(vectors, dtype=np.float64),
        )
    )


@kernel
def _classify(start, neighbour, vectors):  # type: ignore[no-untyped-def]
    """Return the kind of each atom."""
    kinds = np.zeros(start.shape[0] - 1, np.int64)
    second = np.empty((12, 3))
    for atom in range(kinds.shape[0]):
        if _second_neighbours(atom, start, neighbour, vectors, second):
            kinds[atom] = _kind(second)
    return kinds


@helper
def _second_neighbours(atom, start, neighbour, vectors, second):  # type: ignore[no-untyped-def]
    """Fill ``second`` ``(12, 3)`` with the vectors to the second neighbours; say whether they are twelve."""
    if start[atom + 1] - start[atom] != 4:
        return False
    found = 0
    for bond in range(start[atom], start[atom + 1]):
        near = neighbour[bond]
        if start[near + 1] - start[near] != 4:
            return False
        # the way back to the atom itself: the bond of the neighbour that is opposite to this one
        back, smallest = -1, np.inf
        for onward in range(start[near], start[near + 1]):
            gap = 0.0
            for axis in range(3):
                gap += (vectors[bond, axis] + vectors[onward, axis]) ** 2
            if neighbour[onward] == atom and gap < smallest:
                back, smallest = onward, gap
        for onward in range(start[near], start[near + 1]):
            if onward == back:
                continue
            if found == 12:
                return False
            for axis in range(3):
                second[found, axis] = vectors[bond, axis] + vectors[onward, axis]
            found += 1
    return found == 12


@helper
def _kind(points):  # type: ignore[no-untyped-def]
    """Return the kind of an atom by the common neighbour analysis of its second neighbours."""
    count = points.shape[0]
    mean = 0.0
    for i in range(count):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        mean += math.sqrt(x * x + y * y + z * z) / count
    limit = TOUCHING * mean * (TOUCHING * mean)
    # bit j of touching[i] says whether second neighbours i and j touch
    touching = np.empty(count, np.int64)
    for i in range(count):
        touching[i] = 0
        for j in range(i):
            gap = 0.0
            for axis in range(3):
                away = points[i, axis] - points[j, axis]
                gap += away * away
            if gap <= limit:
                touching[i] |= 1 << j
                touching[j] |= 1 << i
    straight = bent = 0
    for i in range(count):
        # the atom itself touches all of them, so i's partners are the common neighbours of the atom and i
        members = np.empty(count, np.int64)
        size = 0
        for j in range(count):
            if touching[i] >> j & 1:
                members[size] = j
                size += 1
        if size != 4:
            return NONE
        contacts, most = 0, 0
        for a in range(4):
            degree = 0
            for b in range(4):
                degree += touching[members[a]] >> members[b] & 1
            contacts += degree
            most = max(most, degree)
        if contacts != 4:
            return NONE
        # two contacts: side by side they make a chain of two, apart two chains of one
        if most == 1:
            straight += 1
        else:
            bent += 1
    if straight == 12:
        return CUBIC
    if straight == 6 and bent == 6:
        return HEXAGONAL
    return NONE
