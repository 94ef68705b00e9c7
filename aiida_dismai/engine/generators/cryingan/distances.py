"""Nearest-neighbour distances under periodic boundaries: batched, differentiable, exact for any cell.

For one pair of atoms let f be the difference of their fractional coordinates, G = A Aᵀ the metric of
the cell A (rows are the lattice vectors). The squared distance to the image shifted by the whole
numbers s is ``(f + s) G (f + s)ᵀ``. Rounding puts every component of f into [-½, ½], which is the nearest
image in a rectangular cell only. In general the image s is nearer than the image 0 when

    s G sᵀ + 2 f G sᵀ < 0,

and over all f in the box ``2 f G sᵀ`` is at least ``-Σ_k |(G s)_k|``. So the images with
``s G sᵀ < Σ_k |(G s)_k|``, and 0, are all that can ever be the nearest. Along an axis orthogonal to both others
the squared distance is a sum of two independent parts, so there rounding is right whatever the other two
do. What is left (:func:`candidate_images`) is 0 alone for a rectangular cell, and 0, ±a, ±b for the interface
cell with γ = 75.7°.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import BadInput

#: Pairs that are handled at once where no gradient is kept; bounds the memory at some 100 MB.
PAIRS_AT_ONCE = 4_000_000
#: Cosine of an angle below which two lattice vectors count as orthogonal: cells from files carry such rounding.
ORTHOGONAL = 1e-9
#: Å²; the square root has no gradient at zero.
SMALLEST_SQUARE = 1e-12


def candidate_images(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the images that can be the nearest one after rounding.

    Args:
        cell: rows are the lattice vectors, Å, ``(3, 3)``.
        pbc: which of them are periods, ``(3,)``.

    Returns:
        Whole-number shifts, ``(m, 3)``, the unshifted one first. Only one of s and -s is listed: the
        other follows from the sign (:class:`NeighborDistances`).
    """
    half = np.where(pbc, 0.5, 1.0)
    # s can only win if its vector is shorter than the diagonal of the box of all f A.
    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=3))) * half
    diagonal = 2 * np.linalg.norm(corners @ cell, axis=1).max()
    reach = np.floor(diagonal * np.linalg.norm(np.linalg.inv(cell), axis=0) + 1e-9).astype(int)
    metric = cell @ cell.T
    lengths = np.sqrt(np.diag(metric))
    coupled = (np.abs(metric / np.outer(lengths, lengths) - np.eye(3)) > ORTHOGONAL).any(axis=1)
    reach = reach * (pbc & coupled)
    shifts = np.array(list(itertools.product(*(range(-n, n + 1) for n in reach))))
    positive = [tuple(shift) > (0, 0, 0) for shift in shifts.tolist()]
    shifts = shifts[positive]
    projected = shifts @ metric
    length = (projected * shifts).sum(axis=1)
    wins = length < (2 * half * np.abs(projected)).sum(axis=1) * (1 - 1e-12)
    return np.concatenate([np.zeros((1, 3), dtype=int), shifts[wins]])


class NeighborDistances:
    """Distances from every atom to its nearest neighbours, of any element, in ascending order.

    Every pair of atoms counts once, at the distance of its nearest image; an atom is no neighbour of
    itself. The neighbours are chosen without a gradient among all pairs, then only their distances are
    computed with one: what autograd keeps is ``n_neighbors`` and not ``n_atoms`` numbers per atom.
    """

    def __init__(
        self,
        cell: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        n_neighbors: int,
        device: str = "cpu",
    ) -> None:
        """Prepare for one cell.

        Args:
            cell: rows are the lattice vectors, Å, ``(3, 3)``.
            pbc: which of them are periods, ``(3,)``.
            n_neighbors: distances per atom.
            device: of the coordinates to come.
        """
        self.n_neighbors = n_neighbors
        images = candidate_images(np.asarray(cell, dtype=float), np.asarray(pbc, dtype=bool))
        metric = np.asarray(cell) @ np.asarray(cell).T

        def constant(values: NDArray[np.float64]) -> Tensor:
            return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32, device=device)

        self.cell = constant(cell)
        self.periodic = constant(np.asarray(pbc, dtype=float))
        self.shifts = constant(images.astype(float))
        self.projections = constant((images[1:] @ metric).T)  # f @ this = f G sᵀ
        self.lengths = constant(((images[1:] @ metric) * images[1:]).sum(axis=1))

    def __call__(self, coordinates: Tensor) -> Tensor:
        """Return the distances.

        Args:
            coordinates: fractional, ``(B, n, 3)``.

        Returns:
            Å, ``(B, n, n_neighbors)``, differentiable with respect to the coordinates.

        Raises:
            BadInput: not enough atoms to have so many neighbours.
        """
        batch, n, _ = coordinates.shape
        if n <= self.n_neighbors:
            raise BadInput(
                f"{n} atoms have no {self.n_neighbors} neighbours each: lower n_neighbors to {n - 1} or less"
            )
        neighbors = self._choose(coordinates.detach())
        theirs = torch.gather(
            coordinates.unsqueeze(1).expand(batch, n, n, 3), 2, neighbors.unsqueeze(-1).expand(-1, -1, -1, 3)
        )
        difference = theirs - coordinates.unsqueeze(2)
        with torch.no_grad():
            shift = self._nearest_image(difference)
        squares = ((difference + shift) @ self.cell).square().sum(dim=-1)
        return squares.clamp_min(SMALLEST_SQUARE).sqrt()

    @torch.no_grad()
    def _choose(self, coordinates: Tensor) -> Tensor:
        """Return the indices of the nearest neighbours, nearest first, ``(B, n, n_neighbors)``."""
        n = coordinates.shape[1]
        chosen = []
        for part in coordinates.split(max(1, PAIRS_AT_ONCE // (n * n))):
            difference = part.unsqueeze(1) - part.unsqueeze(2)  # [b, i, j] = x_j - x_i
            difference -= difference.round() * self.periodic
            squares = (difference @ self.cell).square().sum(dim=-1)
            if len(self.lengths):
                # the nearer of s and -s: f G f + s G s - 2 |f G s|
                gains = self.lengths - 2 * (difference @ self.projections).abs()
                squares += gains.min(dim=-1).values.clamp_max(0.0)
            squares.diagonal(dim1=1, dim2=2).fill_(float("inf"))
            chosen.append(squares.topk(self.n_neighbors, dim=-1, largest=False, sorted=True).indices)
        return torch.cat(chosen)

    def _nearest_image(self, difference: Tensor) -> Tensor:
        """Return the whole numbers that bring each difference ``(…, 3)`` to its shortest image."""
        shift = -difference.round() * self.periodic
        if not len(self.lengths):
            return shift
        projected = (difference + shift) @ self.projections
        gains = self.lengths - 2 * projected.abs()
        gain, best = gains.min(dim=-1)
        extra = -self.shifts[1:][best] * projected.gather(-1, best.unsqueeze(-1)).sign()
        return shift + torch.where((gain < 0).unsqueeze(-1), extra, torch.zeros_like(extra))
