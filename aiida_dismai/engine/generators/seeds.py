"""Random streams that make a generated structure independent of how the work was divided."""

from __future__ import annotations

import numpy as np


def stream(seed: int, index: int) -> np.random.Generator:
    """Return the random stream of structure ``index`` of the set that ``seed`` stands for."""
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(index,)))
