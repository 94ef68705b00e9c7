"""CryinGAN's networks as the paper has them, convolutions over an n × 3 image, and distances over all images of a cell.

The oracle of the tests and the yardstick of the benchmark.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn

from aiida_dismai.engine.generators.cryingan.model import Critic, Generator


class PublishedGenerator(nn.Module):
    """The generator as the paper has it: transposed convolutions over an n × 3 image."""

    def __init__(self, n_atoms, latent, channels):
        super().__init__()
        first, second, third, fourth = channels
        self.n_atoms = n_atoms
        self.linear = nn.Linear(latent, first * n_atoms)
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(first, second, (1, 3)),
            nn.BatchNorm2d(second, 0.8),
            nn.ReLU(),
            nn.ConvTranspose2d(second, third, (1, 1)),
            nn.BatchNorm2d(third, 0.8),
            nn.ReLU(),
            nn.ConvTranspose2d(third, fourth, (1, 1)),
            nn.BatchNorm2d(fourth, 0.8),
            nn.ReLU(),
            nn.ConvTranspose2d(fourth, 1, (1, 1)),
            nn.Sigmoid(),
        )

    def forward(self, noise):
        hidden = torch.relu(self.linear(noise))
        return self.layers(hidden.view(len(noise), -1, self.n_atoms, 1))[:, 0]


class PublishedCritic(nn.Module):
    """A critic as the paper has it: convolutions, and a mean over the rows of each element."""

    def __init__(self, width, blocks, channels, head):
        super().__init__()
        self.blocks = blocks
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels[0], (1, width)),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels[0], channels[1], (1, 1)),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels[1], channels[2], (1, 1)),
            nn.LeakyReLU(0.2),
        )
        self.head = nn.Sequential(
            nn.Linear(channels[2] * len(blocks), head[0]),
            nn.LeakyReLU(0.2),
            nn.Linear(head[0], head[1]),
            nn.LeakyReLU(0.2),
            nn.Linear(head[1], head[2]),
        )

    def forward(self, atoms):
        hidden = self.layers(atoms.unsqueeze(1))
        pooled = [torch.nn.functional.avg_pool2d(part, (part.shape[2], 1)) for part in hidden.split(self.blocks, dim=2)]
        return self.head(torch.cat(pooled, dim=1).flatten(1)).mean(dim=1)


def published_generator(own: Generator, latent, channels):
    """Return the published network with the weights of ours."""
    theirs = PublishedGenerator(own.n_atoms, latent, channels)
    convolutions = [theirs.layers[i] for i in (3, 6, 9)]
    with torch.no_grad():
        theirs.linear.load_state_dict(own.latent.state_dict())
        theirs.layers[0].weight.copy_(own.axes_weight.permute(0, 2, 1).unsqueeze(2))
        theirs.layers[0].bias.copy_(own.axes_bias)
        for convolution, linear in zip(convolutions, (own.map2, own.map3, own.last), strict=True):
            convolution.weight.copy_(linear.weight.T[:, :, None, None])
            convolution.bias.copy_(linear.bias)
        for index, norm in zip((1, 4, 7), (own.norm1, own.norm2, own.norm3), strict=True):
            theirs.layers[index].load_state_dict(norm.state_dict())
    return theirs


def published_critic(own: Critic, width, blocks, channels, head):
    """Return the published network with the weights of ours."""
    theirs = PublishedCritic(width, blocks, channels, head)
    with torch.no_grad():
        for index, linear in zip((0, 2, 4), (own.map1, own.map2, own.map3), strict=True):
            weight = linear.weight
            theirs.layers[index].weight.copy_(weight[:, None, None, :] if index == 0 else weight[:, :, None, None])
            theirs.layers[index].bias.copy_(linear.bias)
        for index, linear in zip((0, 2, 4), (own.head1, own.head2, own.head3), strict=True):
            theirs.head[index].load_state_dict(linear.state_dict())
    return theirs


def plain_distances(coordinates, cell, n_neighbors):
    """Return distances of nearest neighbours, ``(B, n, n_neighbors)``: the shortest of 27 images of each pair."""
    shifts = torch.tensor(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))
    difference = coordinates[:, None] - coordinates[:, :, None]
    difference = (difference - difference.round())[:, :, :, None] + shifts
    squares = (difference @ cell).square().sum(dim=-1).min(dim=-1).values
    squares = squares + torch.diag(torch.full((coordinates.shape[1],), torch.inf))
    return squares.topk(n_neighbors, dim=-1, largest=False).values.clamp_min(1e-12).sqrt()
