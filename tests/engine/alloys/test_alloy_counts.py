"""Pair counts, cluster probabilities and short-range order against the authors' tables and pymatgen's neighbours."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pymatgen.core import Lattice as PmgLattice
from pymatgen.core import Structure
from support.alloy_reference import DATA, TABLES, read_inputs, read_table

from aiida_dismai.engine.alloys.cleanup import Alignment, Cleaned, clean
from aiida_dismai.engine.alloys.counts import Counts, cluster_probabilities, count_pairs, short_range_order
from aiida_dismai.engine.alloys.expansion import Expansion, read_expansion
from aiida_dismai.engine.alloys.lattice import LatticeError
from aiida_dismai.engine.alloys.supercell import Supercell

EXACT = ("train_300K", "train_1500K", "cryingan_i", "diffcsp_ii")


def counted(name: str, index: int, expansion: Expansion, compat: bool) -> Counts:
    inputs, align = TABLES[name]
    structure = read_inputs(inputs)[index]
    limit = 200  # structures that the authors' scripts keep are counted too
    cleaned = clean(
        structure.positions, structure.cells[0], structure.numbers, expansion.lattice, align, 0.8, limit, compat
    )
    return count_pairs(cleaned, expansion, compat=compat)


def order_of(counts: Counts, expansion: Expansion, columns: list[str]) -> list[float]:
    """Return the order parameters under the authors' names, ``1NN_Fe-Ni``."""
    order = short_range_order(counts)
    places = [(int(column[0]) - 1, expansion.pair_labels().index(column[4:])) for column in columns]
    return [order[place] for place in places]


@pytest.mark.parametrize("name", EXACT)
def test_compat_gives_the_authors_numbers(name, expansion):
    _, probabilities = read_table(name, "cluster_prob")
    columns, orders = read_table(name, "cluster_sro")
    _, energies = read_table(name, "formation_energy")
    for index in range(len(probabilities)):
        counts = counted(name, index, expansion, compat=True)
        np.testing.assert_array_equal(cluster_probabilities(counts, expansion), probabilities[index])
        energy = expansion.formation_energy(counts.fractions, counts.pairs)
        assert energy == pytest.approx(energies[index, 0], abs=1e-14)
        np.testing.assert_allclose(order_of(counts, expansion, columns), orders[index], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["train_300K", "cryingan_i"])
def test_compat_gives_the_authors_counts(name, expansion):
    table = json.loads((DATA / "clusters" / name / "cluster_count.json").read_text())
    for index, shells in enumerate(table):
        counts = counted(name, index, expansion, compat=True)
        assert dict(zip(expansion.species, counts.fractions, strict=True)) == pytest.approx(shells[0][-1])
        for shell, pairs in zip(shells[1:], counts.pairs, strict=True):
            found = dict(zip((f"{a}, {b}" for a, b in expansion.pairs), pairs, strict=True))
            assert {pair: number for pair, number in found.items() if number} == shell[-1]


@pytest.mark.parametrize("name", ["train_1500K", "cryingan_i"])
def test_default_is_not_rounded(name, expansion):
    _, probabilities = read_table(name, "cluster_prob")
    for index in range(len(probabilities)):
        found = cluster_probabilities(counted(name, index, expansion, compat=False), expansion)
        # 5e-6 in a count; the second shell has the fewest bonds, but fractions are not divided at all
        assert np.abs(found - probabilities[index]).max() <= 5.1e-6
        assert not np.array_equal(found, probabilities[index])


