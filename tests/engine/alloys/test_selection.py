"""Choosing snapshots: filter, thinning, duplicates, trapped runs and the draw, by hand-made series."""

import numpy as np
import pytest

from aiida_dismai.engine.alloys.selection import (
    SelectionParameters,
    Snapshots,
    draw,
    largest_deviation,
    select,
    thin,
    trapped_runs,
)
from aiida_dismai.engine.errors import BadInput

PAIRS = ("Cr-Cr", "Cr-Fe", "Fe-Fe")


def snapshots(runs=4, each=50, interval=10, correlation=0.0, seed=1, shift=0.0):
    """Return snapshots whose order and energies are an autoregressive series of known correlation."""
    random = np.random.default_rng(seed)
    steps = each * interval
    energy = random.normal(size=(runs, steps))
    for step in range(1, steps):
        energy[:, step] = correlation * energy[:, step - 1] + np.sqrt(1 - correlation**2) * energy[:, step]
    energy[-1] += shift
    n = runs * each
    return Snapshots(
        numbers=random.integers(1, 200, (n, 12)).astype(np.uint8),
        run=np.repeat(np.arange(runs), each),
        passes=np.tile(interval * np.arange(1, each + 1), runs),
        sro=random.normal(0, 0.1, (n, 3, 3)),
        pairs=PAIRS,
        energy=energy,
    )


def gaps(of, chosen):
    return np.concatenate([np.diff(of.passes[chosen[of.run[chosen] == run]]) for run in np.unique(of.run)])


def test_without_a_filter_all_runs_give_equally_many():
    every = snapshots()
    found = select(every, SelectionParameters(spacing=20), 40, 5)
    assert (found.looked_at, found.distinct, found.passed) == (200, 200, 200)
    assert found.apart == 4 * 25
    np.testing.assert_array_equal(np.bincount(every.run[found.chosen]), [10, 10, 10, 10])
    assert gaps(every, found.chosen).min() >= 20
    assert found.nearest is None
    assert found.needed is None
    assert np.array_equal(found.chosen, np.unique(found.chosen))


def test_the_same_seed_draws_the_same_and_another_does_not():
    every = snapshots()
    first, again, other = (select(every, SelectionParameters(), 20, seed).chosen for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_filter_holds_for_the_chosen_shells_and_pairs_only():
    every = snapshots()
    parameters = SelectionParameters(width=0.1, shells=[1], pairs=["Fe-Cr"], spacing=0)
    expected = np.flatnonzero(np.abs(every.sro[:, 0, 1] - every.sro[:, 0, 1].mean()) <= 0.1)
    found = select(every, parameters, 1000, 1)
    np.testing.assert_array_equal(found.chosen, expected)
    assert 0 < found.passed < 200
    both = largest_deviation(every, np.arange(200), SelectionParameters(width=0.1))
    by_hand = np.abs(every.sro - every.sro.mean(axis=0))[:, :2].reshape(200, -1).max(axis=1)
    np.testing.assert_allclose(both, by_hand)


def test_the_width_that_would_do_does_and_a_smaller_one_does_not():
    every = snapshots(correlation=0.9)
    tight = select(every, SelectionParameters(width=0.01), 12, 1)
    assert tight.passed < 12
    assert tight.nearest > 0
    assert tight.needed is not None
    assert len(select(every, SelectionParameters(width=tight.needed), 12, 1).chosen) == 12
    assert len(select(every, SelectionParameters(width=tight.needed * (1 - 1e-9)), 12, 1).chosen) < 12


def test_no_width_would_do_where_there_are_too_few_anyway():
    found = select(snapshots(), SelectionParameters(width=0.1, spacing=300), 9, 1)
    assert found.needed is None
    assert len(found.chosen) < 9


def test_the_spacing_is_twice_the_autocorrelation_time():
    every = snapshots(each=400, correlation=0.9)  # (1 + 0.9) / (1 - 0.9) = 19 passes
    found = select(every, SelectionParameters(), 1000, 1)
    assert found.autocorrelation == pytest.approx(19, rel=0.2)
    assert found.spacing == pytest.approx(2 * found.autocorrelation)
    assert gaps(every, found.chosen).min() >= found.spacing


def test_thinning_keeps_as_many_as_can_be_kept():
    every = snapshots(runs=1, each=12)
    candidates = np.array([0, 1, 2, 5, 6, 10])  # passes 10 20 30 60 70 110
    np.testing.assert_array_equal(thin(every, candidates, 40), [0, 5, 10])
    assert len(thin(every, candidates, 41)) == 3
    assert len(thin(every, candidates, np.inf)) == 1
    assert len(thin(every, candidates[:0], 40)) == 0


def test_repeated_arrangements_are_taken_once():
    every = snapshots()
    every.numbers[7] = every.numbers[3]
    every.numbers[190] = every.numbers[3]
    found = select(every, SelectionParameters(spacing=0), 1000, 1)
    assert found.distinct == 198
    assert {7, 190}.isdisjoint(found.chosen)
    assert 3 in found.chosen


def test_a_frozen_run_gives_one_structure():
    every = snapshots()
    every.energy[:] = -1.0
    found = select(every, SelectionParameters(), 10, 1)
    assert found.spacing is None
    assert found.autocorrelation is None
    np.testing.assert_array_equal(np.bincount(every.run[found.chosen]), [1, 1, 1, 1])


def test_a_trapped_run_is_left_out_unless_asked_for():
    every = snapshots(shift=2.5)
    every.sro[every.run == 3] += 1.0
    found = select(every, SelectionParameters(width=0.2, spacing=0), 1000, 1)
    assert found.trapped == [3]
    assert found.looked_at == 150
    assert 3 not in every.run[found.chosen]
    # its order does not move the average either
    rest = snapshots(shift=2.5).sro[:150]
    inside = np.abs(rest - rest.mean(axis=0))[:, :2].reshape(150, -1).max(axis=1) <= 0.2
    np.testing.assert_array_equal(found.chosen, np.flatnonzero(inside))
    everything = select(every, SelectionParameters(run_deviation=None), 1000, 1)
    assert everything.trapped == []
    assert everything.autocorrelation > 3 * found.autocorrelation  # runs that have not met


def test_two_runs_that_disagree_are_both_kept():
    energy = np.random.default_rng(0).normal(size=(2, 100)) + np.array([[0.0], [50.0]])
    assert trapped_runs(energy, 1.0) == []
    assert trapped_runs(energy[:1], 1.0) == []


def test_runs_give_what_they_have():
    run = np.array([0] * 10 + [1] * 2 + [2] * 5)
    chosen = draw(run, np.arange(17), 12, 3)
    np.testing.assert_array_equal(np.bincount(run[chosen]), [5, 2, 5])
    assert len(draw(run, np.arange(17), 100, 3)) == 17
    assert len(draw(run, np.arange(0), 5, 3)) == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"shells": [1, 4]}, "there is no shell 4, the cluster expansion has 3"),
        ({"pairs": ["Cr-Ni"]}, "no pair 'Cr-Ni'; did you mean 'Cr-"),
    ],
)
def test_what_the_expansion_does_not_have(parameters, message):
    with pytest.raises(BadInput, match=message):
        SelectionParameters(**parameters).check(3, PAIRS)


@pytest.mark.parametrize(
    "parameters", [{"width": 0.0}, {"shells": []}, {"shells": [0]}, {"pairs": []}, {"spacing": -1}]
)
def test_what_is_refused(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        SelectionParameters(**parameters)
