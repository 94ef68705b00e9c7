"""Averages over many records, plain and weighted, a block of records at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..families.base import Vectors
from .records import Records

Describe = Callable[[NDArray[Any]], Vectors]


class Weights(Protocol):
    """Many weightings of the structures of a set."""

    repeats: int

    def groups(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield which weightings, and ``(group, n)`` the weight of each structure."""
        ...


def average(records: Records, vectors: Describe) -> Vectors:
    """Return the average of every vector, ``(length,)``; NaN over no structure.

    Args:
        records: of ``n`` structures.
        vectors: gives the vectors of a block of records, by name.
    """
    total: Vectors = {}
    for block in records.blocks():
        for name, values in vectors(block).items():
            part = values.sum(axis=0)
            total[name] = total[name] + part if name in total else part
    if not total:
        nothing = vectors(np.zeros(1, records.dtype))
        return {name: np.full(values.shape[1], np.nan) for name, values in nothing.items()}
    return {name: values / len(records) for name, values in total.items()}


def weighted(records: Records, vectors: Describe, weights: Weights) -> Vectors:
    """Return the weighted averages of every vector, ``(repeats, length)``; NaN over no structure."""
    lengths = {name: values.shape[1] for name, values in vectors(np.zeros(1, records.dtype)).items()}
    fill = 0.0 if len(records) else np.nan
    result = {name: np.full((weights.repeats, length), fill) for name, length in lengths.items()}
    for which, group in weights.groups() if len(records) else ():
        start = 0
        for block in records.blocks():
            stop = start + len(block)
            for name, values in vectors(block).items():
                result[name][which] += group[:, start:stop] @ values
            start = stop
    return result
