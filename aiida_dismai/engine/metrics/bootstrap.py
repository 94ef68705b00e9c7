"""Bootstrap intervals as the benchmark's authors take them.

Structures are drawn with replacement, as many as there are, by one call of numpy's ``choice`` per
resample, from a generator with a fixed seed: all metrics see the same draws. The interval is the
pivotal (basic) one (Davison and Hinkley, Bootstrap Methods and their Application, section 5.2): with
the percentiles q of the resampled metric it reaches from 2 × value − q(upper) to 2 × value − q(lower).
It can reach below zero, also for a distance.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: ``{"value": …, "lower": …, "upper": …}``, bounds of the interval; None where there is not a number.
Interval = dict[str, float | None]
#: Numbers of a group of weights: 16 MB, however many structures there are.
WEIGHTS_AT_ONCE = 2_000_000


class Draws:
    """The resamples of a set of ``n`` structures.

    Args:
        n: number of structures; of none there is nothing to draw.
        resamples: how many times ``n`` of them are drawn.
        seed: of ``numpy.random.default_rng``.
    """

    def __init__(self, n: int, resamples: int, seed: int) -> None:
        self.n = n
        self.repeats = resamples
        self.seed = seed

    def groups(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield resamples in groups: which they are, and ``(group, n)`` the share of each structure (rows sum to 1)."""
        generator = np.random.default_rng(self.seed)
        size = max(1, min(self.repeats, WEIGHTS_AT_ONCE // max(self.n, 1)))
        for start in range(0, self.repeats, size):
            stop = min(start + size, self.repeats)
            weights = np.zeros((stop - start, self.n))
            if self.n:
                for row in weights:
                    row[:] = np.bincount(generator.choice(self.n, size=self.n, replace=True), minlength=self.n)
                weights /= self.n
            yield slice(start, stop), weights


def pivotal_interval(value: float, resampled: NDArray[np.float64], confidence: float) -> Interval:
    """Return a metric with its pivotal interval.

    Args:
        value: of all structures.
        resampled: ``(resamples,)`` of the resamples.
        confidence: between 0 and 1.

    Returns:
        The value with its bounds; these are None where a resample has no number (the cosine distance of a zero vector).
    """
    if not np.isfinite(value):
        return {"value": None, "lower": None, "upper": None}
    if not np.isfinite(resampled).all():
        return {"value": float(value), "lower": None, "upper": None}
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
