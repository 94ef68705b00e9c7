"""Minimum distances and packing, against ASE's neighbour list and the known densities of random packings."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from scipy.stats import kstest

from aiida_dismai.engine.generators.baselines.random_packing.contacts import smallest_distances
from aiida_dismai.engine.generators.baselines.random_packing.packing import Box, distance_factor, pack
from aiida_dismai.engine.structures import StructureSet

SKEWED = np.array([[6.0, 0.0, 0.0], [4.5, 5.5, 0.0], [-2.0, 3.0, 6.5]])
#: Tries, sweeps and step as by default.
SETTINGS = (200, 500, 0.02)


def ase_smallest(numbers, positions, cell, pbc, cutoff) -> np.ndarray:
    """Return the smallest distance of every pair of elements, without an atom's own images."""
    elements = np.unique(numbers)
    found = np.full((len(elements), len(elements)), np.inf)
    i, j, d = neighbor_list("ijd", Atoms(numbers, positions=positions, cell=cell, pbc=pbc), cutoff)
    for a, b, length in zip(i, j, d, strict=True):
        if a != b:
            pair = np.searchsorted(elements, [numbers[a], numbers[b]])
            found[*pair] = min(found[*pair], length)
    return found


def box_of(cell, pbc=(True, True, True), low=(0.0, 0.0, 0.0), width=(np.inf, np.inf, np.inf)) -> Box:
    return Box(np.asarray(cell, dtype=float), np.array(pbc), np.array(low, dtype=float), np.array(width, dtype=float))


def table(*rows) -> np.ndarray:
    return np.array(rows, dtype=float)


# ---------------------------------------------------------------------- minimum distances
@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False), (False, True, False), (False, False, False)])
@pytest.mark.parametrize(
    "cell", [np.eye(3) * 9, SKEWED, np.diag([2.0, 2.5, 14.0])], ids=["cubic", "skewed", "narrower than a bond"]
)
def test_smallest_distances_are_those_of_ase(cell, pbc):
    rng = np.random.default_rng(3)
    for n in (2, 3, 5, 11):
        numbers = np.r_[3, rng.choice([3, 8, 17], n - 1)]
        positions = (3 * rng.random((n, 3)) - 1) @ cell  # some outside the cell
        structure = StructureSet.from_uniform(numbers, positions[None], cell, np.array(pbc))
        expected = ase_smallest(numbers, positions, cell, pbc, 60.0 if not any(pbc) else 25.0)
        np.testing.assert_allclose(smallest_distances(structure, np.unique(numbers)), expected, rtol=1e-12)


def test_an_atom_and_its_own_image_are_no_pair():
    alone = StructureSet.from_uniform([3, 8], [[[0, 0, 0], [1.5, 0, 0]]], np.diag([4.0, 1.0, 9.0]))
    np.testing.assert_allclose(smallest_distances(alone, np.array([3, 8])), [[np.inf, 1.5], [1.5, np.inf]])


def test_elements_that_a_structure_lacks_have_no_distance():
    pair = StructureSet.from_uniform([8, 8], [[[0, 0, 0], [1.2, 0, 0]]], np.eye(3) * 8)
    found = smallest_distances(pair, np.array([3, 8, 17]))
    assert found[1, 1] == pytest.approx(1.2)
    assert np.isinf(np.delete(found.ravel(), 4)).all()


# ---------------------------------------------------------------------- packing
@pytest.mark.parametrize(
    ("cell", "counts", "pbc"),
    [
        (np.eye(3) * 12, (40, 40), (True, True, True)),
        (SKEWED, (4, 4), (True, True, True)),
        (np.diag([4.4, 4.6, 20.0]), (5, 6), (True, True, True)),
        (np.diag([9.0, 9.0, 16.0]), (20, 20), (True, True, False)),
    ],
    ids=["cubic", "skewed", "narrow", "open along c"],
)
def test_packings_keep_the_minimum_distances_of_every_pair(cell, counts, pbc):
    kinds = np.repeat([1, 0], counts)
    minimum = table([2.4, 1.8], [1.8, 3.0])
    width = np.where(pbc, np.inf, 0.5)
    for seed in range(5):
        box = box_of(cell, pbc, (0, 0, 0.2), width)
        positions = pack(np.random.default_rng(seed), kinds, minimum, box, *SETTINGS)
        # kinds 0 and 1 as elements 1 and 2
        found = ase_smallest(kinds + 1, positions, cell, pbc, 6.0)
        assert (found >= minimum).all()
        assert distance_factor(positions, box.cell, box.pbc, kinds, minimum) == 1.0
        fractional = positions @ np.linalg.inv(cell)
        assert (fractional > -1e-9).all()
        assert (fractional < 1 + 1e-9).all()
        if not pbc[2]:
            assert fractional[:, 2].min() >= 0.2 - 1e-9
            assert fractional[:, 2].max() <= 0.7 + 1e-9


def spheres(density: float, n: int, length: float) -> np.ndarray:
    """Return the table with the diameter at which ``n`` spheres fill this share of a cube."""
    return table([length * (6 * density / np.pi / n) ** (1 / 3)])


@pytest.mark.parametrize("density", [0.30, 0.45, 0.58])
def test_spheres_are_packed_beyond_what_sequential_addition_reaches(density):
    minimum = spheres(density, 200, 15.0)
    box = box_of(np.eye(3) * 15)
    kinds = np.zeros(200, dtype=np.int64)
    positions = pack(np.random.default_rng(1), kinds, minimum, box, *SETTINGS)
    assert ase_smallest(kinds + 1, positions, box.cell, True, 6.0).min() >= minimum[0, 0]


