"""Random numbers by counter: known answers of Philox, and streams that have nothing to do with each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numba import njit
from scipy.stats import chisquare, kstest

from aiida_dismai.engine.alloys.monte_carlo.kernel import arrange
from aiida_dismai.engine.alloys.monte_carlo.streams import below, draw, make_stream, philox, unit


@njit
def numbers(stream, purpose, count, n):
    whole = np.empty(count, np.int64)
    real = np.empty(count)
    for index in range(count):
        w0, _, w2, w3 = draw(stream, purpose, np.uint64(index))
        whole[index] = below(w0, n)
        real[index] = unit(w2, w3)
    return whole, real


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [  # the known answers that the authors of Philox publish with Random123
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers(counter, key, answer):
    words = [np.uint32(word) for word in (*counter, *key)]
    assert [int(word) for word in philox(*words)] == answer


def test_numbers_are_uniform():
    whole, real = numbers(make_stream(5, 0, 300.0), 0, 200_000, np.uint64(37))
    assert whole.min() == 0
    assert whole.max() == 36
    assert chisquare(np.bincount(whole)).pvalue > 1e-3
    assert 0 <= real.min() < real.max() < 1
    assert kstest(real, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(whole, real)[0, 1]) < 0.01


def test_every_seed_run_temperature_and_purpose_has_its_own():
    cases = [(0, 0, 300.0), (1, 0, 300.0), (2**40, 0, 300.0), (0, 1, 300.0), (0, 0, 1500.0), (0, 0, 300.5)]
    series = [numbers(make_stream(*case), purpose, 2000, np.uint64(256))[1] for case in cases for purpose in (0, 1)]
    for first, second in itertools.combinations(series, 2):
        assert not np.isin(first, second).any()
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert np.array_equal(numbers(make_stream(0, 0, 300.0), 0, 2000, np.uint64(256))[1], series[0])


def test_arrangements_are_random_and_have_the_composition():
    amounts = np.array([2, 1, 2])
    found = [tuple(arrange(amounts, make_stream(3, run, 300.0)).tolist()) for run in range(6000)]
    counts = {state: found.count(state) for state in set(found)}
    assert set(counts) == set(itertools.permutations([0, 0, 1, 2, 2]))  # all 30
    assert chisquare(list(counts.values())).pvalue > 1e-3
