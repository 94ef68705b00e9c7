"""The expansion as tables that the kernel reads: neighbours, fields and the bonds between two swapped atoms.

The *field* ``f[i, A]`` of a site is the energy of its bonds if it held species A, less that with species 0. A swap of
A on site i with B on site j changes the energy by ``f[i, B] - f[i, A] + f[j, A] - f[j, B]``, corrected for
bonds between i and j, which keep their kind (A–B) while the fields take them for A–A and B–B. An accepted swap
adds to the fields of the neighbours of i and j.

Coefficients are rounded to multiples of a power of two so small (about 1e-14 eV) that it has no meaning, and so
large that every sum of them fits a float64 without rounding: sums do not depend on their order, fields
do not drift however many swaps are made, and fields rebuilt after an interruption are the same to the last bit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..expansion import Expansion
from ..supercell import Supercell
from .system import System

#: Bits of a field: three less than the 53 of a float64, for the sum of four fields and the correction.
FIELD_BITS = 50


class Tables(NamedTuple):
    """What the kernel needs of a system; sites are numbered as in :class:`~..supercell.Supercell`.

    Attributes:
        basis: ``(sites,)`` uint32, basis index of each site.
        points: ``(sites, 3)`` int64, lattice point of each site.
        hermite: ``(3, 3)`` int64, the supercell's vectors, see :class:`~..supercell.Supercell`.
        neighbours: ``(sites, most)`` uint32: other sites that the shells' vectors lead to, shell by shell (in a
            small cell one site may come several times).
        first: ``(basis, shells + 1)`` int64: where each shell begins in a row of ``neighbours``.
        own: ``(basis, shells)`` int64: vectors that lead back to the site's own images.
        couplings: ``(shells, species, species)`` eV, rounded.
        start: ``(basis, species)`` eV: the part of the field that does not depend on other sites.
        change: ``(species, species, shells, blocks, 2)`` eV: what a neighbour's field gains when A becomes B, species
            1, 2 | 3, 4 | … in pairs (two at a time fit a vector register; the last pair may be padded).
        classes: ``(points × basis × basis,)`` int32: kind of the bonds from a site to another, by the lattice
            point in between and both basis indices; 0 is none.
        bonds: ``(classes, species, species)`` eV: ``J(A, A) + J(B, B) - 2 J(A, B)`` summed over such bonds.
    """

    basis: NDArray[np.uint32]
    points: NDArray[np.int64]
    hermite: NDArray[np.int64]
    neighbours: NDArray[np.uint32]
    first: NDArray[np.int64]
    own: NDArray[np.int64]
    couplings: NDArray[np.float64]
    start: NDArray[np.float64]
    change: NDArray[np.float64]
    classes: NDArray[np.int32]
    bonds: NDArray[np.float64]


def coupling_matrices(expansion: Expansion) -> NDArray[np.float64]:
    """Return the pair terms as symmetric matrices ``(shells, species, species)``, eV."""
    species = len(expansion.species)
    upper = np.triu_indices(species)
    matrices = np.zeros((len(expansion.vectors), species, species))
    matrices[:, upper[0], upper[1]] = expansion.pair_terms
    matrices[:, upper[1], upper[0]] = expansion.pair_terms
    return matrices


def rounded(matrices: NDArray[np.float64], bonds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round coefficients so that sums over all bonds of a site are exact.

    Args:
        matrices: ``(shells, species, species)`` eV.
        bonds: of each shell per atom.
    """
    # largest difference of two species' energies on one site
    largest = float(4 * (np.abs(matrices).max(axis=(1, 2)) * bonds).sum())
    if largest == 0:
        return matrices.copy()
    grid = 2.0 ** (math.ceil(math.log2(largest)) - FIELD_BITS)
    return np.asarray(np.round(matrices / grid) * grid)


def build_tables(system: System) -> Tables:
    """Return the tables of a system."""
    expansion, supercell = system.expansion, system.supercell
    n_basis, species = supercell.n_basis, len(expansion.species)
    vectors, shell = expansion.all_vectors
    couplings = rounded(coupling_matrices(expansion), expansion.bonds)

    partners = supercell.partners(vectors)
    shells = len(expansion.vectors)
    rows, first = [], np.zeros((n_basis, shells + 1), np.int64)
    own = np.zeros((n_basis, shells), np.int64)
    for b in range(n_basis):
        sites = np.flatnonzero(supercell.basis == b)
        # by symmetry the same vectors lead back to every site of one basis index
        there = np.flatnonzero(vectors.start == b)
        other = there[partners[sites[0], there] != sites[0]]
        own[b] = np.bincount(shell[there], minlength=shells) - np.bincount(shell[other], minlength=shells)
        first[b, 1:] = np.cumsum(np.bincount(shell[other], minlength=shells))
        rows.append((sites, partners[np.ix_(sites, other)]))
    neighbours = np.zeros((supercell.n_sites, max(row.shape[1] for _, row in rows)), np.uint32)
    for sites, row in rows:
        neighbours[sites, : row.shape[1]] = row

    # a bond to an own image is seen from both ends, and changes with both
    own_terms = 0.5 * own @ np.diagonal(couplings, axis1=1, axis2=2)
    start = own_terms - own_terms[:, :1]

    blocks = species // 2
    differences = couplings[:, :, 1:] - couplings[:, :, :1]  # (shells, neighbour's partner, species 1 …)
    padded = np.zeros((shells, species, 2 * blocks))
    padded[:, :, : species - 1] = differences
    change = padded[:, None, :, :] - padded[:, :, None, :]  # (shells, A, B, …): from A to B
    change = change.transpose(1, 2, 0, 3).reshape(species, species, shells, blocks, 2)

    classes, bonds = _bonds_between(supercell, partners, vectors.end, shell, couplings)
    return Tables(
        basis=supercell.basis.astype(np.uint32),
        points=np.ascontiguousarray(supercell.points),
        hermite=np.ascontiguousarray(supercell.hermite),
        neighbours=np.ascontiguousarray(neighbours),
        first=first,
        own=own,
        couplings=couplings,
        start=np.ascontiguousarray(start),
        change=np.ascontiguousarray(change),
        classes=classes,
        bonds=np.ascontiguousarray(bonds),
    )


def _bonds_between(
    supercell: Supercell,
    partners: NDArray[np.int64],
    end: NDArray[np.int64],
    shell: NDArray[np.int64],
    couplings: NDArray[np.float64],
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return ``classes`` and ``bonds`` of :class:`Tables`."""
    n_basis, shells = supercell.n_basis, len(couplings)
    cells = supercell.n_sites // n_basis
    numbers = np.zeros((cells, n_basis, n_basis, shells), np.int64)
    for b in range(n_basis):
        # from the sites at lattice point 0, whose numbers are their basis indices
        row = partners[b]
        there = row >= 0
        np.add.at(numbers, (row[there] // n_basis, b, end[there], shell[there]), 1)
        numbers[0, b, b] = 0  # own images are no bond between two atoms
    kinds, inverse = np.unique(numbers.reshape(-1, shells), axis=0, return_inverse=True)
    assert not kinds[0].any()
    alike = np.diagonal(couplings, axis1=1, axis2=2)
    loss = alike[:, :, None] + alike[:, None, :] - 2 * couplings
    return inverse.reshape(-1).astype(np.int32), np.einsum("cs,sab->cab", kinds, loss)
