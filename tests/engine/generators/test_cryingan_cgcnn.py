"""The graph convolutional critic beside CGCNN as published, on the neighbours that ASE finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from torch import nn
from torch.nn import functional

from aiida_dismai.engine.generators.cryingan.cgcnn import GraphCritic
from aiida_dismai.engine.generators.cryingan.config import CryinganParameters

CELL = np.array([[4.0, 0.0, 0.0], [-1.0, 4.5, 0.0], [0.25, 0.75, 6.0]])
BLOCKS = [3, 1, 4]
PARAMETERS = CryinganParameters(critic="cgcnn", cgcnn_head_layers=2)


class PublishedConvolution(nn.Module):
    """Eq. 5 of the paper with batch normalisations: one map of (atom, neighbour, bond) for every bond."""

    def __init__(self, width, n_gaussians):
        super().__init__()
        self.fc_full = nn.Linear(2 * width + n_gaussians, 2 * width)
        self.bn1 = nn.BatchNorm1d(2 * width)
        self.bn2 = nn.BatchNorm1d(width)

    def forward(self, atoms, bonds, own, other):
        gated = self.bn1(self.fc_full(torch.cat([atoms[own], atoms[other], bonds], dim=1)))
        gate, core = gated.chunk(2, dim=1)
        messages = torch.sigmoid(gate) * functional.softplus(core)
        summed = torch.stack([messages[own == atom].sum(dim=0) for atom in range(len(atoms))])
        return functional.softplus(atoms + self.bn2(summed))


class PublishedNetwork(nn.Module):
    """CGCNN with its default sizes, for features of elements that are 1 for the element and 0 else."""

    def __init__(self, n_elements, head_layers):
        super().__init__()
        self.embedding = nn.Linear(n_elements, 64)
        self.convs = nn.ModuleList(PublishedConvolution(64, 41) for _ in range(3))
        self.conv_to_fc = nn.Linear(64, 128)
        self.fcs = nn.ModuleList(nn.Linear(128, 128) for _ in range(head_layers - 1))
        self.fc_out = nn.Linear(128, 1)

    def forward(self, atoms, bonds, own, other, n_structures):
        atoms = self.embedding(atoms)
        for convolution in self.convs:
            atoms = convolution(atoms, bonds, own, other)
        pooled = atoms.view(n_structures, -1, 64).mean(dim=1)
        hidden = functional.softplus(self.conv_to_fc(functional.softplus(pooled)))
        for layer in self.fcs:
            hidden = functional.softplus(layer(hidden))
        return self.fc_out(hidden)[:, 0]


def published(own: GraphCritic) -> PublishedNetwork:
    """Return the published network with the weights of ours."""
    names = {
        "convolutions": "convs", "full": "fc_full", "norm_bonds": "bn1", "norm_atoms": "bn2",
        "pooled": "conv_to_fc", "hidden": "fcs", "score": "fc_out",
    }  # fmt: skip
    theirs = PublishedNetwork(len(BLOCKS), 2).double()
    weights = own.state_dict().items()
    theirs.load_state_dict(
        {".".join(names.get(part, part) for part in key.split(".")): value for key, value in weights}
    )
    return theirs


def graph(fractional, pbc):
    """Return of each bond the Gaussian functions of its length, its atom and its neighbour: the twelve within 8 Å."""
    found = []
    for first, points in enumerate(fractional):
        own, other, length = neighbor_list("ijd", Atoms("H8", points @ CELL, cell=CELL, pbc=pbc), 8.0)
        for atom in range(8):
            near = np.flatnonzero(own == atom)
            near = near[np.argsort(length[near], kind="stable")][:12]
            found += [(length[k], 8 * first + atom, 8 * first + other[k]) for k in near]
    lengths = np.array([length for length, _, _ in found])
    centres = np.arange(41) * 0.2
    bonds = np.exp(-(((lengths[:, None] - centres) / 0.2) ** 2))
    own, other = (torch.tensor([bond[k] for bond in found]) for k in (1, 2))
    return torch.from_numpy(bonds), own, other


@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False), (False, True, False)])
def test_scores_are_those_of_the_published_network(pbc):
    critic = GraphCritic(BLOCKS, CELL, np.array(pbc), PARAMETERS)
    critic.initialise(torch.Generator().manual_seed(3))
    critic.double()
    theirs = published(critic)
    fractional = np.random.default_rng(5).random((3, 8, 3))
    elements = torch.eye(3, dtype=torch.float64)[np.repeat([0, 1, 2], BLOCKS)].repeat(3, 1)
    bonds, own, other = graph(fractional, pbc)
    for _ in range(2):  # statistics of the batch, then of all batches so far
        scores = critic(torch.from_numpy(fractional))
        torch.testing.assert_close(scores, theirs(elements, bonds, own, other, 3), rtol=1e-5, atol=0)
        critic.eval()
        theirs.eval()
    assert float(scores.detach().std()) > 1e-6
