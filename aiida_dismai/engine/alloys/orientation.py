"""How a lattice is turned, from the vectors between near atoms (Numba).

Vectors between neighbours know nothing of the shift of the lattice, nor of seams where a turned lattice
meets its periodic image: they show the orientation alone. Atoms spread over the structure each propose
one (from the two neighbours at the angle most like that of two ideal ones, refined with all neighbours of
the atom); the proposal that most vectors of all these atoms agree with is refined with them by least squares.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper, kernel
from .lattice import Lattice
from .matrices import multiply, polar

#: Atoms whose neighbours are looked at.
SAMPLE = 32
#: A vector agrees with an ideal one within this share of the nearest-neighbour distance.
AGREES = 0.3
#: Neighbours for the first proposal are this near to the nearest-neighbour distance (share of it).
WINDOW = 0.25
#: Room for neighbours of one atom; a heap of coincident atoms may have more, of which the first ones count.
MAX_NEIGHBOURS = 128


@lru_cache(maxsize=16)
def _ideal_pairs(lattice: Lattice) -> NDArray[np.float64]:
    """Return pairs of nearest-neighbour vectors at the angle nearest to 90°, ``(p, 2, 3)``.

    One of each kind that the lattice's rotations do not turn into another (for fcc one pair).
    """
    vectors = lattice.neighbours[np.linalg.norm(lattice.neighbours, axis=1) < lattice.nearest * 1.01]
    pairs = [pair for pair in itertools.permutations(vectors, 2) if np.linalg.norm(np.cross(*pair)) > 1e-3]
    cosines = np.array([abs(a @ b) for a, b in pairs])
    pairs = [pair for pair, cosine in zip(pairs, cosines, strict=True) if cosine < cosines.min() + 1e-3]
    kept: list[NDArray[np.float64]] = []
    for pair in np.array(pairs):
        turned = pair @ lattice.rotations
        if not any(np.abs(turned - other).max(axis=(1, 2)).min() < 1e-3 for other in kept):
            kept.append(pair)
    return np.array(kept)


def find_rotation(
    positions: NDArray[np.float64], cell: NDArray[np.float64], lattice: Lattice
) -> NDArray[np.float64] | None:
    """Find the rotation of the lattice that most neighbours agree with.

    Args:
        positions: ``(n, 3)`` in the cell, Å.
        cell: ``(3, 3)``, periodic, Å.
        lattice: in its own orientation.

    Returns:
        ``(3, 3)`` proper rotation, the smallest of equivalent ones; None where no atom has two neighbours that could
        be nearest neighbours of the lattice.
    """
    tolerance = AGREES * lattice.nearest
    cutoff = float(np.linalg.norm(lattice.neighbours[-1])) + tolerance
    chosen = min(len(positions), SAMPLE)
    vectors, offsets = np.empty((chosen * MAX_NEIGHBOURS, 3)), np.zeros(chosen + 1, dtype=np.int64)
    total = _near_vectors(positions, cell, np.linalg.inv(cell), cutoff, np.empty_like(positions), vectors, offsets)
    vectors = vectors[:total]
    lengths = np.sqrt(vectors[:, 0] ** 2 + vectors[:, 1] ** 2 + vectors[:, 2] ** 2)
    pairs, rotation = _ideal_pairs(lattice).reshape(-1, 3), np.eye(3)
    score = _vote(vectors, lengths, offsets, lattice.neighbours, pairs, lattice.nearest, tolerance, rotation)
    return lattice.representative(rotation) if score > 0 else None


@kernel
def _near_vectors(positions, cell, inverse, cutoff, fractional, vectors, offsets):  # type: ignore[no-untyped-def]
    """Write the vectors from some atoms, spread over all, to their neighbours, and where each atom's begin.

    Returns how many there are. ``fractional`` is scratch.
    """
    n = positions.shape[0]
    chosen = offsets.shape[0] - 1
    # beyond the nearest image others count only where the cell is narrower than twice the cutoff
    reach = np.empty(3, np.int64)
    for axis in range(3):
        u, v, w = inverse[0, axis], inverse[1, axis], inverse[2, axis]
        width = 1.0 / math.sqrt(u * u + v * v + w * w)
        reach[axis] = math.floor(cutoff / width + 0.5)
    multiply(positions, inverse, fractional)
    total = 0
    for s in range(chosen):
        atom = s * n // chosen
        count = 0
        for other in range(n):
            fu = fractional[other, 0] - fractional[atom, 0]
            fv = fractional[other, 1] - fractional[atom, 1]
            fw = fractional[other, 2] - fractional[atom, 2]
            fu -= math.floor(fu + 0.5)
            fv -= math.floor(fv + 0.5)
            fw -= math.floor(fw + 0.5)
            for i in range(-reach[0], reach[0] + 1):
                for j in range(-reach[1], reach[1] + 1):
                    for k in range(-reach[2], reach[2] + 1):
                        x = (fu + i) * cell[0, 0] + (fv + j) * cell[1, 0] + (fw + k) * cell[2, 0]
                        y = (fu + i) * cell[0, 1] + (fv + j) * cell[1, 1] + (fw + k) * cell[2, 1]
                        z = (fu + i) * cell[0, 2] + (fv + j) * cell[1, 2] + (fw + k) * cell[2, 2]
                        squared = x * x + y * y + z * z
                        if 0.25 < squared < cutoff * cutoff and count < MAX_NEIGHBOURS:
                            vectors[total, 0] = x
                            vectors[total, 1] = y
                            vectors[total, 2] = z
                            total += 1
                            count += 1
        offsets[s + 1] = total
    return total


@helper
def _agreement(vectors, first, last, ideal, rotation, tolerance, sums):  # type: ignore[no-untyped-def]
    """Compare vectors with the turned ideal ones.

    Each vector within the tolerance of one adds 1 - (distance / tolerance)² to the score that is returned, and
    its outer product with the ideal one to ``sums``.
    """
    m = ideal.shape[0]
    turned = np.empty((m, 3))
    multiply(ideal, rotation, turned)
    score = 0.0
    for a in range(3):
        for b in range(3):
            sums[a, b] = 0.0
    for i in range(first, last):
        best, which = tolerance * tolerance, -1
        for k in range(m):
            x = vectors[i, 0] - turned[k, 0]
            y = vectors[i, 1] - turned[k, 1]
            z = vectors[i, 2] - turned[k, 2]
            squared = x * x + y * y + z * z
            if squared < best:
                best, which = squared, k
        if which >= 0:
            score += 1.0 - best / (tolerance * tolerance)
            for a in range(3):
                for b in range(3):
                    sums[a, b] += ideal[which, a] * vectors[i, b]
    return score


@helper
def _dot(vectors, i, j):  # type: ignore[no-untyped-def]
    return vectors[i, 0] * vectors[j, 0] + vectors[i, 1] * vectors[j, 1] + vectors[i, 2] * vectors[j, 2]


@helper
def _copy(source, target):  # type: ignore[no-untyped-def]
    """Copy a 3 × 3 matrix, and return the largest change of a number."""
    change = 0.0
    for i in range(3):
        for j in range(3):
            change = max(change, abs(target[i, j] - source[i, j]))
            target[i, j] = source[i, j]
    return change


@helper
def _frame(vectors, one, two, frame):  # type: ignore[no-untyped-def]
    """Write the orthonormal frame of two vectors: their sum, their difference, and the normal."""
    la, lb = math.sqrt(_dot(vectors, one, one)), math.sqrt(_dot(vectors, two, two))
    for i in range(3):
        frame[0, i] = vectors[one, i] / la + vectors[two, i] / lb
        frame[1, i] = vectors[one, i] / la - vectors[two, i] / lb
    for row in range(2):
        length = math.sqrt(_dot(frame, row, row))
        for i in range(3):
            frame[row, i] /= length
    frame[2, 0] = frame[0, 1] * frame[1, 2] - frame[0, 2] * frame[1, 1]
    frame[2, 1] = frame[0, 2] * frame[1, 0] - frame[0, 0] * frame[1, 2]
    frame[2, 2] = frame[0, 0] * frame[1, 1] - frame[0, 1] * frame[1, 0]


@kernel
def _vote(vectors, lengths, offsets, ideal, pairs, nearest, tolerance, best):  # type: ignore[no-untyped-def]
    """Write the rotation that most vectors agree with, and return its score (0, and nothing written: no proposal)."""
    best_score = 0.0
    sums, rotation = np.empty((3, 3)), np.empty((3, 3))
    there, here = np.empty((3, 3)), np.empty((3, 3))
    for p in range(0, pairs.shape[0], 2):
        _frame(pairs, p, p + 1, there)
        ideal_cosine = _dot(pairs, p, p + 1) / (nearest * nearest)
        for atom in range(offsets.shape[0] - 1):
            first, last = offsets[atom], offsets[atom + 1]
            error, one, two = math.inf, -1, -1
            for i in range(first, last):
                stretch_i = abs(lengths[i] / nearest - 1.0)
                if stretch_i > WINDOW:
                    continue
                for j in range(first, last):
                    stretch_j = abs(lengths[j] / nearest - 1.0)
                    if i == j or stretch_j > WINDOW:
                        continue
                    cosine = _dot(vectors, i, j) / (lengths[i] * lengths[j])
                    wrong = abs(cosine - ideal_cosine) + stretch_i + stretch_j
                    if wrong < error:
                        error, one, two = wrong, i, j
            if one < 0 or error > 2 * WINDOW:
                continue
            _frame(vectors, one, two, here)
            for a in range(3):
                for b in range(3):
                    rotation[a, b] = there[0, a] * here[0, b] + there[1, a] * here[1, b] + there[2, a] * here[2, b]
            for _ in range(5):
                _agreement(vectors, first, last, ideal, rotation, tolerance, sums)
                if not polar(sums, rotation):
                    break
            score = _agreement(vectors, 0, vectors.shape[0], ideal, rotation, tolerance, sums)
            if score > best_score + 1e-9:
                best_score = score
                _copy(rotation, best)
    for _ in range(20):
        if best_score == 0.0:
            break
        _agreement(vectors, 0, vectors.shape[0], ideal, best, tolerance, sums)
        if not polar(sums, rotation) or _copy(rotation, best) < 1e-12:
            break
    return best_score
