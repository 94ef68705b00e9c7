"""Bootstrap intervals as the benchmark's authors take them.

Structures are drawn with replacement, as many as there are, by one call of numpy's ``choice`` per
resample, from a generator with a fixed seed: all metrics see the same draws. The interval is the
pivotal (basic) one (Davison and Hinkley, Bootstrap Methods and their Application, section 5.2): with
the percentiles q of the resampled metric it reaches from 2 × value − q(upper) to 2 × value − q(lower).
It can reach below zero, also for a distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: ``{"value": …, "lower": …, "upper": …}``, bounds of the interval; None where there is no number.
Interval = dict[str, float | None]


def resample_weights(n: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """Draw the resamples.

    Args:
        n: number of structures; of none there is nothing to draw, and the result is ``(resamples, 0)``.
        resamples: how many times ``n`` of them are drawn.
        seed: of ``numpy.random.default_rng``.

    Returns:
        ``(resamples, n)`` the share of each structure in each resample; rows sum to 1, so that
        ``weights @ values`` are the resampled means.
    """
    weights = np.zeros((resamples, n))
    if n == 0:
        return weights
    generator = np.random.default_rng(seed)
    for row in weights:
        row[:] = np.bincount(generator.choice(n, size=n, replace=True), minlength=n)
    return weights / n


def pivotal_interval(value: float, resampled: NDArray[np.float64], confidence: float) -> Interval:
    """Return a metric with its pivotal interval.

    Args:
        value: of all structures.
        resampled: ``(resamples,)`` of the resamples.
        confidence: between 0 and 1.
    """
    if not (np.isfinite(value) and np.isfinite(resampled).all()):
        return {"value": None, "lower": None, "upper": None}
    tail = 50 * (1 - confidence)
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return {"value": float(value), "lower": float(2 * value - high), "upper": float(2 * value - low)}


def share_interval(count: int, total: int, confidence: float) -> Interval:
    """Return the percentage ``count`` of ``total`` with its Wilson score interval.

    The authors give none for the failed share; the Wilson interval stays within 0–100 % and makes
    sense for 0 and for all.
    """
    from scipy.stats import binomtest

    bounds = binomtest(count, total).proportion_ci(confidence, method="wilson")
    return {"value": 100 * count / total, "lower": 100 * float(bounds.low), "upper": 100 * float(bounds.high)}
