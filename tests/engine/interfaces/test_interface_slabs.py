from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols
from ase.neighborlist import neighbor_list

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.interfaces.lattice import planes_of
from aiida_dismai.engine.interfaces.slabs import cut
from aiida_dismai.engine.structures import from_ase


def surroundings(atoms, i, radius=5.0):
    """Distances to the neighbours of atom i, with their elements, and the handedness of the arrangement."""
    first, second, distance, vector = neighbor_list("ijdD", atoms, radius)
    own = first == i
    order = np.lexsort((atoms.numbers[second[own]], np.round(distance[own], 6)))
    vectors = vector[own][order]
    triple = np.linalg.det(vectors[:3]) if len(vectors) >= 3 else 0.0
    return distance[own][order], atoms.numbers[second[own]][order], triple


@pytest.mark.parametrize(("seed", "miller"), [(0, (1, 0, 0)), (1, (1, -1, 2)), (2, (0, 2, 1)), (3, (-1, 3, 1))])
@pytest.mark.parametrize("over", [False, True])
def test_inside_a_slab_every_atom_sees_the_bulk(triclinic, seed, miller, over):
    crystal = triclinic(seed)
    planes = planes_of(crystal, miller, "slab_a")
    layers = int(np.ceil(16 / planes.spacing))
    supercell = np.array([[1, 2], [1, 0]] if over else [[2, 0], [1, 1]])
    assert (np.linalg.det(supercell) < 0) is np.bool_(over)
    slab = cut(planes, supercell, layers, 0.3, "slab_a")
    cell = np.zeros((3, 3))
    cell[:2, :2], cell[2, 2] = slab.cell, 60.0
    positions = np.column_stack([slab.lateral @ slab.cell, slab.heights])
    atoms = Atoms(slab.numbers, positions=positions, cell=cell, pbc=[True, True, False])
    reference = Atoms(crystal.numbers, positions=crystal.positions, cell=crystal.cells[0], pbc=True)
    assert len(atoms) == 3 * 2 * layers
    middle = np.flatnonzero((slab.heights > 5) & (slab.heights < slab.thickness - 5))
    assert set(slab.numbers[middle]) == set(crystal.numbers)
    for i in middle[:: max(1, len(middle) // 8)]:
        home = int(np.flatnonzero(crystal.numbers == slab.numbers[i])[0])
        distances, kinds, triple = surroundings(atoms, i)
        expected_distances, expected_kinds, expected_triple = surroundings(reference, home)
        np.testing.assert_allclose(distances, expected_distances, atol=1e-7)
        np.testing.assert_array_equal(kinds, expected_kinds)
        assert triple == pytest.approx(expected_triple, abs=1e-6)  # not its mirror image


@pytest.mark.parametrize(
    ("atoms", "miller", "spacing", "area"),
    [
        # textbook: fcc d(111) = a/√3 with one atom per √3/4·a², d(100) = a/2 (centring), d(110) = a/(2√2)
        (bulk("Al", "fcc", a=4.05, cubic=True), (1, 1, 1), 4.05 / 3**0.5, 3**0.5 / 4 * 4.05**2),
        (bulk("Al", "fcc", a=4.05, cubic=True), (1, 0, 0), 4.05 / 2, 4.05**2 / 2),
        (bulk("Al", "fcc", a=4.05, cubic=True), (2, 2, 0), 4.05 / 8**0.5, 4.05**2 / 2**0.5),
        (bulk("Al", "fcc", a=4.05), (1, 1, 1), 4.05 / 3**0.5, 3**0.5 / 4 * 4.05**2),
        (bulk("Fe", "bcc", a=2.87, cubic=True), (1, 1, 0), 2.87 / 2**0.5, 2.87**2 / 2**0.5),
        (bulk("Ti", "hcp", a=2.95, c=4.68), (0, 0, 1), 4.68, 3**0.5 / 2 * 2.95**2),
        (bulk("Si", "diamond", a=5.43, cubic=True), (1, 1, 1), 5.43 / 3**0.5, 3**0.5 / 4 * 5.43**2),
    ],
)
def test_planes_of_simple_crystals(atoms, miller, spacing, area):
    planes = planes_of(from_ase([atoms]), miller, "slab_a")
    assert planes.spacing == pytest.approx(spacing, rel=1e-9)
    assert np.linalg.norm(np.cross(*planes.vectors)) == pytest.approx(area, rel=1e-9)


def test_licoo2_110_as_in_the_paper(paper):
    slab = paper.slab_a
    assert slab.spacing == pytest.approx(2.829651 / 2)
    assert slab.thickness == pytest.approx(4.245, abs=1e-3)
    heights = sorted(set(np.round(slab.heights, 3)))
    assert len(heights) == 4
    for height in heights:  # every plane holds 9 formula units
        plane = slab.numbers[np.abs(slab.heights - height) < 0.01]
        assert Counter(chemical_symbols[z] for z in plane) == {"Li": 9, "Co": 9, "O": 18}
    assert slab.heights[0] == slab.thickness  # from the top down
    assert np.all(np.diff(slab.heights) < 0.01)


def test_li3sccl6_100_as_in_the_paper(paper):
    slab = paper.slab_b
    assert slab.spacing == pytest.approx(6.398 * np.sin(np.radians(109.89)) / 2)
    assert slab.thickness == pytest.approx(8.952, abs=1e-3)
    order = np.argsort(slab.heights)
    cuts = np.flatnonzero(np.diff(slab.heights[order]) > 0.5) + 1
    planes = [Counter(chemical_symbols[z] for z in part) for part in np.split(slab.numbers[order], cuts)]
    sandwich = {"Li": 9, "Sc": 3}
    assert planes == [{"Cl": 9}, sandwich, {"Cl": 18}, sandwich, {"Cl": 18}, sandwich, {"Cl": 9}]


def test_layers_and_terminations_of_rocksalt(rocksalt):
    planes = planes_of(rocksalt("MgO", 4.2), (1, 1, 1), "slab_a")
    one = np.eye(2, dtype=int)
    down = cut(planes, one, 2, -0.25, "slab_a")
    assert [chemical_symbols[z] for z in down.numbers] == ["Mg", "O", "Mg", "O"]
    up = cut(planes, one, 2, 0.25, "slab_a")
    assert [chemical_symbols[z] for z in up.numbers] == ["O", "Mg", "O", "Mg"]
    odd = cut(planes, one, 1.5, -0.25, "slab_a")
    assert [chemical_symbols[z] for z in odd.numbers] == ["Mg", "O", "Mg"]
    assert odd.thickness == pytest.approx(4.2 / 3**0.5)
    assert down.layers.tolist() == [1, 1, 0, 0]


def test_without_an_offset_the_widest_gap_is_cut():
    # diamond (111): bilayers, the wide gap is between them
    planes = planes_of(from_ase([bulk("Si", "diamond", a=5.43, cubic=True)]), (1, 1, 1), "slab_a")
    slab = cut(planes, np.eye(2, dtype=int), 2, None, "slab_a")
    steps = np.diff(np.sort(slab.heights)) / planes.spacing
    np.testing.assert_allclose(steps, [0.25, 0.75, 0.25], atol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1, 0, 0], [0, 0, 1]], "does not lie in the plane"),
        ([[-0.5, 0.5, 0], [0, 0, 1]], "not a translation"),
        ([[1, -1, 0], [2, -2, 0]], "parallel"),
    ],
)
def test_lateral_vectors_that_are_none(vectors, message):
    with pytest.raises(BadInput, match=message):
        planes_of(licoo2(), (1, 1, 0), "slab_a").supercell(vectors, "slab_a")


def test_centring_translations_are_lateral_vectors():
    planes = planes_of(licoo2(), (1, 1, 0), "slab_a")
    assert round(np.linalg.det(planes.supercell([[-5 / 3, 5 / 3, 2 / 3], [2, -2, 1]], "slab_a"))) == 9
    planes = planes_of(li3sccl6(), (1, 0, 0), "slab_b")
    assert abs(round(np.linalg.det(planes.supercell([[0, 1, 1], [0, 1, -2]], "slab_b")))) == 3


def test_an_empty_window_is_refused(rocksalt):
    with pytest.raises(BadInput, match="no atom lies"):
        cut(planes_of(rocksalt("MgO", 4.2), (1, 0, 0), "slab_b"), np.eye(2, dtype=int), 0.3, 0.3, "slab_b")
