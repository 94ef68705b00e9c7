"""The angles of a shell of neighbours, which all order parameters of the shell share."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: What is less than this apart from being parallel to the pole has no azimuth (pymatgen's ``very_small``).
PARALLEL = 1e-12


@njit(cache=True, nogil=True)
def unit_vectors(vectors: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the directions ``(n, 3)`` of the first n vectors; ValueError if a length is 0 or not finite."""
    directions = np.empty((n, 3))
    for i in range(n):
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        length = math.sqrt(x * x + y * y + z * z)
        if not 0.0 < length < math.inf:
            raise ValueError("a neighbour at no distance, or at none that is finite: push coincident atoms apart first")
        directions[i, 0], directions[i, 1], directions[i, 2] = x / length, y / length, z / length
    return directions


@njit(cache=True, nogil=True)
def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the cosine of the angle of two unit vectors, never beyond ±1."""
    return max(-1.0, min(a[0] * b[0] + a[1] * b[1] + a[2] * b[2], 1.0))


@njit(cache=True, nogil=True)
def gaussian(x: float) -> float:
    """Return exp(-x²/2)."""
    return math.exp(-0.5 * x * x)


@njit(cache=True, nogil=True)
def polar_angles(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angles ``(n, n)`` between all directions, radians."""
    n = directions.shape[0]
    theta = np.zeros((n, n))
    for j in range(n):
        for k in range(j):
            theta[j, k] = theta[k, j] = math.acos(cosine(directions[j], directions[k]))
    return theta


@njit(cache=True, nogil=True)
def meridians(directions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project each direction k on the equator of each pole j.

    Returns:
        ``(n, n, 3)`` unit vectors in the plane across pole j (0 where there is none), and ``(n, n)`` the lengths
        before normalisation, sin θ: below PARALLEL there is no direction.
    """
    n = directions.shape[0]
    meridian = np.zeros((n, n, 3))
    distance = np.zeros((n, n))
    for j in range(n):
        pole = directions[j]
        square = pole[0] * pole[0] + pole[1] * pole[1] + pole[2] * pole[2]
        for k in range(n):
            if k == j:
                continue
            v = directions[k]
            # By subtraction, not by sin θ = √(1 - cos² θ): near the pole that would lose all digits.
            along = (v[0] * pole[0] + v[1] * pole[1] + v[2] * pole[2]) / square
            x, y, z = v[0] - along * pole[0], v[1] - along * pole[1], v[2] - along * pole[2]
            length = math.sqrt(x * x + y * y + z * z)
            distance[j, k] = length
            if length >= PARALLEL:
                meridian[j, k, 0], meridian[j, k, 1], meridian[j, k, 2] = x / length, y / length, z / length
    return meridian, distance
