"""The angles of a shell of neighbours, which all order parameters of the shell share."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper

#: What is less than this apart from being parallel to the pole has no azimuth (pymatgen's ``very_small``).
PARALLEL = 1e-12
#: The largest shell that has order parameters.
LARGEST = 12
NO_DIRECTION = "a neighbour at no distance, or at none that is finite: push coincident atoms apart first"


class Shell(NamedTuple):
    """Room for the angles of a shell of n neighbours, n ≤ :data:`LARGEST`; only the first n rows and columns count.

    Attributes:
        direction: ``(12, 3)`` unit vectors to the neighbours.
        theta: ``(12, 12)`` angles between them, radians.
        meridian: ``(12, 12, 3)`` direction of each neighbour k (second index) projected on the equator of each pole j:
            unit vectors in the plane across the pole (0 where there is none).
        distance: ``(12, 12)`` lengths of these before normalisation, sin θ: below PARALLEL there is no direction.
        scratch: ``(15, 12)``.
    """

    direction: NDArray[np.float64]
    theta: NDArray[np.float64]
    meridian: NDArray[np.float64]
    distance: NDArray[np.float64]
    scratch: NDArray[np.float64]


def make_shell() -> Shell:
    """Allocate (not compiled)."""
    n = LARGEST
    return Shell(np.empty((n, 3)), np.empty((n, n)), np.empty((n, n, 3)), np.empty((n, n)), np.empty((15, n)))


@helper
def find_directions(shell: Shell, vectors: NDArray[np.float64], first: int, n: int) -> bool:
    """Fill the directions of n vectors, from the one numbered ``first`` on; False if a length is 0 or not finite."""
    for i in range(n):
        x, y, z = vectors[first + i, 0], vectors[first + i, 1], vectors[first + i, 2]
        length = math.sqrt(x * x + y * y + z * z)
        if not 0.0 < length < math.inf:
            return False
        shell.direction[i, 0] = x / length
        shell.direction[i, 1] = y / length
        shell.direction[i, 2] = z / length
    return True


@helper
def find_angles(shell: Shell, n: int) -> None:
    """Fill the angles and meridians of n directions."""
    direction, meridian = shell.direction, shell.meridian
    for j in range(n):
        px, py, pz = direction[j, 0], direction[j, 1], direction[j, 2]
        square = px * px + py * py + pz * pz
        for k in range(n):
            x, y, z = direction[k, 0], direction[k, 1], direction[k, 2]
            along = x * px + y * py + z * pz
            shell.theta[j, k] = math.acos(max(-1.0, min(along, 1.0))) if j != k else 0.0
            # By subtraction, not by sin θ = √(1 - cos² θ): near the pole that would lose all digits.
            along /= square
            x, y, z = x - along * px, y - along * py, z - along * pz
            length = math.sqrt(x * x + y * y + z * z) if j != k else 0.0
            shell.distance[j, k] = length
            if length < PARALLEL:
                x, y, z, length = 0.0, 0.0, 0.0, 1.0
            meridian[j, k, 0] = x / length
            meridian[j, k, 1] = y / length
            meridian[j, k, 2] = z / length


@helper
def azimuth_cosine(shell: Shell, j: int, k: int, m: int) -> float:
    """Return the cosine of the angle between the meridians of neighbours k and m seen from pole j, never beyond ±1."""
    a = shell.meridian
    return max(-1.0, min(a[j, k, 0] * a[j, m, 0] + a[j, k, 1] * a[j, m, 1] + a[j, k, 2] * a[j, m, 2], 1.0))


@helper
def gaussian(x: float) -> float:
    """Return exp(-x²/2)."""
    return math.exp(-0.5 * x * x)
