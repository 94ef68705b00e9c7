"""DimeNet++, the encoder of CDVAE: from a periodic graph to some numbers per structure.

Source: DimeNet++ (arXiv 2011.14115) as CDVAE (arXiv 2110.06197) runs it: its output blocks have a bias in the layer
that widens (the original has none), and atoms are averaged. Parameters have the published names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..graphs.edges import Edges
from ..graphs.scatter import scatter_mean, scatter_sum
from ..graphs.triplets import triplets_chain
from .bessel import BesselLegendreBasis, SineBasis

#: Rows of the published table of elements; row Z is element Z, row 0 is not used.
ELEMENTS = 95
#: Å; keeps 1/x finite for edges shorter than any that a graph has.
SHORTEST = 1e-3


@dataclass(frozen=True)
class Sizes:
    """Widths and depths; the defaults are CDVAE's.

    Attributes:
        hidden: numbers per edge.
        blocks: interactions.
        triplet: numbers per edge in the sum over angles.
        basis: numbers to which both bases are narrowed.
        output: width of the output blocks.
        n_spherical: orders of the angular basis.
        n_radial: functions of the distance per order.
        exponent: of the envelope.
        before_skip: residual layers before the skip connection of an interaction.
        after_skip: and after it.
        output_layers: layers of an output block.
    """

    hidden: int = 128
    blocks: int = 4
    triplet: int = 64
    basis: int = 8
    output: int = 256
    n_spherical: int = 7
    n_radial: int = 6
    exponent: int = 5
    before_skip: int = 1
    after_skip: int = 2
    output_layers: int = 3


def glorot_orthogonal(weight: Tensor, scale: float = 2.0) -> None:
    """Fill a matrix with orthogonal rows or columns of the variance that Glorot asks for, times ``scale``."""
    with torch.no_grad():
        nn.init.orthogonal_(weight)
        weight *= (scale / (sum(weight.shape) * weight.var())).sqrt()


def _linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """Return a linear layer with the initial values of DimeNet: orthogonal weights, no bias."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    glorot_orthogonal(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class Embedding(nn.Module):
    """First message of each edge: from the elements at its ends and their distance."""

    def __init__(self, sizes: Sizes) -> None:
        """Make the layers."""
        super().__init__()
        self.emb = nn.Embedding(ELEMENTS, sizes.hidden)
        nn.init.uniform_(self.emb.weight, -math.sqrt(3), math.sqrt(3))
        self.lin_rbf = nn.Linear(sizes.n_radial, sizes.hidden)
        self.lin = nn.Linear(3 * sizes.hidden, sizes.hidden)

    def forward(self, numbers: Tensor, rbf: Tensor, edges: Edges) -> Tensor:
        """Return ``(E, hidden)``."""
        atoms = self.emb(numbers)
        distance = functional.silu(self.lin_rbf(rbf))
        return functional.silu(self.lin(torch.cat([atoms[edges.target], atoms[edges.source], distance], dim=1)))


