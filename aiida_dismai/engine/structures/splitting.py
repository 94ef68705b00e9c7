"""Training and validation sets of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def split_indices(n: int, seed: int, validation_share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split ``n`` structures at random.

    Args:
        n: number of structures.
        seed: of the permutation.
        validation_share: of the validation set. At least one structure goes to each side when there are two.

    Returns:
        Indices of the training set and of the validation set, each in rising order.
    """
    n_validation = round(validation_share * n)
    if validation_share > 0:
        n_validation = min(max(n_validation, 1), n - 1)
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[n_validation:]), np.sort(order[:n_validation])
