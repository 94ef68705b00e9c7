"""The networks of CryinGAN: one generator, and critics that differ in what they see of an atom and how they pool.

The published networks are convolutions over an image of n atoms × 3 coordinates whose kernels span one
row and never more: each is the same linear map for every atom. They are written as that map here
(channels last), which is several times faster on a CPU and gives the same numbers for the same weights
(a test compares with ``Conv2d`` and ``ConvTranspose2d``). Parameters, their number and the scale of
their initial values are those of the convolutions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...structures import StructureSet
from ..trainable import count_parameters
from .cgcnn import GraphCritic
from .config import CryinganParameters
from .views import SEEN

#: ``eps`` of the batch normalisations; an odd value, but the published one.
NORM_EPS = 0.8
#: Slope of LeakyReLU below zero.
SLOPE = 0.2
AXES = 3
#: How the atoms of an element become one row.
POOLINGS: dict[str, Callable[..., Tensor]] = {"mean": torch.mean, "max": torch.amax}


def leaky_relu(values: Tensor) -> Tensor:
    """Apply LeakyReLU as a product with a constant.

    The value and the gradients are those of the built-in function. Its second derivative is zero
    nearly everywhere, but autograd would still carry those zeros back through all layers when it
    differentiates the gradient penalty; here it knows that there is nothing to carry.
    """
    return values * torch.where(values > 0, 1.0, SLOPE)


class Generator(nn.Module):
    """From Gaussian numbers to the fractional coordinates of all atoms."""

    def __init__(self, n_atoms: int, latent_dim: int, channels: Sequence[int]) -> None:
        """Make the layers; :func:`initialise` gives them their values.

        Args:
            n_atoms: of every structure.
            latent_dim: Gaussian numbers per structure.
            channels: after the linear layer and after the three transposed convolutions.
        """
        super().__init__()
        first, second, third, fourth = channels
        self.n_atoms = n_atoms
        self.latent = nn.Linear(latent_dim, first * n_atoms)
        # Transposed convolution with kernel (1, 3): from one column to the three axes, one bias for all three.
        self.axes_weight = nn.Parameter(torch.empty(first, AXES, second))
        self.axes_bias = nn.Parameter(torch.empty(second))
        self.norm1 = nn.BatchNorm1d(second, eps=NORM_EPS)
        self.map2 = nn.Linear(second, third)
        self.norm2 = nn.BatchNorm1d(third, eps=NORM_EPS)
        self.map3 = nn.Linear(third, fourth)
        self.norm3 = nn.BatchNorm1d(fourth, eps=NORM_EPS)
        self.last = nn.Linear(fourth, 1)

    def forward(self, noise: Tensor) -> Tensor:
        """Return fractional coordinates in (0, 1), ``(B, n_atoms, 3)``, for noise ``(B, latent_dim)``."""
        batch = len(noise)
        hidden = functional.relu(self.latent(noise)).view(batch, -1, self.n_atoms).transpose(1, 2)
        hidden = hidden.reshape(batch * self.n_atoms, -1) @ self.axes_weight.flatten(1)
        hidden = hidden.view(batch * self.n_atoms * AXES, -1) + self.axes_bias
        hidden = functional.relu(self.norm1(hidden))
        hidden = functional.relu(self.norm2(self.map2(hidden)))
        hidden = functional.relu(self.norm3(self.map3(hidden)))
        return torch.sigmoid(self.last(hidden)).view(batch, self.n_atoms, AXES)


class Critic(nn.Module):
    """From some numbers per atom to one score per structure; blind to the order of atoms of one element."""

    def __init__(
        self,
        n_inputs: int,
        blocks: Sequence[int],
        channels: Sequence[int],
        head: Sequence[int],
        pooling: str = "mean",
    ) -> None:
        """Make the layers; :func:`initialise` gives them their values.

        Args:
            n_inputs: numbers per atom, the width of the first kernel.
            blocks: atoms of each element, in order.
            channels: of the three convolutions.
            head: widths of the three linear layers.
            pooling: of the atoms of an element: ``mean``, ``max``, or ``mix``, both side by side.
        """
        super().__init__()
        self.blocks = list(blocks)
        self.poolings = [POOLINGS[name] for name in (("mean", "max") if pooling == "mix" else (pooling,))]
        self.map1 = nn.Linear(n_inputs, channels[0])
        self.map2 = nn.Linear(channels[0], channels[1])
        self.map3 = nn.Linear(channels[1], channels[2])
        self.head1 = nn.Linear(channels[2] * len(blocks) * len(self.poolings), head[0])
        self.head2 = nn.Linear(head[0], head[1])
        self.head3 = nn.Linear(head[1], head[2])

    def forward(self, atoms: Tensor) -> Tensor:
        """Return the scores ``(B,)`` for inputs ``(B, n_atoms, n_inputs)``."""
        hidden = leaky_relu(self.map3(leaky_relu(self.map2(leaky_relu(self.map1(atoms))))))
        blocks = hidden.split(self.blocks, dim=1)
        pooled = torch.cat([pool(block, dim=1) for pool in self.poolings for block in blocks], dim=1)
        return self.head3(leaky_relu(self.head2(leaky_relu(self.head1(pooled))))).mean(dim=1)


#: All that has weights here.
Network = Generator | Critic | GraphCritic


@torch.no_grad()
def initialise(module: Network, random: torch.Generator) -> None:
    """Draw Xavier-uniform weights, with the fans of the published convolutions, and set biases to zero.

    A graph critic has its own rule.

    A kernel of width w multiplies both fans of a convolution by w, also where one of the channels is
    spread over the columns; that is where the bounds differ from those of the linear map.
    """
    if isinstance(module, GraphCritic):
        module.initialise(random)
        return

    def draw(weight: Tensor, fans: int) -> None:
        weight.uniform_(-math.sqrt(6 / fans), math.sqrt(6 / fans), generator=random)

    for name, layer in module.named_modules():
        if isinstance(layer, nn.Linear):
            fans = layer.in_features + layer.out_features
            if isinstance(module, Critic) and name == "map1":
                fans = layer.in_features * (1 + layer.out_features)
            draw(layer.weight, fans)
            layer.bias.zero_()
    if isinstance(module, Generator):
        first, width, second = module.axes_weight.shape
        draw(module.axes_weight, width * (first + second))
        module.axes_bias.zero_()


def element_blocks(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return (atomic number, count) of each run of equal atoms."""
    return [(int(number), len(list(run))) for number, run in groupby(numbers)]


