"""Two samples of a number beside each other: generated and training structures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (5, 25, 50, 75, 95)


def compare(own: NDArray[np.float64], theirs: NDArray[np.float64] | None) -> dict[str, Any]:
    """Describe two samples and their (first) Wasserstein distance, in their unit."""
    from scipy.stats import wasserstein_distance

    own = own[np.isfinite(own)]
    theirs = None if theirs is None else theirs[np.isfinite(theirs)]
    both = theirs is not None and len(own) > 0 and len(theirs) > 0
    return {
        "generated": distribution(own),
        "training": None if theirs is None else distribution(theirs),
        "wasserstein": float(wasserstein_distance(own, theirs)) if both else None,
    }


def distribution(values: NDArray[np.float64]) -> dict[str, Any] | None:
    """Return ``n``, ``mean``, ``std``, ``min``, ``max`` and ``percentiles`` of a sample; None of an empty one."""
    if not len(values):
        return None
    return {
        "n": len(values),
        "mean": float(values.mean()),
        "std": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
        "percentiles": {str(p): float(v) for p, v in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)},
    }
