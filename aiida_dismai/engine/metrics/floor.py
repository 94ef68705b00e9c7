"""The noise floor: how far apart two samples of the training set are.

A model that is as good as the data is as far from the training set as another sample of it would be. That
distance depends on the number of structures: the average of ``n`` structures scatters with the power
−1/2 of ``n``. So the training set of ``N`` structures is divided at random into two parts that share no structure,
``a = min(n, N // 2)`` against ``N − a``, many times over, and the distance of the parts is brought to the numbers
that were compared (``n`` generated, ``N`` training): for averages of independent structures a Euclidean distance goes
with ``sqrt(1/a + 1/b)``, a cosine distance with its square. Where fewer than half of ``N`` were measured the
factor is close to 1; it is below 1 only where halves are smaller than what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.distances import Metric
from .records import Records
from .statistics import Describe, weighted

#: Seed of the random divisions; they are part of the measure, not of an experiment.
SEED = 7
WEIGHTS_AT_ONCE = 1_000_000


class Divisions:
    """Random divisions of ``n`` structures in two: weightings of the first part, then of the second."""

    def __init__(self, n: int, first: int, divisions: int) -> None:
        self.n, self.first, self.divisions = n, first, divisions
        self.repeats = 2 * divisions

    def groups(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield ``(group, n)`` weights; rows ``2 i`` and ``2 i + 1`` are the two parts of division ``i``."""
        generator = np.random.default_rng(SEED)
        size = max(1, min(self.divisions, WEIGHTS_AT_ONCE // (2 * self.n)))
        for start in range(0, self.divisions, size):
            stop = min(start + size, self.divisions)
            weights = np.zeros((2 * (stop - start), self.n))
            for row in range(stop - start):
                order = generator.permutation(self.n)
                weights[2 * row, order[: self.first]] = 1 / self.first
                weights[2 * row + 1, order[self.first :]] = 1 / (self.n - self.first)
            yield slice(2 * start, 2 * stop), weights


def scale(metric: Metric, compared: tuple[int, int], parts: tuple[int, int]) -> float:
    """Return the factor from the distance of two parts to that of two samples of other sizes."""
    ratio = sum(1 / n for n in compared) / sum(1 / n for n in parts)
    return float(ratio ** (metric.power / 2))


def noise_floor(
    training: Records,
    vectors: Describe,
    metrics: Mapping[str, Metric],
    n: int,
    divisions: int,
    confidence: float,
) -> dict[str, Any]:
    """Compute the floor of every metric.

    Args:
        training: records of the training set.
        vectors: gives their vectors.
        metrics: by name; those that are no distances are left out.
        n: structures that were measured; 0 means as many as the training set has.
        divisions: how many random divisions.
        confidence: of the interval, between percentiles of the divisions.

    Returns:
        ``structures`` (the two parts), ``divisions``, ``compared``, and ``metrics``: for each name
        ``value`` (the mean), ``lower`` and ``upper`` at the numbers compared, and ``parts``, the mean distance of the
        parts as it is. ``metrics`` is empty when the training set has fewer than two structures.
    """
    total = len(training)
    compared = (n or total, total)
    if total < 2:
        return {"structures": None, "compared": list(compared), "divisions": 0, "metrics": {}}
    parts = (min(compared[0], total // 2), total - min(compared[0], total // 2))
    averages = weighted(training, vectors, Divisions(total, parts[0], divisions))
    tail = 50 * (1 - confidence)
    found = {}
    for name, metric in metrics.items():
        if not metric.power:
            continue
        distances = metric.measure(averages[metric.vector][::2], averages[metric.vector][1::2])
        if not np.isfinite(distances).all():
            continue
        factor = scale(metric, compared, parts)
        low, high = np.percentile(distances, [tail, 100 - tail])
        mean = float(distances.mean())
        found[name] = {
            "value": factor * mean,
            "lower": float(factor * low),
            "upper": float(factor * high),
            "parts": mean,
        }
    return {"structures": list(parts), "compared": list(compared), "divisions": divisions, "metrics": found}
