"""Distances between averages, and what a metric is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Measure = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def euclidean(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Euclidean distance over the last axis."""
    return np.asarray(np.linalg.norm(a - b, axis=-1))


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one minus the cosine of the angle over the last axis; NaN for a zero vector."""
    lengths = np.asarray(np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    products = (a * b).sum(axis=-1)
    return np.asarray(1 - np.divide(products, lengths, out=np.full_like(lengths, np.nan), where=lengths > 0))


def percentage(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 100 times the average of a vector of length one; the training set plays no part."""
    return 100 * a[..., 0]


@dataclass(frozen=True)
class Metric:
    """One number that compares two sets of structures.

    Attributes:
        vector: the vector of every structure whose averages are compared.
        measure: of the two averages.
        power: the distance between two samples of one population goes with this power of their averages'
            standard error (1 for a Euclidean, 2 for a cosine distance); 0 where it is no distance.
    """

    vector: str
    measure: Measure
    power: int

    @classmethod
    def euclidean(cls, vector: str) -> Metric:
        """Return the Euclidean distance of a vector's averages."""
        return cls(vector, euclidean, 1)

    @classmethod
    def cosine(cls, vector: str) -> Metric:
        """Return the cosine distance of a vector's averages."""
        return cls(vector, cosine, 2)

    @classmethod
    def percentage(cls, vector: str) -> Metric:
        """Return the share of structures that have something, in percent."""
        return cls(vector, percentage, 0)