def test_where_the_authors_depend_on_the_order_of_atoms(expansion):
    """Their rotated counts lose long pairs, and drop the later of two atoms; ours differ by that much and no more."""
    _, probabilities = read_table("cdvae_iii", "cluster_prob")
    differences = [
        np.abs(cluster_probabilities(counted("cdvae_iii", k, expansion, True), expansion) - probabilities[k]).max()
        for k in range(5)
    ]
    assert max(differences[0], differences[2], differences[3]) < 0.001
    assert max(differences) < 0.01
    # every site of 0, 2, 3 is filled: our shells are complete, theirs of 5-7 are not
    ours = cluster_probabilities(counted("cdvae_iii", 2, expansion, False), expansion)[3:].reshape(7, 6).sum(axis=1)
    np.testing.assert_allclose(ours, 1, atol=1e-12)
    theirs = probabilities[2, 3:].reshape(7, 6).sum(axis=1)
    assert theirs.min() < 0.9995


@pytest.mark.parametrize("index", [0, 1, 2])
def test_tilted_lattices_agree(index, expansion):
    _, probabilities = read_table("cdvae_iv", "cluster_prob")
    counts = counted("cdvae_iv", index, expansion, compat=True)
    np.testing.assert_array_equal(cluster_probabilities(counts, expansion), probabilities[index])


@pytest.mark.parametrize("index", [3, 4])
def test_seams_count_nearly_as_the_authors(index, expansion):
    """With a seam both look for the atom nearest to where a vector ends, they from noisy positions."""
    _, probabilities = read_table("cdvae_iv", "cluster_prob")
    found = cluster_probabilities(counted("cdvae_iv", index, expansion, compat=True), expansion)
    assert np.abs(found - probabilities[index]).max() < 0.006


def occupied(lattice, multiples, numbers) -> Cleaned:
    """Return a supercell with these atomic numbers (0 for a vacancy) on its sites."""
    supercell = Supercell.of(np.array(multiples), len(lattice.basis))
    positions = lattice.site_positions(supercell.points, supercell.basis)
    cell = np.array(multiples) @ lattice.cell
    kept = np.flatnonzero(numbers)
    alignment = Alignment("none", np.eye(3), np.zeros(3), 0.0)
    return Cleaned(
        np.ones(len(kept), bool), kept, numbers, positions, supercell.basis, cell, supercell, 0, 0, alignment
    )


HCP = {
    "lattice": {"type": "hcp", "a": 3.2},
    "species": ["Ti", "Al"],
    "constant": 0.0,
    "sites": {"Ti": 0.1, "Al": -0.2},
    "shells": [
        {"radius": 3.2, "bonds": 6, "pairs": {"Ti-Ti": 1.0, "Ti-Al": -1.0, "Al-Al": 0.5}},
        {"radius": 4.5255, "bonds": 3, "pairs": {"Ti-Ti": 0.1, "Ti-Al": -0.1, "Al-Al": 0.2}},
        {"radius": 5.2256, "bonds": 1, "pairs": {"Ti-Ti": 0.1, "Ti-Al": -0.1, "Al-Al": 0.2}},
    ],
}


