import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.interfaces import REGIONS
from aiida_dismai.engine.interfaces.packing import Packer, check_room
from aiida_dismai.engine.interfaces.protocol import lsc_lco
from aiida_dismai.engine.structures import to_ase

NONE = (np.zeros((0, 2)), np.zeros(0), np.zeros(0, dtype=int))


@pytest.fixture(scope="module")
def packed(paper):
    return paper.collect([paper.build(11, i) for i in range(40)])


def test_every_pair_of_the_region_keeps_its_distance(packed):
    table = {frozenset(pair.split("-")): d for pair, d in lsc_lco()["region"]["distances"].items()}
    closest = dict.fromkeys(table, 99.0)
    for atoms in to_ase(packed):  # ASE's neighbour list knows the periodic images
        first, second, distances = neighbor_list("ijd", atoms, 3.5)
        own = atoms.arrays["region"][first] == REGIONS["interface"]
        symbols = np.array(atoms.get_chemical_symbols())
        for i, j, d in zip(first[own], second[own], distances[own], strict=True):
            pair = frozenset((symbols[i], symbols[j]))
            closest[pair] = min(closest[pair], d)
    assert set(closest) == set(table)
    for pair, limit in table.items():
        assert limit - 1e-9 <= closest[pair] < limit + 0.4, sorted(pair)


def test_the_region_lies_between_the_slabs(packed, paper):
    for atoms in to_ase(packed):
        region, z = atoms.arrays["region"], atoms.positions[:, 2]
        lower = np.isin(region, [REGIONS["slab_a"], REGIONS["slab_a_top"]])
        assert z[lower].min() == pytest.approx(7.0)
        assert z[lower].max() == pytest.approx(7.0 + 4.2445, abs=1e-3)
        gap = z[region == REGIONS["slab_b"]].min() - z[lower].max()
        assert gap == pytest.approx(atoms.info["interface_thickness"])
        inside = z[region == REGIONS["interface"]]
        assert z[lower].max() <= inside.min()
        assert inside.max() <= z[lower].max() + gap
        assert atoms.cell[2, 2] - z.max() >= 7.0 - 1e-3


def test_thickness_and_shift_are_uniform(paper):
    from scipy.stats import kstest

    made = [paper.build(5, i) for i in range(250)]
    assert kstest([m.thickness for m in made], "uniform", args=(4.0, 2.0)).pvalue > 0.01
    for k in range(2):
        assert kstest([m.shift[k] for m in made], "uniform").pvalue > 0.01


def test_the_shift_moves_slab_b_as_a_whole(packed):
    fractional = [atoms.get_scaled_positions() for atoms in to_ase(packed)]
    for i in range(1, len(packed)):
        region = packed.values("region")[packed.atoms_of(i)]
        upper = region == REGIONS["slab_b"]
        moved = fractional[i][upper][:, :2] - fractional[0][upper][:, :2]
        expected = packed.values("shift")[i] - packed.values("shift")[0]
        difference = moved - expected
        np.testing.assert_allclose(difference, np.round(difference), atol=1e-9)
        lower = region >= REGIONS["slab_a_top"]
        np.testing.assert_allclose(fractional[i][lower & ~upper], fractional[0][lower & ~upper], atol=1e-12)


def test_points_are_uniform_where_nothing_is_in_the_way():
    from scipy.stats import kstest

    cell = np.array([[4.0, 0.0], [1.5, 3.0]])
    packer = Packer({3: 1}, lambda a, b: 1.0, np.array([], dtype=int), cell, 100)
    points = np.array([packer.pack(np.random.default_rng(i), 5.0, *NONE)[0] for i in range(400)])
    for k, high in enumerate((1.0, 1.0, 5.0)):
        assert kstest(points[:, k], "uniform", args=(0, high)).pvalue > 0.01


def test_a_second_atom_is_uniform_outside_of_the_first_ones_sphere():
    # one slab atom in the corner of a cube: the share of the points beyond r keeps the volumes' ratio
    cell, side = np.eye(2) * 6.0, 6.0
    packer = Packer({3: 1}, lambda a, b: 2.0, np.array([11]), cell, 10**4)
    slab = (np.zeros((1, 2)), np.zeros(1), np.array([11]))
    distances = []
    for i in range(1500):
        fractions = packer.pack(np.random.default_rng(i), side, *slab)[0]
        flat = (fractions[:2] - np.round(fractions[:2])) * side
        distances.append(np.hypot(np.linalg.norm(flat), fractions[2]))
    distances = np.array(distances)
    assert distances.min() >= 2.0
    half_spheres = [2 * np.pi / 3 * r**3 for r in (2.0, 3.0)]
    expected = (half_spheres[1] - half_spheres[0]) / (side**3 - half_spheres[0])
    error = 4 * np.sqrt(expected * (1 - expected) / 1500)
    assert np.mean(distances < 3.0) == pytest.approx(expected, abs=error)


@pytest.mark.parametrize("cell", [[[3.0, 0.0], [0.3, 3.2]], [[2.9, 0.0], [2.4, 4.0]], [[2.6, 0.0], [7.9, 9.0]]])
def test_images_count_in_cells_smaller_than_the_distances(cell):
    cell = np.array(cell)
    packer = Packer({3: 2, 17: 2}, lambda a, b: 2.5, np.array([11]), cell, 10**4)
    slab = (np.array([[0.2, 0.9]]), np.array([-0.5]), np.array([11]))
    for seed in range(5):
        placed = packer.pack(np.random.default_rng(seed), 12.0, *slab)
        assert placed is not None
        atoms = Atoms("Na" + "X" * 4, cell=[[*cell[0], 0], [*cell[1], 0], [0, 0, 60]], pbc=[True, True, False])
        atoms.positions[0] = [*(slab[0][0] @ cell), -0.5]
        atoms.positions[1:] = np.column_stack([placed[:, :2] @ cell, placed[:, 2]])
        assert neighbor_list("d", atoms, 2.5 - 1e-9).size == 0


def test_an_atom_too_close_to_its_own_image_is_refused():
    with pytest.raises(BadInput, match=r"2\.40 Å from its own image"):
        Packer({3: 1}, lambda a, b: 2.5, np.array([11]), np.array([[2.4, 0.0], [0.0, 9.0]]), 10)


def test_giving_up_after_the_tries():
    packer = Packer({3: 30}, lambda a, b: 2.5, np.array([11]), np.eye(2) * 6, 200)
    assert packer.pack(np.random.default_rng(0), 5.0, *NONE) is None


def test_impossible_density_is_refused_with_the_number_that_fits():
    with pytest.raises(BadInput, match=r"300 Cl atoms at least 2.6 Å apart cannot fit.*that is \d+ atoms"):
        check_room({"Li": 9, "Cl": 300}, {"Li": 2.0, "Cl": 2.6}, 207.8, 6.0)
    # close packing itself is possible: fcc (111) layers, spheres of diameter 1 in a layer of one sphere
    check_room({"Cl": 1}, {"Cl": 1.0}, 3**0.5 / 2, 0.0)
