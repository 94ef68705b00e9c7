"""Metropolis swaps, compiled; tables are those of :mod:`.interactions`."""

from __future__ import annotations

import math

import numpy as np

from ...compiled import inlined, kernel
from .streams import ARRANGEMENT, ATTEMPTS, below, draw, unit

ONE = np.uint64(1)
TWO = np.uint64(2)


@kernel
def arrange(amounts, stream):  # type: ignore[no-untyped-def]
    """Return a random arrangement ``(sites,)`` uint8 of ``amounts`` atoms of each species (Fisher–Yates)."""
    sites = 0
    for kind in range(amounts.shape[0]):
        sites += amounts[kind]
    species = np.empty(sites, np.uint8)
    site = 0
    for kind in range(amounts.shape[0]):
        for _ in range(amounts[kind]):
            species[site] = kind
            site += 1
    for last in range(species.shape[0] - 1, 0, -1):
        word, _, _, _ = draw(stream, ARRANGEMENT, np.uint64(last))
        other = below(word, np.uint64(last + 1))
        species[last], species[other] = species[other], species[last]
    return species


@kernel
def build_fields(species, tables):  # type: ignore[no-untyped-def]
    """Return the fields ``(blocks, 2 × sites)``, eV: species ``1 + 2 b`` and ``2 + 2 b`` of a site side by side."""
    blocks = tables.change.shape[3]
    sites, shells = species.shape[0], tables.couplings.shape[0]
    fields = np.empty((blocks, 2 * sites))
    for block in range(blocks):
        for place in range(2 * sites):
            fields[block, place] = 0.0
    for site in range(sites):
        b = tables.basis[site]
        for kind in range(1, tables.couplings.shape[1]):
            energy = tables.start[b, kind]
            for shell in range(shells):
                for q in range(tables.first[b, shell], tables.first[b, shell + 1]):
                    partner = species[tables.neighbours[site, q]]
                    energy += tables.couplings[shell, partner, kind] - tables.couplings[shell, partner, 0]
            fields[(kind - 1) // 2, 2 * site + (kind - 1) % 2] = energy
    return fields


@kernel
def count_bonds(species, tables, counts):  # type: ignore[no-untyped-def]
    """Fill ``counts`` ``(shells, species, species)`` with the directed bonds from each species to each."""
    for shell in range(counts.shape[0]):
        for one in range(counts.shape[1]):
            for two in range(counts.shape[2]):
                counts[shell, one, two] = 0
    for site in range(species.shape[0]):
        b = tables.basis[site]
        kind = species[site]
        for shell in range(counts.shape[0]):
            counts[shell, kind, kind] += tables.own[b, shell]
            for q in range(tables.first[b, shell], tables.first[b, shell + 1]):
                counts[shell, kind, species[tables.neighbours[site, q]]] += 1


@inlined
def _in_between(points, hermite, i, j):  # type: ignore[no-untyped-def]
    """Return the number of the lattice point that leads from site i to site j, through the periodic boundary."""
    x = points[j, 0] - points[i, 0]
    y = points[j, 1] - points[i, 1]
    z = points[j, 2] - points[i, 2]
    # the supercell's vectors are an upper triangle whose entries lie below the diagonal's of their column
    if x < 0:
        x += hermite[0, 0]
        y += hermite[0, 1]
        z += hermite[0, 2]
    if y < 0:
        y += hermite[1, 1]
        z += hermite[1, 2]
    elif y >= hermite[1, 1]:
        y -= hermite[1, 1]
        z -= hermite[1, 2]
    while z < 0:
        z += hermite[2, 2]
    while z >= hermite[2, 2]:
        z -= hermite[2, 2]
    return (x * hermite[1, 1] + y) * hermite[2, 2] + z


@inlined
def swap_energy(i, j, a, b, fields, tables):  # type: ignore[no-untyped-def]
    """Return what swapping species a on site i with species b on site j costs, eV."""
    n_basis = tables.first.shape[0]
    between = _in_between(tables.points, tables.hermite, i, j)
    if n_basis > 1:
        between = (between * n_basis + tables.basis[i]) * n_basis + tables.basis[j]
    energy = -tables.bonds[np.uint64(tables.classes[np.uint64(between)]), a, b]
    if b:
        block, side = (b - ONE) // TWO, (b - ONE) % TWO
        energy += fields[block, TWO * i + side] - fields[block, TWO * j + side]
    if a:
        block, side = (a - ONE) // TWO, (a - ONE) % TWO
        energy += fields[block, TWO * j + side] - fields[block, TWO * i + side]
    return energy


@inlined
def _spread(site, a, b, sign, fields, tables):  # type: ignore[no-untyped-def]
    """Tell the neighbours of a site that its species a has become b (sign 1), or b has become a (-1)."""
    basis = tables.basis[site]
    for block in range(fields.shape[0]):
        for shell in range(tables.couplings.shape[0]):
            first = sign * tables.change[a, b, shell, block, 0]
            second = sign * tables.change[a, b, shell, block, 1]
            for q in range(tables.first[basis, shell], tables.first[basis, shell + 1]):
                place = TWO * np.uint64(tables.neighbours[site, q])
                fields[block, place] += first
                fields[block, place + ONE] += second


@kernel
def advance(species, done, change, accepted, lengths, betas, stream, tables, states, counts, accepts, energies):  # type: ignore[no-untyped-def]
    """Go on with a run for some records of passes.

    Args:
        species: ``(sites,)`` uint8, changed in place.
        done: passes done before.
        change: energy relative to the start of the run, eV.
        accepted: swaps accepted before.
        lengths: ``(records,)`` passes of each record.
        betas: 1/kT of each pass of all records, 1/eV.
        stream: of :func:`~.streams.make_stream`.
        tables: of the system.
        states: filled with the arrangement at the end of each record, ``(records, sites)`` uint8.
        counts: filled with its directed bonds, ``(records, shells, species, species)`` int64.
        accepts: filled with the swaps accepted up to there, ``(records,)`` int64.
        energies: filled with ``change`` after each pass, ``(records, most passes)``, aligned to the right.
    """
    sites = species.shape[0]
    n = np.uint64(sites)
    fields = build_fields(species, tables)
    attempt = np.uint64(done) * n
    number = 0
    for record in range(lengths.shape[0]):
        for column in range(energies.shape[1] - lengths[record], energies.shape[1]):
            beta = betas[number]
            number += 1
            for _ in range(sites):
                w0, w1, w2, w3 = draw(stream, ATTEMPTS, attempt)
                attempt += ONE
                i = below(w0, n)
                j = below(w1, n)
                a = np.uint64(species[i])
                b = np.uint64(species[j])
                if a == b:
                    continue
                cost = swap_energy(i, j, a, b, fields, tables)
                if cost > 0.0 and unit(w2, w3) >= math.exp(-beta * cost):
                    continue
                species[i] = b
                species[j] = a
                change += cost
                accepted += 1
                _spread(i, a, b, 1.0, fields, tables)
                _spread(j, a, b, -1.0, fields, tables)
            energies[record, column] = change
        for site in range(sites):
            states[record, site] = species[site]
        count_bonds(species, tables, counts[record])
        accepts[record] = accepted