def build_generator(n_atoms: int, parameters: CryinganParameters) -> Generator:
    """Make the generator for structures of ``n_atoms``."""
    return Generator(n_atoms, parameters.latent_dim, parameters.generator_channels)


def build_critics(
    numbers: Sequence[int], cell: NDArray[np.float64], pbc: NDArray[np.bool_], parameters: CryinganParameters
) -> dict[str, Critic | GraphCritic]:
    """Make the critics that are asked for, ``coordinates`` before ``distances``.

    Args:
        numbers: atomic numbers, grouped by element.
        cell: rows are the lattice vectors, Å, ``(3, 3)``.
        pbc: which of them are periods, ``(3,)``.
        parameters: hyper-parameters.
    """
    blocks = [count for _, count in element_blocks(numbers)]
    if parameters.critic == "cgcnn":
        return {name: GraphCritic(blocks, cell, pbc, parameters) for name in parameters.judges()}
    widths = {"coordinates": AXES, "distances": parameters.n_neighbors}
    return {
        name: Critic(
            sum(widths[part] for part in SEEN[name]),
            blocks,
            parameters.critic_channels,
            parameters.critic_head,
            parameters.pooling,
        )
        for name in parameters.judges()
    }


def parts(template: StructureSet, parameters: CryinganParameters) -> dict[str, int]:
    """Return the trainable parameters of generator and critics for structures like ``template``.

    They depend on the number of atoms and of elements only, so the order of the atoms does not matter here.
    """
    numbers = sorted(template.numbers.tolist())
    with torch.device("meta"):
        generator = build_generator(len(numbers), parameters)
        critics = build_critics(numbers, template.cells[0], template.pbc[0], parameters)
    counts = {"generator": count_parameters(generator)}
    return counts | {f"critic_{name}": count_parameters(critic) for name, critic in critics.items()}
