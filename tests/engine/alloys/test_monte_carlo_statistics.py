"""Correlation time, blocked errors and agreement of runs, on series whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from aiida_dismai.engine.alloys.monte_carlo.statistics import autocorrelation_time, blocked_error, split_r_hat


def autoregressive(phi: float, runs: int, steps: int, seed: int = 0) -> np.ndarray:
    """Return series with correlation phi^t: correlation time (1 + phi) / (1 - phi), unit variance."""
    noise = np.random.default_rng(seed).normal(0, np.sqrt(1 - phi**2), (runs, steps + 1000))
    return lfilter([1], [1, -phi], noise, axis=1)[:, 1000:]


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.98])
def test_correlation_time_and_error_of_an_autoregressive_series(phi):
    runs, steps = 8, 40_000
    series = autoregressive(phi, runs, steps)
    time = (1 + phi) / (1 - phi)
    assert autocorrelation_time(series) == pytest.approx(time, rel=0.1)
    # the standard error of the mean of correlated values
    assert blocked_error(series) == pytest.approx(np.sqrt(time / (runs * steps)), rel=0.2)


def test_errors_are_as_large_as_they_say():
    """Over many samplings, the mean is off by the error as often as a normal number is."""
    samplings = autoregressive(0.9, 200 * 4, 4000, seed=1).reshape(200, 4, 4000)
    deviations = [series.mean() / float(blocked_error(series)) for series in samplings]
    assert 0.8 < np.std(deviations) < 1.15


def test_components_have_errors_of_their_own():
    series = np.stack([autoregressive(0.0, 3, 9000), 7 * autoregressive(0.9, 3, 9000, 1)], axis=-1)
    both = blocked_error(series.reshape(3, 9000, 2, 1))
    assert both.shape == (2, 1)
    for column in range(2):
        assert both[column, 0] == pytest.approx(float(blocked_error(series[..., column])))


def test_an_anticorrelated_series_counts_as_uncorrelated():
    series = np.tile([1.0, -1.0], 500)[None]
    assert autocorrelation_time(series) == 1.0


def test_runs_that_disagree():
    series = autoregressive(0.5, 6, 5000)
    assert split_r_hat(series) == pytest.approx(1.0, abs=0.005)
    apart = series + np.arange(6)[:, None]
    assert split_r_hat(apart) > 1.5
    assert autocorrelation_time(apart) > 20 * autocorrelation_time(series)
    assert blocked_error(apart) > 10 * blocked_error(series)
    drifting = series + np.linspace(0, 3, 5000)  # all runs in the same way: the halves differ
    assert split_r_hat(drifting) > 1.2


def test_r_hat_of_two_runs_by_hand():
    series = np.array([[0.0, 2.0, 0.0, 2.0], [1.0, 3.0, 1.0, 3.0]])
    # halves 0 2 | 0 2 | 1 3 | 1 3: variance within 2, means 1 1 2 2 with variance 1/3, n = 2
    assert split_r_hat(series) == pytest.approx(np.sqrt(1 / 2 + (1 / 3) / 2))


def test_what_cannot_be_said_is_none():
    constant = np.full((3, 100), -0.094)
    assert autocorrelation_time(constant) is None
    assert split_r_hat(constant) is None
    assert blocked_error(constant) == pytest.approx(0, abs=1e-15)
    short = np.array([[1.0, 2.0, 3.0]])
    assert split_r_hat(short) is None
    assert blocked_error(short) is None
    assert autocorrelation_time(short[:, :1]) is None
