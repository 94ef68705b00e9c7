"""Bond transpositions, each judged by the fully relaxed energy; compiled.

In a chain of three bonds i–j–k–l the outer two become i–k and j–l (Wooten, Winer, Weaire, Phys. Rev. Lett. 54, 1392
(1985)): all atoms keep four bonds. The energy that decides is that of the relaxed network. What makes this affordable
is from Barkema and Mousseau, Phys. Rev. B 62, 4985 (2000): the random number of Metropolis' rule is drawn first, which
gives the highest energy that would be accepted; only atoms near the transposition move at first; and a relaxation is
given up as soon as its energy cannot come down to that any more by the harmonic forecast E − c |F|².
"""

from __future__ import annotations

import math

import numpy as np

from ...compiled import helper, kernel
from .keating import TOO_HIGH, owned_energies, relax

#: What became of a transposition.
ACCEPTED, HIGH, SHORT_RING, NEIGHBOURS, TWISTED = 0, 1, 2, 3, 4


@helper
def _slot(bonded, atom, other):  # type: ignore[no-untyped-def]
    """Return which bond of an atom leads to another, −1 if none."""
    for slot in range(4):
        if bonded[atom, slot] == other:
            return slot
    return -1


@helper
def find_chain(number, bonded):  # type: ignore[no-untyped-def]
    """Return the chain i, j, k, l of a number below 36 n; every chain has two numbers, one from either end."""
    j, rest = number // 36, number % 36
    k = bonded[j, rest // 9]
    to_k, to_j = rest // 9, _slot(bonded, k, j)
    a, b = rest % 9 // 3, rest % 3
    i = bonded[j, a if a < to_k else a + 1]
    l = bonded[k, b if b < to_j else b + 1]  # noqa: E741
    return i, j, k, l


@helper
def twist(i, j, k, l, positions, bonded, images, box):  # type: ignore[no-untyped-def]  # noqa: E741
    """Return the cosine of the dihedral angle of a chain: −1 stretched out (trans), 1 folded (cis)."""
    j_i, j_k, k_l = _slot(bonded, j, i), _slot(bonded, j, k), _slot(bonded, k, l)
    first, middle, last = np.empty(3), np.empty(3), np.empty(3)
    for axis in range(3):
        first[axis] = positions[j, axis] - positions[i, axis] - box * images[j, j_i, axis]
        middle[axis] = positions[k, axis] - positions[j, axis] + box * images[j, j_k, axis]
        last[axis] = positions[l, axis] - positions[k, axis] + box * images[k, k_l, axis]
    product = one = two = 0.0
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        here = first[b] * middle[c] - first[c] * middle[b]
        there = middle[b] * last[c] - middle[c] * last[b]
        product += here * there
        one += here * here
        two += there * there
    scale = math.sqrt(one * two)
    return product / scale if scale > 0.0 else 1.0


@helper
def switch(i, j, k, l, bonded, images):  # type: ignore[no-untyped-def]  # noqa: E741
    """Replace the bonds i–j and k–l by i–k and j–l. ``switch(l, j, k, i, …)`` takes it back."""
    j_i, i_j = _slot(bonded, j, i), _slot(bonded, i, j)
    k_l, l_k = _slot(bonded, k, l), _slot(bonded, l, k)
    j_k = _slot(bonded, j, k)
    for axis in range(3):
        k_to_i = images[j, j_i, axis] - images[j, j_k, axis]
        j_to_l = images[j, j_k, axis] + images[k, k_l, axis]
        images[j, j_i, axis], images[l, l_k, axis] = j_to_l, -j_to_l
        images[k, k_l, axis], images[i, i_j, axis] = k_to_i, -k_to_i
    bonded[j, j_i], bonded[l, l_k] = l, j
    bonded[k, k_l], bonded[i, i_j] = i, k


@helper
def in_short_ring(first, second, smallest, bonded, images):  # type: ignore[no-untyped-def]
    """Say whether the bond between two atoms is in a ring of fewer than ``smallest`` atoms (4 or 5)."""
    there = _slot(bonded, first, second)
    for a in range(4):
        if a == there:
            continue
        near = bonded[first, a]
        for b in range(4):
            beside = bonded[second, b]
            if beside == first:
                continue
            # lattice translation of `beside` as seen from `near`
            x = images[first, there, 0] + images[second, b, 0] - images[first, a, 0]
            y = images[first, there, 1] + images[second, b, 1] - images[first, a, 1]
            z = images[first, there, 2] + images[second, b, 2] - images[first, a, 2]
            if near == beside:
                if x == 0 and y == 0 and z == 0:
                    return True
            elif smallest > 4:
                closing = _slot(bonded, near, beside)
                if (
                    closing >= 0
                    and images[near, closing, 0] == x
                    and images[near, closing, 1] == y
                    and images[near, closing, 2] == z
                ):
                    return True
    return False


@helper
def surroundings(seeds, shells, bonded, distance):  # type: ignore[no-untyped-def]
    """Return the atoms up to ``shells`` bonds from some atoms, nearest first; ``distance`` (n,) is −1 and left so."""
    found = np.empty(bonded.shape[0], np.int64)
    count = 0
    for atom in seeds:
        if distance[atom] < 0:
            distance[atom] = 0
            found[count] = atom
            count += 1
    place = 0
    while place < count:
        atom = found[place]
        place += 1
        if distance[atom] == shells:
            continue
        for slot in range(4):
            other = bonded[atom, slot]
            if distance[other] < 0:
                distance[other] = distance[atom] + 1
                found[count] = other
                count += 1
    for atom in found[:count]:
        distance[atom] = -1
    return found[:count]


@helper
def attempt(number, threshold, energy, folded, smallest, shells, near_limits, far_limits, network, rooms):  # type: ignore[no-untyped-def]
    """Try one transposition; the network is left as it was unless it is accepted.

    Args:
        number: of the chain, see :func:`find_chain`.
        threshold: energy above which it is rejected, eV.
        energy: of the network, eV.
        folded: chains whose dihedral angle has a larger cosine are left out.
        smallest: rings with fewer atoms are not made (4 or 5).
        shells: atoms up to so many bonds away move at first.
        near_limits: of the first relaxation, see :func:`~.keating.relax`; the threshold is filled in.
        far_limits: of the relaxation of all atoms.
        network: positions, bonded, images, box, constants.
        rooms: owned (n,) energies of the atoms, kept up to date; slope, direction, distance, and old (n, 3).

    Returns:
        What became of it, and the energy, eV.
    """
    positions, bonded, images, box, constants = network
    owned, slope, direction, distance, old = rooms
    i, j, k, l = find_chain(number, bonded)  # noqa: E741
    if i == l or _slot(bonded, i, k) >= 0 or _slot(bonded, j, l) >= 0:
        return NEIGHBOURS, energy
    if twist(i, j, k, l, positions, bonded, images, box) > folded:
        return TWISTED, energy
    switch(i, j, k, l, bonded, images)
    if in_short_ring(k, i, smallest, bonded, images) or in_short_ring(j, l, smallest, bonded, images):
        switch(l, j, k, i, bonded, images)
        return SHORT_RING, energy
    near_limits[3] = far_limits[3] = threshold
    for atom in range(positions.shape[0]):
        for axis in range(3):
            old[atom, axis] = positions[atom, axis]
    # the four atoms have other neighbours now; before and after, the same atoms are within reach
    seeds = np.empty(4, np.int64)
    seeds[0], seeds[1], seeds[2], seeds[3] = i, j, k, l
    owners = surroundings(seeds, shells + 1, bonded, distance)
    movers = surroundings(seeds, shells, bonded, distance)
    rest = energy
    for atom in owners:
        rest -= owned[atom]
    _, _, end, _ = relax(
        movers, owners, positions, bonded, images, box, constants, rest, near_limits, slope, direction
    )  # fmt: skip
    if end != TOO_HIGH:
        everyone = np.empty(positions.shape[0], np.int64)
        for atom in range(positions.shape[0]):
            everyone[atom] = atom
        relaxed, _, end, _ = relax(
            everyone, everyone, positions, bonded, images, box, constants, 0.0, far_limits, slope, direction
        )  # fmt: skip
        if end != TOO_HIGH and relaxed <= threshold:
            return ACCEPTED, owned_energies(everyone, positions, bonded, images, box, constants, owned)
    switch(l, j, k, i, bonded, images)
    for atom in range(positions.shape[0]):
        for axis in range(3):
            positions[atom, axis] = old[atom, axis]
    return HIGH, energy


@kernel
def advance(numbers, heights, energy, folded, smallest, shells, near_limits, far_limits, network, rooms, counts):  # type: ignore[no-untyped-def]
    """Try transpositions one after the other.

    Args:
        numbers: of the chains.
        heights: how far above the energy of the moment each may end, eV.
        energy: of the network, eV.
        folded: as for :func:`attempt`.
        smallest: as for :func:`attempt`.
        shells: as for :func:`attempt`.
        near_limits: as for :func:`attempt`.
        far_limits: as for :func:`attempt`.
        network: as for :func:`attempt`.
        rooms: as for :func:`attempt`.
        counts: ``(5,)`` how many had each outcome, added to.

    Returns:
        The energy, eV.
    """
    for place in range(numbers.shape[0]):
        outcome, energy = attempt(
            numbers[place],
            energy + heights[place],
            energy,
            folded,
            smallest,
            shells,
            near_limits,
            far_limits,
            network,
            rooms,
        )
        counts[outcome] += 1
    return energy