@pytest.mark.parametrize(
    ("kind", "multiples"),
    [
        ("fcc", [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ("fcc", [[-2, 2, 2], [2, -2, 2], [2, 2, -2]]),
        ("fcc", [[3, 1, 0], [-1, 4, 1], [0, 2, 3]]),
        ("hcp", [[2, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ("hcp", [[3, 1, 0], [0, 3, 0], [1, 0, 2]]),
    ],
)
def test_counts_are_pymatgens_neighbours(kind, multiples, expansion):
    """Any supercell, down to one site whose neighbours are its own images, with vacancies."""
    chosen = expansion if kind == "fcc" else read_expansion(HCP)
    rng = np.random.default_rng(11)
    sites = Supercell.of(np.array(multiples), len(chosen.lattice.basis)).n_sites
    numbers = rng.choice([*chosen.numbers, 0], sites, p=[*[0.9 / len(chosen.numbers)] * len(chosen.numbers), 0.1])
    numbers[0] = chosen.numbers[0]
    cleaned = occupied(chosen.lattice, multiples, numbers)
    counts = count_pairs(cleaned, chosen)

    there = numbers > 0
    crystal = Structure(
        PmgLattice(cleaned.cell), numbers[there].tolist(), cleaned.positions[there], coords_are_cartesian=True
    )
    centres, others, _, distances = crystal.get_neighbor_list(chosen.vectors[-1].lengths()[0] + 0.1)
    symbols = [site.specie.symbol for site in crystal]
    for shell, vectors in enumerate(chosen.vectors):
        near = np.abs(distances - vectors.lengths()[0]) < 0.02
        found = [tuple(sorted((symbols[i], symbols[j]))) for i, j in zip(centres[near], others[near], strict=True)]
        for pair, number in zip(chosen.pairs, counts.pairs[shell], strict=True):
            assert number == pytest.approx(found.count(tuple(sorted(pair))) / (2 * len(crystal)), abs=1e-12)
    assert counts.fractions == pytest.approx([symbols.count(s) / len(symbols) for s in chosen.species])


@pytest.mark.parametrize("multiples", [[[-2, 2, 2], [2, -2, 2], [2, 2, -2]], [[5, 0, 0], [1, 4, 0], [0, -1, 4]]])
def test_both_ways_of_counting_agree(multiples, expansion):
    rng = np.random.default_rng(5)
    sites = Supercell.of(np.array(multiples), 1).n_sites
    cleaned = occupied(expansion.lattice, multiples, rng.choice([24, 26, 28, 0], sites))
    exact = count_pairs(cleaned, expansion)
    without = Cleaned(**{**vars(cleaned), "supercell": None})
    np.testing.assert_array_equal(count_pairs(without, expansion).pairs, exact.pairs)


def test_order_by_hand():
    """Rock-salt order on sc: every neighbour of A is B in the first shell, A in the second."""
    content = {
        "lattice": {"type": "sc", "a": 3.0},
        "species": ["Cu", "Au"],
        "constant": -0.5,
        "sites": {"Cu": 0.2, "Au": -0.1},
        "shells": [
            {"radius": 3.0, "pairs": {"Cu-Cu": 1.0, "Cu-Au": -0.25, "Au-Au": 1.0}},
            {"radius": 4.2426, "pairs": {"Cu-Cu": 0.01, "Cu-Au": 7.0, "Au-Au": 0.02}},
        ],
    }
    order = read_expansion(content)
    points = Supercell.of(4 * np.eye(3, dtype=int), 1).points
    numbers = np.where(points.sum(axis=1) % 2 == 0, 29, 79)
    counts = count_pairs(occupied(order.lattice, 4 * np.eye(3, dtype=int), numbers), order)
    np.testing.assert_allclose(counts.pairs, [[0, 3, 0], [3, 0, 3]])
    np.testing.assert_allclose(short_range_order(counts), [[1, -1, 1], [-1, 1, -1]], atol=1e-15)
    assert order.formation_energy(counts.fractions, counts.pairs) == pytest.approx(-0.5 + 0.05 - 0.75 + 0.03 + 0.06)


def test_missing_species_has_no_order(expansion):
    numbers = np.full(64, 26)
    numbers[:20] = 28
    counts = count_pairs(occupied(expansion.lattice, 4 * np.eye(3, dtype=int), numbers), expansion)
    order = short_range_order(counts)
    assert np.isfinite(order).all()
    with_chromium = [i for i, pair in enumerate(expansion.pairs) if "Cr" in pair]
    np.testing.assert_array_equal(order[:, with_chromium], 0)
    assert np.abs(order[:, expansion.pairs.index(("Fe", "Ni"))]).min() > 0


def test_strangers_and_nothing(expansion):
    numbers = np.zeros(8, dtype=int)
    numbers[3] = 29
    with pytest.raises(LatticeError, match=r"Cu \(atom 3\) is not in the cluster expansion of Cr, Fe, Ni"):
        count_pairs(occupied(expansion.lattice, 2 * np.eye(3, dtype=int), numbers), expansion)
    with pytest.raises(LatticeError, match="no atom"):
        count_pairs(occupied(expansion.lattice, 2 * np.eye(3, dtype=int), np.zeros(8, dtype=int)), expansion)
