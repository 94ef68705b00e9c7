from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_dismai.engine.potentials.bonds import SKIN, BondList
from aiida_dismai.engine.potentials.evaluator import Site, TrainedEvaluator
from aiida_dismai.engine.potentials.folder import load_potential
from aiida_dismai.engine.structures import StructureSet

CUTOFF = 4.0
PERIODIC = np.ones(3, dtype=bool)


def within(bonds: BondList, positions: np.ndarray) -> list[tuple[int, ...]]:
    """The pairs within the cutoff, in their order."""
    first, second, images = bonds.pairs
    vectors = positions[second] - positions[first] + bonds.shifts
    near = np.linalg.norm(vectors, axis=1) <= CUTOFF
    columns = np.column_stack([first, second, images])[near]
    return [tuple(row) for row in columns.tolist()]


@pytest.mark.parametrize("strain", [0.0, 0.01])
def test_kept_lists_hold_what_a_new_search_finds_in_the_same_order(strain: float):
    rng = np.random.default_rng(0)
    cell = np.array([[9.0, 0, 0], [2, 8, 0], [0, 1, 7]])
    positions = rng.random((30, 3)) @ cell
    kept = BondList(CUTOFF, PERIODIC)
    steps = 40
    for _ in range(steps):
        kept.update(positions, cell)
        fresh = BondList(CUTOFF, PERIODIC)
        fresh.update(positions, cell)
        assert within(kept, positions) == within(fresh, positions)
        stretched = cell @ (np.eye(3) + strain * rng.normal(size=(3, 3)))
        positions = positions @ np.linalg.solve(cell, stretched) + rng.normal(scale=0.02, size=(30, 3))
        cell = stretched
    assert 2 < kept.builds < steps


def test_a_list_is_kept_until_an_atom_has_moved_half_the_skin():
    cell, positions = 10 * np.eye(3), np.array([[0.0, 0, 0], [4.3, 0, 0], [0, 5, 0]])
    bonds = BondList(CUTOFF, PERIODIC)
    bonds.update(positions, cell)
    for moved, builds in ((0.4, 1), (0.49, 1), (0.51, 2)):
        there = positions + np.array([[moved * SKIN, 0, 0], [0, 0, 0], [0, 0, 0]])
        bonds.update(there, cell)
        assert bonds.builds == builds
    bonds.update(there, 10.01 * np.eye(3))  # a swollen cell has the same pairs, at other distances
    assert (bonds.builds, bonds.version) == (2, 3)
    bonds.update(there, 9.0 * np.eye(3))
    assert bonds.builds == 3


def test_numbers_do_not_depend_on_when_the_list_was_made(lively: Path, frames: StructureSet):
    evaluator = TrainedEvaluator(load_potential(lively))
    one = frames[4]
    cell, positions = one.cells[0], one.positions
    moved = positions + 0.1 * np.random.default_rng(1).random(positions.shape)
    kept = Site(evaluator, one.numbers, one.pbc[0])
    evaluator.evaluate([kept], [positions], [cell])
    later = evaluator.evaluate([kept], [moved], [cell])[0]
    fresh = evaluator.evaluate([Site(evaluator, one.numbers, one.pbc[0])], [moved], [cell])[0]
    assert kept.bonds.builds == 1
    assert later.energy == fresh.energy
    np.testing.assert_array_equal(later.forces, fresh.forces)
