"""Pairs per shell of an alloy on its lattice, and what follows: cluster probabilities, short-range order, energy.

A pair is two occupied sites that a vector of the shell connects, through the periodic boundary; pairs with an
empty end are dropped, and counts are divided by the number of atoms present (not sites), as the authors do. Where the
lattice repeats with the cell this is exact arithmetic on integers. Where it does not (a turned lattice with a
seam), the partner is the nearest occupied site within the margin of where the vector ends.

What differs from the authors' counts: they start from each atom's noisy position along axes that they read off one
atom's neighbours, so that in structures cleaned up with rotation long pairs can fall outside the margin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..compiled import kernel
from .assignment import point_index
from .cleanup import Cleaned
from .expansion import Expansion
from .lattice import LatticeError

#: The authors round fractions and counts per atom to so many digits (public script).
COMPAT_DECIMALS = 5


@dataclass(frozen=True, eq=False)
class Counts:
    """Composition and pairs of one structure.

    Attributes:
        fractions: ``(species,)`` share of each species among the atoms.
        pairs: ``(shells, pairs)`` undirected bonds per atom, in the order of ``Expansion.pairs``.
    """

    fractions: NDArray[np.float64]
    pairs: NDArray[np.float64]


def species_codes(numbers: NDArray[np.integer], expansion: Expansion) -> NDArray[np.int64]:
    """Return for atomic numbers ``(n,)`` the place of each in ``expansion.species``; -1 for vacancies (0).

    Raises:
        LatticeError: a species that the expansion does not have.
    """
    codes = np.full(119, -2, dtype=np.int64)
    codes[0] = -1
    codes[expansion.numbers] = np.arange(len(expansion.numbers))
    result = codes[numbers]
    if (result == -2).any():
        from ase.data import chemical_symbols

        atom = int(np.flatnonzero(result == -2)[0])
        raise LatticeError(
            f"{chemical_symbols[int(numbers[atom])]} (atom {atom}) is not in the cluster expansion of "
            f"{', '.join(expansion.species)}"
        )
    return result


def count_pairs(cleaned: Cleaned, expansion: Expansion, margin: float = 0.8, compat: bool = False) -> Counts:
    """Count the pairs of a structure.

    Args:
        cleaned: on the lattice of the expansion.
        expansion: says which shells.
        margin: see the module; matters only where there is a seam, Å.
        compat: round to 5 decimals, as the authors.

    Raises:
        LatticeError: a species that the expansion does not have, or no atom.
    """
    codes = species_codes(cleaned.species, expansion)
    atoms = int((codes >= 0).sum())
    if not atoms:
        raise LatticeError("no atom on the lattice")
    species, shells = len(expansion.species), len(expansion.vectors)
    vectors, shell = expansion.all_vectors
    table = np.zeros((shells, species, species), dtype=np.int64)
    if cleaned.supercell is not None:
        _count_exactly(
            codes, cleaned.supercell.points, cleaned.basis, cleaned.supercell.hermite, len(expansion.lattice.basis),
            vectors.start, vectors.end, vectors.steps, shell, table,
        )  # fmt: skip
    else:
        occupied = codes >= 0
        inverse = np.linalg.inv(cleaned.cell)
        turned = vectors.cartesian @ cleaned.alignment.rotation
        bins = np.floor(1 / (margin * np.linalg.norm(inverse, axis=0))).astype(np.int64)
        _count_nearby(
            codes[occupied], cleaned.positions[occupied], cleaned.basis[occupied], cleaned.cell, inverse,
            np.clip(bins, 1, 200), vectors.start, turned, shell, margin, table,
        )  # fmt: skip
    # every bond was counted from both ends; A-B and B-A are one pair
    both = table + np.swapaxes(table, 1, 2)
    both[:, np.arange(species), np.arange(species)] //= 2
    upper = np.triu_indices(species)
    pairs = both[:, upper[0], upper[1]] / (2 * atoms)
    fractions = np.bincount(codes[codes >= 0], minlength=species) / atoms
    if compat:
        fractions, pairs = np.around(fractions, COMPAT_DECIMALS), np.around(pairs, COMPAT_DECIMALS)
    return Counts(fractions, pairs)


@kernel
def _count_exactly(codes, points, basis, hermite, n_basis, start, end, steps, shell, table):  # type: ignore[no-untyped-def]
    """Count ordered pairs of occupied sites into ``table`` ``(shells, species, species)``, by lattice arithmetic."""
    for site in range(codes.shape[0]):
        if codes[site] < 0:
            continue
        for v in range(start.shape[0]):
            if start[v] != basis[site]:
                continue
            partner = point_index(
                points[site, 0] + steps[v, 0], points[site, 1] + steps[v, 1], points[site, 2] + steps[v, 2], hermite
            )
            code = codes[partner * n_basis + end[v]]
            if code >= 0:
                table[shell[v], codes[site], code] += 1


@kernel
def _count_nearby(codes, positions, basis, cell, inverse, bins, start, vectors, shell, margin, table):  # type: ignore[no-untyped-def]
    """Count ordered pairs into ``table`` ``(shells, species, species)``: looks for the site where each vector ends."""
    n = positions.shape[0]
    # linked lists of the sites in each bin of the cell
    first, following = np.empty(bins[0] * bins[1] * bins[2], np.int64), np.empty(n, np.int64)
    for number in range(first.shape[0]):
        first[number] = -1
    fractional = np.empty((n, 3))
    place = np.empty(3, np.int64)
    for site in range(n):
        for axis in range(3):
            f = 0.0
            for c in range(3):
                f += positions[site, c] * inverse[c, axis]
            f -= math.floor(f)
            fractional[site, axis] = f
            place[axis] = min(int(f * bins[axis]), bins[axis] - 1)
        number = (place[0] * bins[1] + place[1]) * bins[2] + place[2]
        following[site] = first[number]
        first[number] = site
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    # with fewer than three bins the next ones on both sides are the same
    for axis in range(3):
        low[axis] = -1 if bins[axis] > 2 else 0
        high[axis] = 1 if bins[axis] > 1 else 0
    step = np.empty((vectors.shape[0], 3))
    for v in range(vectors.shape[0]):
        for axis in range(3):
            step[v, axis] = (
                vectors[v, 0] * inverse[0, axis] + vectors[v, 1] * inverse[1, axis] + vectors[v, 2] * inverse[2, axis]
            )
    target = np.empty(3)
    for site in range(n):
        for v in range(vectors.shape[0]):
            if start[v] != basis[site]:
                continue
            for axis in range(3):
                f = fractional[site, axis] + step[v, axis]
                f -= math.floor(f)
                target[axis] = f
                place[axis] = min(int(f * bins[axis]), bins[axis] - 1)
            best, partner = margin * margin, -1
            for i in range(low[0], high[0] + 1):
                for j in range(low[1], high[1] + 1):
                    for k in range(low[2], high[2] + 1):
                        number = (place[0] + i) % bins[0] * bins[1] + (place[1] + j) % bins[1]
                        other = first[number * bins[2] + (place[2] + k) % bins[2]]
                        while other >= 0:
                            fu = fractional[other, 0] - target[0]
                            fv = fractional[other, 1] - target[1]
                            fw = fractional[other, 2] - target[2]
                            fu -= math.floor(fu + 0.5)
                            fv -= math.floor(fv + 0.5)
                            fw -= math.floor(fw + 0.5)
                            gap = 0.0
                            for c in range(3):
                                away = fu * cell[0, c] + fv * cell[1, c] + fw * cell[2, c]
                                gap += away * away
                            if gap < best or (gap == best and (partner < 0 or other < partner)):
                                best, partner = gap, other
                            other = following[other]
            if partner >= 0:
                table[shell[v], codes[site], codes[partner]] += 1


def cluster_probabilities(counts: Counts, expansion: Expansion) -> NDArray[np.float64]:
    """Return the authors' cluster vector: fractions, then bonds per atom over the shell's bonds, ``(labels,)``.

    ``Expansion.cluster_labels`` names the entries. Without vacancies the pairs of a shell add up to 1.
    """
    return np.concatenate([counts.fractions, (counts.pairs / expansion.bonds[:, None]).ravel()])


def short_range_order(counts: Counts) -> NDArray[np.float64]:
    """Return the Warren–Cowley parameters ``(..., shells, pairs)`` as the authors define them.

    For unlike species A, B with bonds ``n`` per atom and fractions ``x``: 1 - ½ [p(B|A) / x_B + p(A|B) / x_A],
    where p(B|A) = n_AB / (2 n_AA + sum over C ≠ A of n_AC) is the share of B among A's neighbours; for like
    ones 1 - p(A|A) / x_A. 0 is random, negative attracts. Where a species is missing or has no neighbours there is no
    order to speak of, and the parameter is 0. Many structures of one composition can be given at once
    (``counts.pairs`` with more axes before).
    """
    species = len(counts.fractions)
    upper = np.triu_indices(species)
    bonds = np.zeros((*counts.pairs.shape[:-1], species, species))
    bonds[..., upper[0], upper[1]] = counts.pairs
    ends = bonds + np.swapaxes(bonds, -1, -2)  # twice n_AA on the diagonal
    neighbours = ends.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = ends / neighbours[..., :, None] / counts.fractions
    order = 1 - (relative + np.swapaxes(relative, -1, -2)) / 2
    there = (neighbours > 0) & (counts.fractions > 0)
    order[~(there[..., :, None] & there[..., None, :])] = 0.0
    return np.asarray(order[..., upper[0], upper[1]])
