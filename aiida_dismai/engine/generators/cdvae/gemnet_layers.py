"""Small layers of GemNet and their initial weights.

Names of the entries are those of the published modules (``…dense_mlp.0.linear.weight``), so that weights can be moved
between the two. Hidden layers have no bias: an atom without neighbours sends nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

#: SiLU times this keeps the second moment of normal numbers about 1 (GemNet, arXiv 2106.08903, appendix) [code].
SILU_FACTOR = 1 / 0.6
#: Every sum of two branches is divided by √2, which keeps the variance of independent branches.
SKIP = math.sqrt(0.5)
#: Added to the variance of a row when it is normalised; small, but that of the published code.
VARIANCE_EPS = 1e-6


def scaled_silu(values: Tensor) -> Tensor:
    """Return SiLU(values) / 0.6."""
    return functional.silu(values) * SILU_FACTOR


class Dense(nn.Module):
    """A linear map without bias, by default with the scaled SiLU behind it."""

    def __init__(self, n_inputs: int, n_outputs: int, activated: bool = True) -> None:
        """Make the layer; :func:`initialise` gives it its values."""
        super().__init__()
        self.linear = nn.Linear(n_inputs, n_outputs, bias=False)
        self.activated = activated

    def forward(self, values: Tensor) -> Tensor:
        """Return ``(…, n_outputs)`` for ``(…, n_inputs)``."""
        values = self.linear(values)
        return scaled_silu(values) if self.activated else values


class ResidualLayer(nn.Module):
    """Two dense layers and the way past them."""

    def __init__(self, width: int) -> None:
        """Make the layers."""
        super().__init__()
        self.dense_mlp = nn.Sequential(Dense(width, width), Dense(width, width))

    def forward(self, values: Tensor) -> Tensor:
        """Return values of the same shape."""
        return (values + self.dense_mlp(values)) * SKIP


def tower(n_inputs: int, width: int, n_residual: int) -> nn.Sequential:
    """Make one dense layer with ``n_residual`` residual layers behind it."""
    return nn.Sequential(Dense(n_inputs, width), *(ResidualLayer(width) for _ in range(n_residual)))


class EdgeEmbedding(nn.Module):
    """A dense layer on the features of both atoms of an edge and of the edge itself.

    The map of the concatenated features is the sum of three maps; those of the atoms are made once per atom and not
    once per edge.
    """

    def __init__(self, atom_width: int, edge_inputs: int, n_outputs: int) -> None:
        """Make the layer: inputs are source atom, target atom, edge, in this order."""
        super().__init__()
        self.dense = Dense(2 * atom_width + edge_inputs, n_outputs)
        self.widths = [atom_width, atom_width, edge_inputs]

    def forward(self, atoms: Tensor, edges: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return ``(E, n_outputs)`` for atoms ``(N, atom_width)`` and edges ``(E, edge_inputs)``."""
        of_source, of_target, of_edge = self.dense.linear.weight.split(self.widths, dim=1)
        mapped = functional.linear(edges, of_edge)
        mapped = mapped + functional.linear(atoms, of_source)[source] + functional.linear(atoms, of_target)[target]
        return scaled_silu(mapped)


@torch.no_grad()
def he_orthogonal_(weight: Tensor, random: torch.Generator | None = None) -> Tensor:
    """Fill a weight with decorrelated rows of mean 0 and variance 1 / inputs.

    A (semi-)orthogonal matrix whose rows are then normalised. Source: GemNet (arXiv 2106.08903, appendix) and its
    code, which takes the last axis of a weight with three axes as outputs and the first axis of a matrix.

    Args:
        weight: two or three axes, changed in place.
        random: where the numbers come from; torch's own stream without it.

    Returns:
        the weight.
    """
    nn.init.orthogonal_(weight, generator=random)
    axes = (0, 1) if weight.dim() == 3 else (1,)
    inputs = math.prod(weight.shape[axis] for axis in axes)
    variance, mean = torch.var_mean(weight, dim=axes, keepdim=True)
    return weight.sub_(mean).div_(torch.sqrt(variance + VARIANCE_EPS)).mul_(inputs**-0.5)
