"""Find the sites that all training structures share, whatever species are on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....compiled import kernel
from ....structures import StructureSet


class NoCommonSites(Exception):
    """The structures do not share their sites; says where they part."""


def common_sites(structures: StructureSet, tolerance: float) -> NDArray[np.float64]:
    """Return the sites that all structures occupy.

    Sites are compared at the same fractional coordinates, so cells may differ. Each site of the first structure must
    have exactly one atom of every structure within the tolerance; the mean place of these atoms is the site.

    Args:
        structures: not empty.
        tolerance: Å.

    Returns:
        Fractional coordinates ``(m, 3)``, in [0, 1) along periodic axes, in the order of the first structure.

    Raises:
        NoCommonSites: another number of atoms, other periodic axes, an atom off the sites, two on one.
    """
    first = structures[0]
    periodic = first.pbc[0]
    sites = _fractional(first)
    shifts = np.zeros_like(sites)
    for i in range(len(structures)):
        other = structures[i]
        if len(other.numbers) != len(sites):
            raise NoCommonSites(f"structure {i} has {len(other.numbers)} atoms, structure 0 {len(sites)}")
        if (other.pbc[0] != periodic).any():
            raise NoCommonSites(f"structure {i} is periodic along other axes than structure 0")
        site, shift, distance = _nearest(_fractional(other), sites, other.cells[0], periodic)
        worst = int(distance.argmax())
        if distance[worst] > tolerance:
            raise NoCommonSites(
                f"atom {worst} of structure {i} is {distance[worst]:.2f} Å from the nearest site of structure 0, more "
                f"than {tolerance:g} Å"
            )
        if len(np.unique(site)) < len(sites):
            twice = int(np.bincount(site).argmax())
            raise NoCommonSites(f"structure {i} has two atoms on site {twice} of structure 0, and an empty one")
        shifts[site] += shift
    sites = sites + shifts / len(structures)
    return np.where(periodic, sites - np.floor(sites), sites)


def _fractional(structure: StructureSet) -> NDArray[np.float64]:
    return np.asarray(structure.positions @ np.linalg.inv(structure.cells[0]))


@kernel
def _nearest(
    atoms: NDArray[np.float64], sites: NDArray[np.float64], cell: NDArray[np.float64], periodic: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return each atom's nearest site, its fractional shift from there ``(n, 3)`` and distance, Å.

    Of a site's images that with the smallest fractional shifts is taken: the nearest one wherever the distance is
    below half the smallest height of the cell, as it is for an atom that is on the site.
    """
    n = len(atoms)
    site = np.zeros(n, dtype=np.int64)
    shift = np.zeros((n, 3))
    distance = np.full(n, np.inf)
    step = np.zeros(3)
    for i in range(n):
        for j in range(len(sites)):
            for k in range(3):
                step[k] = atoms[i, k] - sites[j, k]
                if periodic[k]:
                    step[k] -= np.rint(step[k])
            square = 0.0
            for k in range(3):
                length = step[0] * cell[0, k] + step[1] * cell[1, k] + step[2] * cell[2, k]
                square += length * length
            if square < distance[i]:
                distance[i] = square
                site[i] = j
                for k in range(3):
                    shift[i, k] = step[k]
        distance[i] = np.sqrt(distance[i])
    return site, shift, distance
