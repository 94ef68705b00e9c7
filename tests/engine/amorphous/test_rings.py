"""Rings beside an enumeration of all cycles with networkx, and known crystals."""

import itertools

import networkx
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aiida_dismai.engine.amorphous.bonds import bonds_within
from aiida_dismai.engine.amorphous.rings import ring_counts
from aiida_dismai.engine.structures import from_ase


def rings_of(atoms, cutoff, largest=8):
    bonds = bonds_within(from_ase([atoms]), cutoff)
    return ring_counts(bonds.start, bonds.neighbour, bonds.image, largest)


def enumerated(atoms, cutoff, largest, repeat=3):
    """Shortest-path rings by the definition: all cycles of a supercell, all pairs of atoms of each."""
    big = atoms.repeat(repeat)
    bonds = bonds_within(from_ase([big]), cutoff)
    graph = networkx.Graph()
    graph.add_edges_from(zip(np.repeat(np.arange(len(big)), bonds.coordination), bonds.neighbour, strict=True))
    apart = dict(networkx.all_pairs_shortest_path_length(graph, cutoff=largest))
    counts = np.zeros(largest + 1, dtype=np.int64)
    for cycle in networkx.simple_cycles(graph, length_bound=largest):
        size = len(cycle)
        pairs = itertools.combinations(range(size), 2)
        counts[size] += all(apart[cycle[a]][cycle[b]] == min(b - a, size - b + a) for a, b in pairs)
    assert (counts % repeat**3 == 0).all()
    return counts // repeat**3


def lonsdaleite():
    a, c = 3.84, 6.27
    places = [(1 / 3, 2 / 3, 1 / 16), (2 / 3, 1 / 3, 9 / 16), (2 / 3, 1 / 3, 15 / 16), (1 / 3, 2 / 3, 7 / 16)]
    return Atoms("Si4", scaled_positions=places, cell=[[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]], pbc=True)


@pytest.mark.parametrize(
    ("atoms", "cutoff", "per_atom"),
    [
        # the six-membered rings of diamond, twelve through each atom
        (bulk("Si", "diamond", a=5.43), 2.85, {6: 2}),
        (lonsdaleite(), 2.85, {6: 2}),
        # faces of the cubes, and the hexagons across each of the four diagonals of a cube
        (bulk("Po", "sc", a=3.3), 3.4, {4: 3, 6: 4}),
        # eight triangular faces of tetrahedra per atom, three squares in each octahedron
        (bulk("Cu", "fcc", a=3.6), 2.8, {3: 8, 4: 3}),
        # each hexagon of graphene belongs to two atoms
        (
            Atoms("C2", [(0, 0, 0), (0, 1.42, 0)], cell=[[2.4595, 0, 0], [1.2298, 2.13, 0], [0, 0, 9]], pbc=True),
            1.6,
            {6: 0.5},
        ),
    ],
    ids=["diamond", "lonsdaleite", "simple cubic", "fcc", "graphene"],
)  # fmt: skip
def test_rings_of_crystals_in_cells_of_any_size(atoms, cutoff, per_atom):
    for cell in ((1, 1, 1), (2, 1, 1), (2, 3, 1)):
        repeated = atoms.repeat(cell)
        expected = np.zeros(9)
        for size, number in per_atom.items():
            expected[size] = number * len(repeated)
        assert np.array_equal(rings_of(repeated, cutoff), expected)


@pytest.mark.parametrize(("seed", "cutoff"), [(0, 3.0), (1, 3.1), (5, 3.2)])
def test_rings_of_random_networks_are_those_of_the_definition(seed, cutoff):
    rng = np.random.default_rng(seed)
    cell = np.array([[7.0, 0, 0], [1.5, 6.5, 0], [-1, 2, 7.5]])
    atoms = Atoms("Si14", scaled_positions=rng.uniform(-1, 2, (14, 3)), cell=cell, pbc=True)
    found = rings_of(atoms, cutoff, 7)
    assert np.count_nonzero(found) >= 3
    assert np.array_equal(found, enumerated(atoms, cutoff, 7))


def test_bonds_of_a_chain_through_the_cell_are_no_ring():
    chain = Atoms("Si3", [(0, 0, 0), (2.3, 0, 0), (4.6, 0, 0)], cell=[6.9, 20, 20], pbc=True)
    assert rings_of(chain, 2.5).sum() == 0
    alone = Atoms("Si", cell=[2.3, 20, 20], pbc=True)
    assert rings_of(alone, 2.5).sum() == 0


def test_a_shortcut_takes_the_large_ring_away():
    """Two squares that share a bond are no ring of six, but two that share an atom are not one of eight either."""
    start = np.array([0, 2, 5, 7, 9, 12, 14])
    neighbour = np.array([1, 3, 0, 2, 4, 1, 5, 0, 4, 1, 3, 5, 2, 4])
    counts = ring_counts(start, neighbour, np.zeros((14, 3), dtype=np.int64), 8)
    assert counts.tolist() == [0, 0, 0, 0, 2, 0, 0, 0, 0]


@pytest.mark.parametrize("size", range(3, 12))
def test_a_single_ring(size):
    start = 2 * np.arange(size + 1)
    neighbour = np.column_stack([(np.arange(size) - 1) % size, (np.arange(size) + 1) % size]).ravel()
    image = np.zeros((2 * size, 3), dtype=np.int64)
    counts = ring_counts(start, neighbour, image, 11)
    assert counts[size] == 1
    assert counts.sum() == 1
    assert ring_counts(start, neighbour, image, max(size - 1, 3)).sum() == (size == 3)


def test_no_bonds_no_rings():
    empty = ring_counts(np.zeros(4, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros((0, 3), dtype=np.int64), 5)
    assert empty.tolist() == [0] * 6


def test_bad_input_is_refused():
    start, neighbour, image = np.array([0, 1, 2]), np.array([1, 0]), np.zeros((2, 3), dtype=np.int64)
    with pytest.raises(ValueError, match="3 to 20"):
        ring_counts(start, neighbour, image, 2)
    with pytest.raises(ValueError, match="both directions"):
        ring_counts(start, neighbour, np.array([[0, 0, 1], [0, 0, 1]]), 6)
    with pytest.raises(ValueError, match="wrap the atoms"):
        ring_counts(start, neighbour, np.array([[0, 0, 10**6], [0, 0, -(10**6)]]), 8)
