"""The sites of a fragment that is cut by the cell: which count, and which meet others across the seam (Numba)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper, kernel


def list_sites(
    sites: NDArray[np.int64],
    squared: NDArray[np.float64],
    low: NDArray[np.int64],
    size: NDArray[np.int64],
    from_units: NDArray[np.float64],
    shift: NDArray[np.float64],
    basis: NDArray[np.float64],
    cell: NDArray[np.float64],
    origin: NDArray[np.float64],
    edge: NDArray[np.float64],
    tolerance: NDArray[np.float64],
    margin: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """List the sites inside the cut and those outside that hold an atom, and say which atom is on which.

    Of atoms on one site, and of sites that come together at the seam (within the margin), the atom nearer to its
    site stays. An empty site so near a face that the fit cannot tell on which side it lies counts as inside only
    where an atom beyond the seam explains why it is empty. Everything fractional is in units of the cell.

    Returns:
        ``(n,)`` site of each atom (-1 off the lattice, -2 where another stays), ``(m, 4)`` lattice point and basis
        index of each site, and the sum of squared distances, Å².
    """
    n = len(sites)
    owner = np.full((*size, len(basis)), -1, dtype=np.int64)
    site, near = np.full(n, -1, dtype=np.int64), np.zeros(n, dtype=np.bool_)
    numbers = np.empty((owner.size, 4), dtype=np.int64)
    count, total = _list_sites(
        sites, squared, low, from_units, shift, basis, cell, origin, edge, tolerance, margin,
        owner, np.zeros((n + 1, 3)), near, site, numbers,
    )  # fmt: skip
    return site, numbers[:count].copy(), total


@kernel
def _list_sites(  # type: ignore[no-untyped-def]
    sites, squared, low, from_units, shift, basis, cell, origin, edge, tolerance, margin,
    owner, place, near, site, numbers
):  # fmt: skip
    """See :func:`list_sites`; ``place`` has a row more than there are atoms, as scratch."""
    n = sites.shape[0]
    for atom in range(n):
        if squared[atom] > margin * margin:
            continue
        i, j, k, b = sites[atom, 0] - low[0], sites[atom, 1] - low[1], sites[atom, 2] - low[2], sites[atom, 3]
        other = owner[i, j, k, b]
        if other < 0 or squared[atom] < squared[other]:
            owner[i, j, k, b] = atom
        for axis in range(3):
            place[atom, axis] = shift[axis]
            for r in range(3):
                place[atom, axis] += (sites[atom, r] + basis[b, r]) * from_units[r, axis]
    _clear_seam(owner, sites, squared, low, place, cell, origin, edge, margin, near)
    for atom in range(n):
        if squared[atom] <= margin * margin:
            site[atom] = -2  # until it is found to be the one that stays
    count = 0
    total = 0.0
    for i in range(owner.shape[0]):
        for j in range(owner.shape[1]):
            for k in range(owner.shape[2]):
                for b in range(owner.shape[3]):
                    atom = owner[i, j, k, b]
                    inside, surely = True, True
                    for axis in range(3):
                        place[n, axis] = shift[axis]
                        place[n, axis] += (i + low[0] + basis[b, 0]) * from_units[0, axis]
                        place[n, axis] += (j + low[1] + basis[b, 1]) * from_units[1, axis]
                        place[n, axis] += (k + low[2] + basis[b, 2]) * from_units[2, axis]
                        depth = min(place[n, axis] - origin[axis], 1.0 - place[n, axis] + origin[axis])
                        inside &= depth >= 0.0
                        surely &= depth >= tolerance[axis]
                    if atom >= 0 or surely or (inside and _met(place, site, cell, margin)):
                        numbers[count, 0] = i + low[0]
                        numbers[count, 1] = j + low[1]
                        numbers[count, 2] = k + low[2]
                        numbers[count, 3] = b
                        if atom >= 0:
                            site[atom] = count
                            total += squared[atom]
                        count += 1
    return count, total


@helper
def _met(place, site, cell, margin):  # type: ignore[no-untyped-def]
    """Say whether the site of an atom comes within the margin of the last place, through the boundary."""
    n = site.shape[0]
    for atom in range(n):  # noqa: SIM110 (Numba knows no any())
        if site[atom] != -1 and _gap(place, n, atom, cell) < margin * margin:
            return True
    return False


@helper
def _gap(place, one, two, cell):  # type: ignore[no-untyped-def]
    """Return the squared distance, Å², of two places in units of the cell, through the boundary."""
    fu, fv, fw = place[one, 0] - place[two, 0], place[one, 1] - place[two, 1], place[one, 2] - place[two, 2]
    fu -= math.floor(fu + 0.5)
    fv -= math.floor(fv + 0.5)
    fw -= math.floor(fw + 0.5)
    gap = 0.0
    for c in range(3):
        step = fu * cell[0, c] + fv * cell[1, c] + fw * cell[2, c]
        gap += step * step
    return gap


@helper
def _clear_seam(owner, sites, squared, low, place, cell, origin, edge, margin, near):  # type: ignore[no-untyped-def]
    """Empty one of each two occupied sites that are nearer than the margin through the boundary."""
    n = sites.shape[0]
    for atom in range(n):
        if squared[atom] > margin * margin:
            continue
        i, j, k, b = sites[atom, 0] - low[0], sites[atom, 1] - low[1], sites[atom, 2] - low[2], sites[atom, 3]
        if owner[i, j, k, b] != atom:
            continue
        for axis in range(3):
            depth = place[atom, axis] - origin[axis]
            near[atom] |= depth < edge[axis] or depth > 1.0 - edge[axis]
    for one in range(n):
        for two in range(one):
            if not (near[one] and near[two]):
                continue
            if _gap(place, one, two, cell) < margin * margin:
                worse = one if squared[one] >= squared[two] else two
                near[worse] = False
                b = sites[worse, 3]
                owner[sites[worse, 0] - low[0], sites[worse, 1] - low[1], sites[worse, 2] - low[2], b] = -1
