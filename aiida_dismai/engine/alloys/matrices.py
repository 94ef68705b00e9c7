"""3 × 3 matrices inside Numba loops, where calls to BLAS and LAPACK would cost more than the arithmetic."""

from __future__ import annotations

import math

import numpy as np

from ..compiled import helper


@helper
def multiply(left, right, result):  # type: ignore[no-untyped-def]
    """Write the product of ``left`` ``(n, 3)`` and ``right`` ``(3, 3)``."""
    for i in range(left.shape[0]):
        for j in range(3):
            result[i, j] = left[i, 0] * right[0, j] + left[i, 1] * right[1, j] + left[i, 2] * right[2, j]


@helper
def cofactors(matrix, result):  # type: ignore[no-untyped-def]
    """Write the cofactors, and return the determinant: the inverse is the cofactors, transposed, by it."""
    for i in range(3):
        for j in range(3):
            a, b, c, d = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
            result[i, j] = matrix[a, c] * matrix[b, d] - matrix[a, d] * matrix[b, c]
    return matrix[0, 0] * result[0, 0] + matrix[0, 1] * result[0, 1] + matrix[0, 2] * result[0, 2]


@helper
def polar(matrix, rotation):  # type: ignore[no-untyped-def]
    """Write the rotation nearest to a 3 × 3 matrix (its polar factor, by Newton's iteration).

    Returns:
        False, with nothing written, where the matrix is flat or would give a reflection.
    """
    scale = 0.0
    for i in range(3):
        for j in range(3):
            scale += matrix[i, j] * matrix[i, j]
    scale = math.sqrt(scale / 3.0)
    if not scale > 0.0:
        return False
    q, cofactor = np.empty((3, 3)), np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            q[i, j] = matrix[i, j] / scale
    for step in range(60):
        det = cofactors(q, cofactor)
        if det < (1e-6 if step == 0 else 1e-12):
            return False
        change = 0.0
        for i in range(3):
            for j in range(3):
                new = 0.5 * (q[i, j] + cofactor[i, j] / det)
                change = max(change, abs(new - q[i, j]))
                q[i, j] = new
        if change < 1e-14:
            break
    for i in range(3):
        for j in range(3):
            rotation[i, j] = q[i, j]
    return True
