"""Radial distribution function: the authors' numbers, vasppy beside it, and every pair by brute force."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import make_supercell
from ase.neighborlist import neighbor_list
from pymatgen.core import Lattice, Structure
from vasppy.rdf import RadialDistributionFunction

from aiida_dismai.engine.descriptors.rdf import bin_centres, radial_distribution
from aiida_dismai.engine.errors import NotAnalysed
from aiida_dismai.engine.structures import load_structures

DATA = Path(__file__).parents[2] / "data" / "reference" / "a_Si"
PERIODIC = np.ones(3, dtype=bool)


def published(kind: str) -> np.ndarray:
    with (DATA / "rdf" / kind / "rdf_Si-Si.csv").open() as handle:
        rows = list(csv.reader(handle))
    np.testing.assert_allclose(np.array(rows[0][1:], dtype=float), bin_centres(), rtol=0, atol=1e-12)
    return np.array(rows[1:], dtype=float)[:, 1:]


def vasppy_of_supercell(structure: Structure, a: str, b: str) -> np.ndarray:
    supercell = structure.copy()
    supercell.make_supercell(2)
    of_a, of_b = ([i for i, site in enumerate(supercell) if site.species_string == name] for name in (a, b))
    return RadialDistributionFunction([supercell], of_a, of_b).rdf


def by_ase(atoms: Atoms, cutoff: float, bins: int, a: int | None = None, b: int | None = None) -> np.ndarray:
    first, second, distances = neighbor_list("ijd", atoms, cutoff)
    numbers = atoms.numbers
    of_a, of_b = (numbers == a) | (a is None), (numbers == b) | (b is None)
    counts, edges = np.histogram(distances[of_a[first] & of_b[second]], bins, (0, cutoff))
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    return counts * abs(np.linalg.det(atoms.cell)) / shells / of_a.sum() / of_b.sum()


def random_crystal(seed: int, shape: str, n: int = 6) -> Structure:
    random = np.random.default_rng(seed)
    # Lengths with many digits: vasppy puts a distance on the edge of a bin left or right by its last digit.
    cell = {
        "2 Å": np.diag([2.0137, 2.3071, 2.6193]),
        "oblique": np.array([[5.1171, 0, 0], [2.2113, 4.7159, 0], [-1.9247, 1.7133, 6.2311]]),
        "left-handed": np.array([[0, 5.1171, 0.3139], [4.7133, 0, 0.2117], [0.1153, 0, 6.2179]]),
        "long": np.array([[3.9171, 0, 0], [0.5113, 4.2157, 0], [0, 0, 31.0139]]),
        "sheared": np.array([[5.0137, 0, 0], [21.0173, 5.5117, 0], [-17.0331, 31.0133, 6.0151]]),
    }[shape]
    names = ["Li", "O", "O", "Li", "Cl", "O"][:n]
    return Structure(Lattice(cell), names, random.uniform(-2, 3, (n, 3)))


SHAPES = ("2 Å", "oblique", "left-handed", "long", "sheared")


@pytest.mark.parametrize(("kind", "name"), [("train", "train"), ("gen", "gen_relaxed")])
def test_all_structures_as_the_authors(kind, name):
    structures, expected = load_structures(DATA / "inputs" / f"{name}.extxyz.gz"), published(kind)
    assert len(expected) == len(structures) == 6
    for i in range(6):
        own = structures[i]
        for supercell in (False, True):  # nothing is missing in these cells
            found = radial_distribution(own.positions, own.cells[0], own.pbc[0], supercell=supercell)
            np.testing.assert_allclose(found, expected[i], rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_supercell_is_vasppy_where_it_misses_pairs(shape):
    crystal = random_crystal(5, shape)
    arguments = crystal.cart_coords, crystal.lattice.matrix, PERIODIC
    numbers = np.array(crystal.atomic_numbers)
    for a, b in ((3, 3), (3, 8), (17, 8)):
        expected = vasppy_of_supercell(crystal, *({3: "Li", 8: "O", 17: "Cl"}[number] for number in (a, b)))
        found = radial_distribution(*arguments, numbers=numbers, pair=(a, b), supercell=True)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        complete = radial_distribution(*arguments, numbers=numbers, pair=(a, b))
        assert complete.sum() > expected.sum()
        assert (complete >= found - 1e-12).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", SHAPES)
def test_every_pair_through_every_image(shape, seed):
    crystal = random_crystal(seed, shape)
    random = np.random.default_rng(seed)
    cutoff, bins = random.uniform(4, 9), int(random.integers(20, 200))
    pbc = PERIODIC if seed == 0 else random.integers(0, 2, 3).astype(bool)
    atoms = Atoms(crystal.atomic_numbers, crystal.cart_coords, cell=crystal.lattice.matrix, pbc=pbc)
    for a, b in ((None, None), (8, 8), (3, 17)):
        found = radial_distribution(
            atoms.positions, atoms.cell[:], pbc, cutoff, bins, numbers=atoms.numbers, pair=None if a is None else (a, b)
        )
        np.testing.assert_allclose(found, by_ase(atoms, cutoff, bins, a, b), rtol=1e-12, atol=1e-12)
        if a is not None:
            swapped = radial_distribution(
                atoms.positions, atoms.cell[:], pbc, cutoff, bins, numbers=atoms.numbers, pair=(b, a)
            )
            np.testing.assert_allclose(found, swapped, rtol=1e-13)


def test_2000_atoms():
    random = np.random.default_rng(8)
    cell = np.array([[30.0, 0, 0], [9.0, 32.0, 0], [-4.0, 6.0, 42.0]])
    atoms = Atoms("Si2000", random.random((2000, 3)) @ cell, cell=cell, pbc=True)
    found = radial_distribution(atoms.positions, cell, PERIODIC)
    np.testing.assert_allclose(found, by_ase(atoms, 10.0, 500), rtol=1e-12)
    assert np.average(found, weights=bin_centres() ** 2) == pytest.approx(1, abs=1e-2)  # random atoms


def test_the_supercell_has_the_same_rdf():
    crystal = random_crystal(2, "oblique")
    atoms = Atoms(crystal.atomic_numbers, crystal.cart_coords, cell=crystal.lattice.matrix, pbc=True)
    large = make_supercell(atoms, [[2, 1, 0], [0, 3, 0], [0, -1, 1]])
    one = radial_distribution(atoms.positions, atoms.cell[:], PERIODIC)
    np.testing.assert_allclose(radial_distribution(large.positions, large.cell[:], PERIODIC), one, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("supercell", [False, True])
def test_shells_of_a_perfect_crystal_on_edges_are_not_split(supercell):
    """In a simple cubic crystal of 1.1 Å spacing and bins of 0.1 Å the shells 1, 4 and 9 lie on edges, up to rounding.

    (In the bin above, as an exact number would with numpy.histogram; the outermost edge belongs to the last bin.)
    """
    spacing, repeats = 1.1, 7
    places = np.stack(np.meshgrid(*3 * [np.arange(repeats)], indexing="ij"), axis=-1).reshape(-1, 3)
    positions = places * spacing + np.array([0.1, 0.2, 0.3])  # whose sums are no longer exact
    found = radial_distribution(positions, np.eye(3) * spacing * repeats, PERIODIC, 3.3, 33, supercell=supercell)
    edges = np.arange(34) * 0.1
    counts = found * 4 / 3 * np.pi * (edges[1:] ** 3 - edges[:-1] ** 3) / spacing**3
    # (squared distance, sites): 1 6, 2 12, 3 8, 4 6, 5 24, 6 24, 8 12, 9 30
    expected = np.zeros(33)
    for square, sites in ((1, 6), (2, 12), (3, 8), (4, 6), (5, 24), (6, 24), (8, 12)):
        expected[int(np.sqrt(square) * 11 + 1e-9)] += sites
    expected[32] += 30
    np.testing.assert_allclose(counts, expected, atol=1e-9)


def test_positions_far_outside_the_cell_and_other_dtypes():
    crystal = random_crystal(1, "oblique")
    cell = crystal.lattice.matrix
    moved = crystal.cart_coords + np.array([[3, -700, 12]] * 3 + [[0, 0, 0]] * 3) @ cell
    expected = radial_distribution(crystal.cart_coords, cell, PERIODIC)
    np.testing.assert_allclose(radial_distribution(moved, cell, PERIODIC), expected, atol=1e-9)
    fortran = np.asfortranarray(crystal.cart_coords)
    np.testing.assert_array_equal(radial_distribution(fortran, cell.tolist(), [True] * 3), expected)


def test_a_lonely_atom_has_zeros():
    found = radial_distribution(np.zeros((1, 3)), np.eye(3) * 30.0, PERIODIC)
    np.testing.assert_array_equal(found, np.zeros(500))


@pytest.mark.parametrize(
    ("positions", "cell", "message"),
    [
        (np.zeros((0, 3)), np.eye(3) * 5.0, "without atoms"),
        (np.array([[0, 0, np.nan]]), np.eye(3) * 5.0, "NaN"),
        (np.array([[0, 0, np.inf]]), np.eye(3) * 5.0, "NaN"),
        (np.zeros((1, 3)), np.diag([5.0, 5.0, 0.0]), "without volume"),
        (np.random.default_rng(0).random((200, 3)), np.eye(3), "200 atoms in a cell of 1 Å³"),
    ],
)
def test_what_has_no_rdf(positions, cell, message):
    with pytest.raises(NotAnalysed, match=message):
        radial_distribution(positions, cell, PERIODIC)


def test_an_element_that_is_not_there():
    with pytest.raises(NotAnalysed, match="atomic number 9"):
        radial_distribution(np.zeros((1, 3)), np.eye(3) * 4.0, PERIODIC, numbers=np.array([3]), pair=(3, 9))
    with pytest.raises(ValueError, match="numbers"):
        radial_distribution(np.zeros((1, 3)), np.eye(3) * 4.0, PERIODIC, pair=(3, 9))


def test_too_many_images_are_refused():
    with pytest.raises(NotAnalysed, match="too many periodic images within 300 Å"):
        radial_distribution(np.zeros((1, 3)), np.eye(3) * 2.0, PERIODIC, cutoff=300.0)
