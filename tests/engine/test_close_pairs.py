"""Pairs of near atoms: those of ASE, in any cell, and what must not take all memory."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from aiida_dismai.engine.neighbours import close_pairs, heights, shortest_distance, tree_in_cube, usable

PERIODIC = np.ones(3, dtype=bool)


@pytest.mark.parametrize("seed", range(6))
def test_close_pairs_are_those_of_ase(seed):
    random = np.random.default_rng(seed)
    cell = np.diag(random.uniform(2.5, 6, 3)) + random.uniform(-1, 1, (3, 3))
    pbc = random.integers(0, 2, 3).astype(bool)
    positions = random.uniform(-15, 15, (12, 3)) if pbc.all() else random.uniform(-1, 7, (12, 3))
    found = close_pairs(positions, cell, pbc, 2.2)
    first, second, shifts = neighbor_list("ijS", Atoms("H12", positions, cell=cell, pbc=pbc), 2.2)
    kept = first <= second
    expected = np.column_stack([first, second, shifts @ cell])[kept]
    result = np.column_stack([found.first, found.second, found.offsets])
    assert len(expected)
    assert sorted(result.round(6).tolist()) == sorted(expected.round(6).tolist())
    pairs = result[:, :2].tolist()
    assert pairs == sorted(pairs)


def test_coordinates_far_outside_the_cell_are_wrapped_first():
    positions = np.array([[0.1, 0, 0], [4e6 + 0.6, -8e6, 0]])
    found = close_pairs(positions, np.eye(3) * 4.0, PERIODIC, 1.0)
    assert (found.first.tolist(), found.second.tolist()) == ([0], [1])
    assert np.allclose(found.offsets, [[-4e6, 8e6, 0]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_usable(bad):
    cell = np.eye(3) * 4.0
    assert usable(np.zeros((2, 3)), cell)
    assert not usable(np.array([[0, 0, bad]]), cell)
    assert not usable(np.zeros((2, 3)), np.diag([4.0, 4.0, 0.0]))
    assert not usable(np.zeros((2, 3)), np.diag([4.0, 4.0, bad]))


def test_a_cell_far_thinner_than_the_cutoff_gives_every_image_once():
    # 5 Å wide, 0.1 Å high: an atom meets its images at 0.1, 0.2 … 2.9 Å, above and below
    found = close_pairs(np.zeros((1, 3)), np.diag([5.0, 5.0, 0.1]), PERIODIC, 2.95)
    assert sorted(found.offsets[:, 2].round(6).tolist()) == [k / 10 for k in range(-29, 30) if k]


def test_an_atom_that_has_flown_off_along_an_open_axis_has_no_neighbour():
    positions = np.array([[0.0, 0, 0], [1.0, 0, 0], [0, 0, 5e7]])
    found = close_pairs(positions, np.eye(3) * 4.0, np.array([True, True, False]), 1.5)
    assert (found.first.tolist(), found.second.tolist()) == ([0], [1])


def test_the_shortest_distance_is_through_the_boundary_or_infinite():
    positions, cell = np.array([[0.2, 5, 5], [9.6, 5, 5]]), np.eye(3) * 10.0
    assert shortest_distance(positions, cell, PERIODIC, 1.0) == pytest.approx(0.6)
    assert shortest_distance(positions, cell, np.zeros(3, dtype=bool), 1.0) == np.inf


def test_heights_are_volume_over_faces():
    assert heights(np.array([[2.0, 0, 0], [1.0, 3.0, 0], [0, 0, 4.0]])) == pytest.approx([6 / 10**0.5, 3.0, 4.0])


def test_a_tree_in_a_cube_wraps_what_is_just_outside():
    tree = tree_in_cube(np.array([[-1e-17, 0, 0], [4.9, 0, 0], [2.5, 7.5, -2.5]]), 5.0)
    assert np.asarray(tree.data).max() < 5
    assert tree.query_pairs(0.2) == {(0, 1)}
