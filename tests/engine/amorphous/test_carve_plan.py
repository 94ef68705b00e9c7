"""Windows in an order that does not change, disjoint ones first."""

import itertools
import re

import numpy as np
import pytest
from support.carving import crystal, gas, large, parameters, skewed

from aiida_dismai.engine.amorphous.carve.plan import Plan
from aiida_dismai.engine.amorphous.carve.windows import costs, pick
from aiida_dismai.engine.errors import BadInput


def plan(structures, seed=1, **values):
    return Plan(large(structures, **values), parameters(**values), seed)


def atoms_of(made, windows):
    return [(window.cell, set(pick(made.cells[window.cell], window.centre, window.rotation)[0])) for window in windows]


def overlaps(made, windows, n_atoms):
    """Return the largest share that each window has in common with an earlier one."""
    sets = atoms_of(made, windows)
    return [
        max((len(own & earlier) / n_atoms for where, earlier in sets[:k] if where == cell), default=0.0)
        for k, (cell, own) in enumerate(sets)
    ]


@pytest.mark.parametrize(("make", "count"), [(gas, 27), (lambda: crystal(6, 0.1), 27), (skewed, 16)])
def test_disjoint_windows_share_no_atom(make, count):
    made = plan(make(), n_atoms=64, placements=5)
    windows = made.windows(0, len(made.bricks))
    assert len(windows) >= count
    assert max(overlaps(made, windows, 64)) == 0
    assert {window.overlap for window in windows} == {0}


@pytest.mark.parametrize("rotate", [False, True])
def test_a_window_does_not_depend_on_how_many_are_asked_for(rotate):
    made = plan(gas(), n_atoms=150, placements=4, max_overlap=0.4, rotate=rotate)
    whole = made.windows(0, 14)
    parts = [
        *made.windows(0, 3),
        *made.windows(3, 6),
        *plan(gas(), n_atoms=150, placements=4, max_overlap=0.4, rotate=rotate).windows(9, 5),
    ]
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one.centre, other.centre)
        assert np.array_equal(one.rotation, other.rotation)
        assert one.overlap == other.overlap
    other_seed = plan(gas(), 2, n_atoms=150, placements=4, max_overlap=0.4, rotate=rotate).windows(0, 3)
    assert not np.allclose(other_seed[0].centre, whole[0].centre)


@pytest.mark.parametrize("rotate", [False, True])
def test_overlapping_windows_come_by_rising_overlap(rotate):
    made = plan(gas(), n_atoms=150, placements=4, max_overlap=0.5, rotate=rotate)
    windows = made.windows(0, 40)
    expected = overlaps(made, windows, 150)
    assert [window.overlap for window in windows] == pytest.approx(expected)
    assert 0 < max(expected) <= 0.5
    assert all(later > earlier - 0.02 for earlier, later in itertools.pairwise(expected))
    if rotate:
        turns = np.array([window.rotation for window in windows])
        np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (40, 1, 1)), atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(turns), 1)


def test_the_best_place_of_a_brick_is_taken():
    made = plan(gas(), n_atoms=150, placements=20)
    (window,) = made.windows(2, 1)
    every = np.vstack([window.centre, window.alternatives])
    found, _ = costs(made.cells[0], every, np.tile(np.eye(3), (20, 1, 1)), 150, 2.85, 2.0)
    assert found[0] == found.min() < np.median(found)
    assert (np.diff(found) >= 0).all()


def test_more_than_the_cell_holds():
    made = plan(gas(), n_atoms=250, placements=3)
    assert len(made.windows(0, 8)) == 8
    with pytest.raises(BadInput, match="20 structures of 250 atoms are asked for, but the large cell allows 8") as told:
        made.windows(12, 8)
    needed = float(re.search(r"20 would need max_overlap ([\d.]+),", str(told.value)).group(1))
    assert 0 < needed < 0.75
    assert len(plan(gas(), n_atoms=250, placements=3, max_overlap=needed).windows(0, 20)) == 20
    with pytest.raises(BadInput, match=r"the large cell allows \d+ with max_overlap"):
        plan(gas(), n_atoms=250, placements=3, max_overlap=needed / 2).windows(0, 20)
    with pytest.raises(BadInput, match="give a larger cell, or several"):
        made.windows(0, 100_000)


def test_several_cells_are_used_one_after_the_other():
    cells = type(gas()).concatenate([gas(seed=1), gas(1000, 27.0, seed=2)])
    made = plan(cells, n_atoms=250, placements=3)
    windows = made.windows(0, len(made.bricks))
    assert [window.cell for window in windows] == [0] * 8 + [1] * int(np.prod(made.cells[1].fits))
    assert max(overlaps(made, windows, 250)) == 0
    with pytest.raises(BadInput, match="the large cells allow"):
        made.windows(0, len(made.bricks) + 1)