class Residual(nn.Module):
    """Two layers and a shortcut around them."""

    def __init__(self, width: int) -> None:
        """Make the layers."""
        super().__init__()
        self.lin1 = _linear(width, width)
        self.lin2 = _linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(E, width)``."""
        return x + functional.silu(self.lin2(functional.silu(self.lin1(x))))


class Interaction(nn.Module):
    """New messages from those that come before, weighted by angle and distances."""

    def __init__(self, sizes: Sizes) -> None:
        """Make the layers."""
        super().__init__()
        hidden = sizes.hidden
        self.lin_rbf1 = _linear(sizes.n_radial, sizes.basis, bias=False)
        self.lin_rbf2 = _linear(sizes.basis, hidden, bias=False)
        self.lin_sbf1 = _linear(sizes.n_spherical * sizes.n_radial, sizes.basis, bias=False)
        self.lin_sbf2 = _linear(sizes.basis, sizes.triplet, bias=False)
        self.lin_kj = _linear(hidden, hidden)
        self.lin_ji = _linear(hidden, hidden)
        self.lin_down = _linear(hidden, sizes.triplet, bias=False)
        self.lin_up = _linear(sizes.triplet, hidden, bias=False)
        self.layers_before_skip = nn.ModuleList(Residual(hidden) for _ in range(sizes.before_skip))
        self.lin = _linear(hidden, hidden)
        self.layers_after_skip = nn.ModuleList(Residual(hidden) for _ in range(sizes.after_skip))

    def forward(self, x: Tensor, rbf: Tensor, sbf: Tensor, incoming: Tensor, outgoing: Tensor) -> Tensor:
        """Return ``(E, hidden)`` for messages ``(E, hidden)`` and triplets of edges."""
        message = functional.silu(self.lin_kj(x)) * self.lin_rbf2(self.lin_rbf1(rbf))
        message = functional.silu(self.lin_down(message))
        message = message[incoming] * self.lin_sbf2(self.lin_sbf1(sbf))
        message = functional.silu(self.lin_up(scatter_sum(message, outgoing, len(x))))
        hidden = functional.silu(self.lin_ji(x)) + message
        for layer in self.layers_before_skip:
            hidden = layer(hidden)
        hidden = functional.silu(self.lin(hidden)) + x
        for layer in self.layers_after_skip:
            hidden = layer(hidden)
        return hidden


class Output(nn.Module):
    """From the messages into an atom to what the atom adds to the result; begins as zero."""

    def __init__(self, sizes: Sizes, n_outputs: int) -> None:
        """Make the layers."""
        super().__init__()
        self.lin_rbf = _linear(sizes.n_radial, sizes.hidden, bias=False)
        self.lin_up = nn.Linear(sizes.hidden, sizes.output)
        glorot_orthogonal(self.lin_up.weight)
        self.lins = nn.ModuleList(_linear(sizes.output, sizes.output) for _ in range(sizes.output_layers))
        self.lin = nn.Linear(sizes.output, n_outputs, bias=False)
        nn.init.zeros_(self.lin.weight)

    def forward(self, x: Tensor, rbf: Tensor, edges: Edges, n_atoms: int) -> Tensor:
        """Return ``(N, n_outputs)``."""
        atoms = self.lin_up(scatter_sum(self.lin_rbf(rbf) * x, edges.target, n_atoms))
        for layer in self.lins:
            atoms = functional.silu(layer(atoms))
        return self.lin(atoms)


class DimeNetPlusPlus(nn.Module):
    """The whole network."""

    def __init__(self, n_outputs: int, cutoff: float, sizes: Sizes | None = None) -> None:
        """Make the layers, with their initial values from torch's own random stream.

        Args:
            n_outputs: numbers per structure.
            cutoff: at which the bases vanish, Å.
            sizes: widths and depths.
        """
        super().__init__()
        sizes = sizes or Sizes()
        self.cutoff = cutoff
        self.rbf = SineBasis(sizes.n_radial, sizes.exponent)
        self.sbf = BesselLegendreBasis(sizes.n_spherical, sizes.n_radial, sizes.exponent)
        self.emb = Embedding(sizes)
        self.output_blocks = nn.ModuleList(Output(sizes, n_outputs) for _ in range(sizes.blocks + 1))
        self.interaction_blocks = nn.ModuleList(Interaction(sizes) for _ in range(sizes.blocks))

    def forward(self, numbers: Tensor, vectors: Tensor, edges: Edges, structure: Tensor, n_structures: int) -> Tensor:
        """Return ``(B, n_outputs)``, the mean over the atoms of each structure.

        Args:
            numbers: atomic numbers, ``(N,)``.
            vectors: from target to source of each edge, Å, ``(E, 3)``.
            edges: who sends to whom.
            structure: of each atom, ``(N,)``.
            n_structures: B.
        """
        incoming, outgoing = triplets_chain(edges, len(numbers))
        distances = (vectors**2).sum(dim=1).clamp(min=SHORTEST**2).sqrt()
        unit = vectors / distances[:, None]
        cosine = (unit[incoming] * unit[outgoing]).sum(dim=1).clamp(-1.0, 1.0)
        x = distances / self.cutoff
        rbf = self.rbf(x)
        sbf = (self.sbf.radial(x)[incoming] * self.sbf.angular(cosine)[:, :, None]).flatten(1)
        message = self.emb(numbers, rbf, edges)
        total = self.output_blocks[0](message, rbf, edges, len(numbers))
        for interaction, output in zip(self.interaction_blocks, list(self.output_blocks)[1:], strict=True):
            message = interaction(message, rbf, sbf, incoming, outgoing)
            total = total + output(message, rbf, edges, len(numbers))
        return scatter_mean(total, structure, n_structures)
