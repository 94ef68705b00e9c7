"""CGCNN as a critic: a graph of each structure, made of its fractional coordinates and differentiable in them.

Source: Xie and Grossman, PRL 120, 145301 (2018): eq. 5 with batch normalisations as published, Gaussian functions of
the distances, the mean over the atoms. Neighbours are found without a gradient; their distances have one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..graphs.batch import apply_rows, structure_of
from ..graphs.edges import Edges, radius_edges
from ..graphs.scatter import scatter_sum
from .config import CryinganParameters


class GraphCritic(nn.Module):
    """From fractional coordinates to one score per structure; blind to the order of atoms of one element.

    Attributes:
        cell: rows are the lattice vectors, Å, ``(3, 3)``; ``periods`` what the graph takes for them.
        centres: of the Gaussian functions, Å, ``(g,)``.
        elements: 1 at the element of each atom, else 0, ``(n_atoms, n_elements)``.
    """

    cell: Tensor
    periods: Tensor
    centres: Tensor
    elements: Tensor

    def __init__(
        self,
        blocks: Sequence[int],
        cell: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        parameters: CryinganParameters,
    ) -> None:
        """Make the layers; :meth:`initialise` gives them their values.

        Args:
            blocks: atoms of each element, in order.
            cell: rows are the lattice vectors, Å, ``(3, 3)``.
            pbc: which of them are periods, ``(3,)``.
            parameters: hyper-parameters.
        """
        super().__init__()
        self.cutoff, self.neighbors = parameters.cgcnn_cutoff, parameters.cgcnn_neighbors
        self.step = parameters.cgcnn_gaussian_step
        centres = np.arange(math.ceil(self.cutoff / self.step - 1e-9) + 1) * self.step
        constants = {
            "cell": cell,
            "periods": _apart(cell, pbc, self.cutoff),
            "centres": centres,
            "elements": np.repeat(np.eye(len(blocks)), blocks, axis=0),
        }
        for name, values in constants.items():
            self.register_buffer(name, torch.tensor(np.asarray(values), dtype=torch.float32), persistent=False)
        width, head = parameters.cgcnn_channels, parameters.cgcnn_head
        self.embedding = nn.Linear(len(blocks), width)
        self.convolutions = nn.ModuleList(
            Convolution(width, len(centres)) for _ in range(parameters.cgcnn_convolutions)
        )
        self.pooled = nn.Linear(width, head)
        self.hidden = nn.ModuleList(nn.Linear(head, head) for _ in range(parameters.cgcnn_head_layers - 1))
        self.score = nn.Linear(head, 1)

    def forward(self, fractional: Tensor) -> Tensor:
        """Return the scores ``(B,)`` for fractional coordinates ``(B, n_atoms, 3)``."""
        batch, n_atoms, _ = fractional.shape
        edges, lengths = self.graph(fractional)
        bonds = torch.exp(-(((lengths[:, None] - self.centres) / self.step) ** 2))
        atoms = self.embedding(self.elements).repeat(batch, 1)
        for convolution in self.convolutions:
            atoms = convolution(atoms, bonds, edges)
        pooled = atoms.view(batch, n_atoms, -1).mean(dim=1)
        hidden = functional.softplus(self.pooled(functional.softplus(pooled)))
        for layer in self.hidden:
            hidden = functional.softplus(layer(hidden))
        # Atoms at NaN have no neighbours, but the score of their structure must say that it is none.
        return self.score(hidden).squeeze(1) + (0.0 * fractional).sum(dim=(1, 2))

    def graph(self, fractional: Tensor) -> tuple[Edges, Tensor]:
        """Connect every atom with its nearest neighbours.

        Args:
            fractional: ``(B, n_atoms, 3)``.

        Returns:
            The edges, and their lengths, Å, ``(E,)``, differentiable with respect to the coordinates.
        """
        batch, n_atoms, _ = fractional.shape
        counts = torch.full((batch,), n_atoms, device=fractional.device)
        structure = structure_of(counts, batch * n_atoms)
        positions = apply_rows(fractional.reshape(-1, 3), self.cell.expand(batch * n_atoms, 3, 3))
        periods = self.periods.expand(batch, 3, 3)
        edges = radius_edges(positions.detach(), periods, counts, self.cutoff, self.neighbors)
        return edges, edges.vectors(positions, periods, structure).square().sum(dim=1).sqrt()

    @torch.no_grad()
    def initialise(self, random: torch.Generator) -> None:
        """Draw weights and biases as torch does by default, uniform in ±1/√(inputs), as the published code has them."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                bound = 1 / math.sqrt(layer.in_features)
                layer.weight.uniform_(-bound, bound, generator=random)
                layer.bias.uniform_(-bound, bound, generator=random)


class Convolution(nn.Module):
    """One graph convolution with a gate for every bond."""

    def __init__(self, width: int, n_gaussians: int) -> None:
        """Make the layers for ``width`` channels per atom and ``n_gaussians`` numbers per bond."""
        super().__init__()
        self.widths = [width, width, n_gaussians]
        self.full = nn.Linear(sum(self.widths), 2 * width)
        self.norm_bonds = nn.BatchNorm1d(2 * width)
        self.norm_atoms = nn.BatchNorm1d(width)

    def forward(self, atoms: Tensor, bonds: Tensor, edges: Edges) -> Tensor:
        """Return the channels of the atoms after the convolution.

        The linear map of (atom, neighbour, bond) is the sum of three; those of atoms are made once per atom, not once
        per bond.

        Args:
            atoms: ``(N, width)``.
            bonds: ``(E, n_gaussians)``.
            edges: from neighbours to atoms.
        """
        atom, neighbor, bond = self.full.weight.split(self.widths, dim=1)
        mapped = functional.linear(bonds, bond, self.full.bias)
        mapped = mapped + functional.linear(atoms, atom).index_select(0, edges.target)
        mapped = mapped + functional.linear(atoms, neighbor).index_select(0, edges.source)
        gate, core = _normalised(self.norm_bonds, mapped).chunk(2, dim=1)
        messages = scatter_sum(torch.sigmoid(gate) * functional.softplus(core), edges.target, len(atoms))
        return functional.softplus(atoms + _normalised(self.norm_atoms, messages))


def _normalised(norm: nn.BatchNorm1d, rows: Tensor) -> Tensor:
    """Apply a batch normalisation; fewer than two rows have no statistics, and get those of earlier batches."""
    if len(rows) > 1:
        return norm(rows)
    return functional.batch_norm(
        rows, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
    )


def _apart(cell: NDArray[np.float64], pbc: NDArray[np.bool_], cutoff: float) -> NDArray[np.float64]:
    """Return the cell with every axis that is no period so long that no atom sees another's image along it."""
    spacing = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    return np.asarray(cell * np.where(pbc, 1.0, 1.0 + (cutoff + 1.0) / spacing)[:, None])