def test_what_cannot_be_packed_jams_at_the_density_of_random_packings():
    """Random close packing is at 0.64 (Scott and Kilgour 1969), loose packing at 0.55; fcc, asked for here, at 0.74."""
    n, box = 256, box_of(np.eye(3) * 14.4)
    minimum = table([3.6 / np.sqrt(2)])
    kinds = np.zeros(n, dtype=np.int64)
    for seed in range(3):
        positions = pack(np.random.default_rng(seed), kinds, minimum, box, *SETTINGS)
        factor = distance_factor(positions, box.cell, box.pbc, kinds, minimum)
        smallest = ase_smallest(kinds + 1, positions, box.cell, True, 5.0).min()
        assert factor == pytest.approx(smallest / minimum[0, 0], abs=1e-12)
        assert 0.58 < n * np.pi / 6 * smallest**3 / 14.4**3 < 0.66


def test_a_finer_step_never_gives_less_than_the_step_before():
    box, kinds = box_of(np.eye(3) * 7.2), np.zeros(32, dtype=np.int64)
    minimum = table([3.6 / np.sqrt(2)])
    for shrink in (0.3, 0.1, 0.02):
        positions = pack(np.random.default_rng(2), kinds, minimum, box, 50, 300, shrink)
        factor = distance_factor(positions, box.cell, box.pbc, kinds, minimum)
        assert factor >= 1 - shrink * np.ceil((1 - 0.9) / shrink) - 1e-12


def test_impossible_distances_end_with_the_factor_that_fits():
    """Two atoms in a cube of 4 Å are at most √12 = 3.46 Å apart, half of the 7 Å asked for."""
    box, kinds, minimum = box_of(np.eye(3) * 4), np.zeros(2, dtype=np.int64), table([7.0])
    positions = pack(np.random.default_rng(0), kinds, minimum, box, *SETTINGS)
    factor = distance_factor(positions, box.cell, box.pbc, kinds, minimum)
    assert 0.45 < factor <= np.sqrt(12) / 7 + 1e-12


def test_own_images_closer_than_the_minimum_do_not_shrink_it():
    """In a cell of 1 Å along a, two atoms may still be 6 Å apart."""
    box, kinds, minimum = box_of(np.diag([1.0, 10.0, 10.0])), np.zeros(2, dtype=np.int64), table([6.0])
    positions = pack(np.random.default_rng(0), kinds, minimum, box, *SETTINGS)
    assert ase_smallest(np.ones(2, dtype=int), positions, box.cell, True, 12.0).min() >= 6.0


def test_no_distance_leaves_points_uniform():
    box, kinds = box_of(SKEWED), np.zeros(2000, dtype=np.int64)
    positions = pack(np.random.default_rng(5), kinds, table([0.0]), box, 1, 10, 0.1)
    for along in (positions @ np.linalg.inv(SKEWED)).T:
        assert kstest(along, "uniform").pvalue > 1e-3


def test_dilute_packings_are_uniform_along_every_axis_and_walls_hold_no_layer():
    minimum, kinds = table([1.0]), np.zeros(10, dtype=np.int64)
    box = box_of(np.diag([10.0, 10.0, 40.0]), low=(0, 0, 0.25), width=(np.inf, np.inf, 0.5))
    made = [pack(np.random.default_rng(seed), kinds, minimum, box, *SETTINGS) for seed in range(100)]
    fractional = np.concatenate(made) @ np.linalg.inv(box.cell)
    assert kstest(fractional[:, 0], "uniform").pvalue > 1e-3
    assert kstest(fractional[:, 2], "uniform", args=(0.25, 0.5)).pvalue > 1e-3


def test_a_single_atom_and_a_flat_range_are_packed_too():
    single = pack(np.random.default_rng(0), np.zeros(1, dtype=np.int64), table([3.0]), box_of(np.eye(3) * 2), *SETTINGS)
    assert single.shape == (1, 3)
    flat = box_of(np.diag([12.0, 12.0, 20.0]), low=(0, 0, 0.3), width=(np.inf, np.inf, 0.0))
    layer = pack(np.random.default_rng(0), np.zeros(8, dtype=np.int64), table([3.0]), flat, *SETTINGS)
    np.testing.assert_allclose(layer[:, 2], 6.0)
    assert ase_smallest(np.ones(8, dtype=int), layer, flat.cell, True, 12.0).min() >= 3.0


def test_atoms_on_top_of_each_other_are_parted():
    """With walls of no width and one try, all atoms start in one point."""
    box = box_of(np.eye(3) * 10, low=(0.5, 0.5, 0.0), width=(0.0, 0.0, np.inf))
    positions = pack(np.random.default_rng(0), np.zeros(3, dtype=np.int64), table([2.5]), box, *SETTINGS)
    assert ase_smallest(np.ones(3, dtype=int), positions, box.cell, True, 9.0).min() >= 2.5
    np.testing.assert_allclose(positions[:, :2], 5.0)


def test_packing_is_a_function_of_its_random_stream():
    minimum, kinds, box = table([2.4, 1.8], [1.8, 3.0]), np.repeat([0, 1], 20), box_of(np.eye(3) * 9)
    made = [pack(np.random.default_rng(seed), kinds, minimum, box, *SETTINGS) for seed in (4, 4, 5)]
    np.testing.assert_array_equal(made[0], made[1])
    assert np.abs(made[0] - made[2]).max() > 1
