"""The neighbourhoods of all atoms as GemNet needs them.

GemNet's triplets are the pairs of distinct edges into one atom. They are not listed: the edges of each atom are laid
side by side in slots, and all pairs of slots are the triplets. What the published code copies for every triplet is
then there once for every edge, some twenty times less, and sums over triplets are products of small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..graphs.batch import structure_of
from ..graphs.edges import radius_edges, symmetrise
from ..graphs.scatter import scatter_sum
from .basis import zonal_harmonics


@dataclass(frozen=True)
class Neighbourhoods:
    """Edges j → i of a batch, sorted by i, and where they lie among the edges into i."""

    #: Atom j, ``(E,)``.
    source: Tensor
    #: Atom i, ``(E,)``.
    target: Tensor
    #: Index of the edge i → j between the same images, ``(E,)``.
    reverse: Tensor
    #: Å, ``(E,)``.
    distances: Tensor
    #: Unit vectors from j to i, ``(E, 3)``.
    directions: Tensor
    #: Number of the edge among those into i, ``(E,)``.
    slots: Tensor
    #: Edges into each atom, ``(N,)``.
    degrees: Tensor
    #: The most edges into one atom.
    width: int

    def pad(self, values: Tensor) -> Tensor:
        """Return ``(N, width, …)`` for values of the edges ``(E, …)``: those into each atom, then zeros."""
        padded = values.new_zeros(len(self.degrees), self.width, *values.shape[1:])
        return padded.index_put((self.target, self.slots), values)

    def take(self, padded: Tensor) -> Tensor:
        """Return ``(E, …)``, the values of the edges, of ``(N, width, …)``."""
        return padded[self.target, self.slots]

    def sum(self, values: Tensor) -> Tensor:
        """Return ``(N, …)``: values of the edges ``(E, …)`` summed over those into each atom."""
        return scatter_sum(values, self.target, len(self.degrees))

    def angles(self, n_functions: int) -> Tensor:
        """Return the zonal harmonics of the angles between edges into one atom.

        Args:
            n_functions: how many harmonics.

        Returns:
            ``(N, width · n_functions, width)``: for each edge c → i and harmonic a row over the edges b → i; zero for
            b = c and in empty slots, so that products with padded values sum over triplets.
        """
        directions = self.pad(self.directions)
        # Elementwise and not as a matrix product, which would be rounded in half or TensorFloat precision.
        cosines = (directions[:, :, None] * directions[:, None]).sum(-1).clamp(-1, 1)
        slots = torch.arange(self.width, device=self.slots.device)
        filled = slots < self.degrees[:, None]
        triplets = filled[:, :, None] & filled[:, None] & (slots[:, None] != slots)
        harmonics = zonal_harmonics(cosines, n_functions) * triplets[..., None]
        return harmonics.transpose(2, 3).flatten(1, 2)


def neighbourhoods(
    positions: Tensor, cells: Tensor, counts: Tensor, cutoff: float, max_neighbours: int
) -> Neighbourhoods:
    """Find the neighbours of all atoms, those in other images included.

    Args:
        positions: ``(N, 3)`` Å.
        cells: ``(B, 3, 3)``, rows are lattice vectors, Å.
        counts: ``(B,)`` atoms of each structure.
        cutoff: Å.
        max_neighbours: how many of the nearest are taken for each atom before the edges are made symmetric.

    Returns:
        the neighbourhoods; distances and directions carry gradients to positions and cells.
    """
    edges = symmetrise(radius_edges(positions, cells, counts, cutoff, max_neighbours))
    assert edges.reverse is not None
    vectors = edges.vectors(positions, cells, structure_of(counts, len(positions)))
    distances = torch.linalg.vector_norm(vectors, dim=1)
    degrees = torch.bincount(edges.target, minlength=len(positions))
    first = degrees.cumsum(0) - degrees
    return Neighbourhoods(
        source=edges.source,
        target=edges.target,
        reverse=edges.reverse,
        distances=distances,
        directions=-vectors / distances[:, None],
        slots=torch.arange(len(edges), device=first.device) - first[edges.target],
        degrees=degrees,
        width=int(degrees.max()) if len(edges) else 0,
    )
