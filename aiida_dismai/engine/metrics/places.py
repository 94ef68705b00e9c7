"""The best, the median and the worst of some structures, by a distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: What is shown by each distance, in this order.
PLACES = ("best", "median", "worst")


def choose(distances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the places of the smallest, the median (the lower of two) and the largest distance.

    Args:
        distances: ``(n,)``; NaN is passed over.

    Returns:
        ``(3,)``; empty if there is no number.

    Example:
        >>> choose(np.array([0.3, 0.1, np.nan, 0.2])).tolist()
        [1, 3, 0]
    """
    known = np.flatnonzero(np.isfinite(distances))
    if not len(known):
        return np.zeros(0, dtype=np.int64)
    order = known[np.argsort(distances[known], kind="stable")]
    return np.array([order[0], order[(len(order) - 1) // 2], order[-1]], dtype=np.int64)
