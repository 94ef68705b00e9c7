"""Which atom sits on which site of a periodic lattice, and the shift that puts most of them on one (Numba).

Everything here happens in units of the lattice vectors, where a lattice point is a triple of integers.
An atom nearer than ``margin`` to a site can only be near that one: the margin is below half the nearest-neighbour
distance. The site is found by rounding; ``reach`` says how far from the rounded point it can still be.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper, kernel

#: Rounds of assigning atoms and moving the lattice to their average; five are usual.
MAX_ROUNDS = 50


def rounding_reach(inverse: NDArray[np.floating], margin: float) -> NDArray[np.int64]:
    """Return how many steps per axis the site within ``margin`` can be from the rounded point, ``(3,)``.

    Zero for all usual lattices: a site within 0.8 Å of an atom in fcc 3.6 Å always comes out of the rounding.

    Args:
        inverse: of the lattice vectors, 1/Å.
        margin: Å.
    """
    return np.floor(margin * np.linalg.norm(inverse, axis=0) + 0.5).astype(np.int64)


@helper
def nearest_site(u, v, w, basis, cell, reach, found):  # type: ignore[no-untyped-def]
    """Find the site nearest to the point ``(u, v, w)``, in units of the lattice vectors.

    Args:
        u: first coordinate.
        v: second coordinate.
        w: third coordinate.
        basis: ``(k, 3)``, the same units.
        cell: ``(3, 3)`` lattice vectors, Å.
        reach: ``(3,)`` see :func:`rounding_reach`.
        found: ``(4,)`` written: lattice point and basis index of the site.

    Returns:
        Squared distance in Å² and the vector from the site to the point in Å. Of equally near sites the first in
        order of basis and lattice point is taken.
    """
    best = math.inf
    bx = by = bz = 0.0
    for b in range(basis.shape[0]):
        fu, fv, fw = u - basis[b, 0], v - basis[b, 1], w - basis[b, 2]
        nu, nv, nw = math.floor(fu + 0.5), math.floor(fv + 0.5), math.floor(fw + 0.5)
        for i in range(-reach[0], reach[0] + 1):
            for j in range(-reach[1], reach[1] + 1):
                for k in range(-reach[2], reach[2] + 1):
                    ru, rv, rw = fu - nu - i, fv - nv - j, fw - nw - k
                    x = ru * cell[0, 0] + rv * cell[1, 0] + rw * cell[2, 0]
                    y = ru * cell[0, 1] + rv * cell[1, 1] + rw * cell[2, 1]
                    z = ru * cell[0, 2] + rv * cell[1, 2] + rw * cell[2, 2]
                    squared = x * x + y * y + z * z
                    if squared < best:
                        best = squared
                        bx, by, bz = x, y, z
                        found[0], found[1], found[2], found[3] = nu + i, nv + j, nw + k, b
    return best, bx, by, bz


@helper
def shift_score(units, shift, basis, cell, reach, margin):  # type: ignore[no-untyped-def]
    """Say how well a shifted lattice fits: each atom within the margin adds 1 - (distance / margin)²."""
    found = np.empty(4, np.int64)
    score = 0.0
    for i in range(units.shape[0]):
        u, v, w = units[i, 0] - shift[0], units[i, 1] - shift[1], units[i, 2] - shift[2]
        squared, _, _, _ = nearest_site(u, v, w, basis, cell, reach, found)
        if squared < margin * margin:
            score += 1.0 - squared / (margin * margin)
    return score


@kernel
def best_shift(units, basis, cell, inverse, reach, margin, seeds):  # type: ignore[no-untyped-def]
    """Find the shift of the lattice that fits most atoms best.

    No shift, and those that put one of ``seeds`` atoms (spread over all) on a site, are tried; the best is refined
    by moving the lattice to the average of the atoms within the margin until these stay the same.

    Args:
        units: ``(n, 3)`` atoms in units of the lattice vectors.
        basis: ``(k, 3)``.
        cell: ``(3, 3)``, Å.
        inverse: its inverse.
        reach: ``(3,)`` see :func:`rounding_reach`.
        margin: Å.
        seeds: how many atoms are tried.

    Returns:
        ``(3,)`` the shift, in units of the lattice vectors.
    """
    n = units.shape[0]
    best, shift = np.empty(3), np.empty(3)
    for axis in range(3):
        best[axis] = 0.0
    best_score = shift_score(units, best, basis, cell, reach, margin)
    tried = min(n, seeds)
    for seed in range(tried):
        atom = seed * n // tried
        for b in range(basis.shape[0]):
            for axis in range(3):
                shift[axis] = units[atom, axis] - basis[b, axis]
            score = shift_score(units, shift, basis, cell, reach, margin)
            if score > best_score + 1e-9:
                best_score = score
                for axis in range(3):
                    best[axis] = shift[axis]
    found = np.empty(4, np.int64)
    for _ in range(MAX_ROUNDS):
        sx = sy = sz = 0.0
        count = 0
        for i in range(n):
            u, v, w = units[i, 0] - best[0], units[i, 1] - best[1], units[i, 2] - best[2]
            squared, x, y, z = nearest_site(u, v, w, basis, cell, reach, found)
            if squared <= margin * margin:
                sx += x
                sy += y
                sz += z
                count += 1
        if count == 0:
            break
        sx /= count
        sy /= count
        sz /= count
        for axis in range(3):
            best[axis] += sx * inverse[0, axis] + sy * inverse[1, axis] + sz * inverse[2, axis]
        if sx * sx + sy * sy + sz * sz < 1e-24:
            break
    return best


@helper
def point_index(nu, nv, nw, hermite):  # type: ignore[no-untyped-def]
    """Return the number of a lattice point through the periodic boundary (as ``Supercell.index``)."""
    turns = nu // hermite[0, 0]
    nu -= turns * hermite[0, 0]
    nv -= turns * hermite[0, 1]
    nw -= turns * hermite[0, 2]
    turns = nv // hermite[1, 1]
    nv -= turns * hermite[1, 1]
    nw -= turns * hermite[1, 2]
    nw -= (nw // hermite[2, 2]) * hermite[2, 2]
    return (nu * hermite[1, 1] + nv) * hermite[2, 2] + nw


def assign(
    units: NDArray[np.float64],
    shift: NDArray[np.float64],
    basis: NDArray[np.float64],
    cell: NDArray[np.float64],
    reach: NDArray[np.int64],
    margin: float,
    hermite: NDArray[np.int64],
    n_sites: int,
) -> tuple[NDArray[np.int64], float]:
    """Put atoms on the sites of a supercell.

    Of several atoms on a site the nearest stays (the first of equally near ones).

    Args:
        units: ``(n, 3)`` atoms in units of the lattice vectors.
        shift: ``(3,)`` of the lattice, the same units.
        basis: ``(k, 3)``.
        cell: ``(3, 3)``, Å.
        reach: ``(3,)``.
        margin: Å.
        hermite: ``(3, 3)`` of the supercell.
        n_sites: its number of sites.

    Returns:
        ``(n,)`` site of each atom (-1 off the lattice, -2 where the site has a nearer atom), and the sum of squared
        distances of the atoms that stay, Å².
    """
    site, owner = np.full(len(units), -1, dtype=np.int64), np.full(n_sites, -1, dtype=np.int64)
    total = _assign(units, shift, basis, cell, reach, margin, hermite, site, owner, np.zeros(len(units)))
    return site, total


@kernel
def _assign(units, shift, basis, cell, reach, margin, hermite, site, owner, distance):  # type: ignore[no-untyped-def]
    """See :func:`assign`; ``site`` and ``owner`` (of each site) are -1 before."""
    n = units.shape[0]
    found = np.empty(4, np.int64)
    for i in range(n):
        u, v, w = units[i, 0] - shift[0], units[i, 1] - shift[1], units[i, 2] - shift[2]
        squared, _, _, _ = nearest_site(u, v, w, basis, cell, reach, found)
        if squared > margin * margin:
            continue
        number = point_index(found[0], found[1], found[2], hermite) * basis.shape[0] + found[3]
        other = owner[number]
        if other >= 0 and distance[other] <= squared:
            site[i] = -2
            continue
        if other >= 0:
            site[other] = -2
        owner[number] = i
        site[i] = number
        distance[i] = squared
    total = 0.0
    for i in range(n):
        if site[i] >= 0:
            total += distance[i]
    return total
