"""Random streams of a training run: each follows from the run's seed and its place alone, so none need be stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

#: First part of the keys: what a stream is for.
ORDER, TRAINING, VALIDATION, DRY_RUN, WEIGHTS, BRANCH = range(6)


def _word(seed: int, key: tuple[int, ...]) -> int:
    words = np.random.SeedSequence(entropy=seed, spawn_key=key).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))  # torch takes signed numbers


def stream(seed: int, *key: int) -> torch.Generator:
    """Return the CPU generator for one place in a run, for instance ``stream(seed, TRAINING, epoch, step, part)``."""
    return torch.Generator().manual_seed(_word(seed, key))


def branch(seed: int, number: int) -> int:
    """Return the seed of one of several networks that a run trains."""
    return _word(seed, (BRANCH, number))


def shuffled(seed: int, epoch: int, n: int) -> Tensor:
    """Return the order in which an epoch passes over ``n`` structures, ``(n,)`` int64."""
    return torch.randperm(n, generator=stream(seed, ORDER, epoch))


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Build modules inside with initial weights that follow from the seed; torch's own stream is put back after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_word(seed, (WEIGHTS,)))
        yield
