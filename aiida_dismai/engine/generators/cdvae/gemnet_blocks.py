"""The blocks of GemNet-T: messages over triplets, atoms from edges, displacements from edges.

Source: GemNet (arXiv 2106.08903), figure 2 and its appendix; widths and the order of layers of the code that CDVAE
uses. In the equations c → a is the edge that is updated and b → a another edge into the same atom.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .gemnet_graph import Neighbourhoods
from .gemnet_layers import SKIP, Dense, EdgeEmbedding, ResidualLayer, tower
from .scale_factor import ScaleFactor


@dataclass(frozen=True)
class Widths:
    """Sizes of GemNet's layers; the defaults are CDVAE's."""

    #: Features of an atom.
    atom: int = 128
    #: Features of an edge.
    edge: int = 128
    #: Features of an edge while it is summed over triplets, before and after the bilinear layer.
    triplet: int = 64
    bilinear: int = 64
    #: Radial functions after the shared projection, for products and for the bilinear layer.
    radial: int = 16
    circular: int = 16
    #: Harmonics of the angle, radial functions of the distance.
    n_spherical: int = 7
    n_radial: int = 128
    #: Residual layers before and after the first skip, after the concatenation, and on atoms.
    before_skip: int = 1
    after_skip: int = 2
    concatenated: int = 1
    atom_layers: int = 3


@dataclass(frozen=True)
class Bases:
    """What all blocks see of the geometry."""

    #: Radial functions for the triplets, the atoms and the output, ``(E, radial)`` each.
    triplet: Tensor
    atom: Tensor
    output: Tensor
    #: Radial functions of c → a for each harmonic, ``(E, circular, n_spherical)``.
    circular: Tensor
    #: Harmonics between edges into one atom, as :meth:`Neighbourhoods.angles` lays them out.
    angles: Tensor


class DownProjection(nn.Module):
    """Fewer radial functions for each harmonic, the same in all blocks."""

    def __init__(self, n_spherical: int, n_radial: int, n_outputs: int) -> None:
        """Make the weight."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_spherical, n_radial, n_outputs))

    def forward(self, radial: Tensor) -> Tensor:
        """Return ``(E, n_outputs, n_spherical)`` for ``(E, n_radial)``."""
        n_spherical, n_radial, n_outputs = self.weight.shape
        weight = self.weight.permute(1, 2, 0).reshape(n_radial, n_outputs * n_spherical)
        return (radial @ weight).view(-1, n_outputs, n_spherical)


class Bilinear(nn.Module):
    """Sum over triplets of a bilinear map of message and basis.

    ``out_u(ca) = Σ_b Σ_s Σ_i Σ_m W[m, i, u] · R[ca, i, s] · Y_s(cos ∠cab) · x_m(ba)``, summed from the right
    ("efficient bilinear layer", GemNet, section 6), so that no triplet ever has more than its harmonics.
    """

    def __init__(self, n_messages: int, n_circular: int, n_outputs: int) -> None:
        """Make the weight."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_messages, n_circular, n_outputs))

    def forward(self, messages: Tensor, bases: Bases, near: Neighbourhoods) -> Tensor:
        """Return ``(E, n_outputs)`` for messages ``(E, n_messages)``."""
        n_messages, n_circular, n_outputs = self.weight.shape
        summed = bases.angles.to(messages.dtype) @ near.pad(messages)
        summed = near.take(summed.unflatten(1, (near.width, bases.circular.shape[-1])))
        summed = (bases.circular @ summed).view(-1, n_circular * n_messages)
        return summed @ self.weight.transpose(0, 1).reshape(n_circular * n_messages, n_outputs)


class TripletInteraction(nn.Module):
    """What the other edges into both of its atoms tell an edge."""

    def __init__(self, widths: Widths) -> None:
        """Make the layers."""
        super().__init__()
        self.dense_ba = Dense(widths.edge, widths.edge)
        self.mlp_rbf = Dense(widths.radial, widths.edge, activated=False)
        self.scale_rbf = ScaleFactor()
        self.down_projection = Dense(widths.edge, widths.triplet)
        self.mlp_cbf = Bilinear(widths.triplet, widths.circular, widths.bilinear)
        self.scale_cbf_sum = ScaleFactor()
        self.up_projection_ca = Dense(widths.bilinear, widths.edge)
        self.up_projection_ac = Dense(widths.bilinear, widths.edge)

    def forward(self, edges: Tensor, bases: Bases, near: Neighbourhoods) -> Tensor:
        """Return ``(E, edge)`` for features of the edges ``(E, edge)``."""
        plain = self.dense_ba(edges)
        messages = self.down_projection(self.scale_rbf(plain * self.mlp_rbf(bases.triplet), lambda: plain))
        # An edge into an atom with d edges is in d − 1 triplets.
        summed = self.scale_cbf_sum(
            self.mlp_cbf(messages, bases, near),
            lambda: messages.repeat_interleave(near.degrees[near.target] - 1, dim=0),
        )
        return (self.up_projection_ca(summed) + self.up_projection_ac(summed)[near.reverse]) * SKIP


class AtomUpdate(nn.Module):
    """New features of an atom from the edges into it."""

    def __init__(self, widths: Widths) -> None:
        """Make the layers."""
        super().__init__()
        self.dense_rbf = Dense(widths.radial, widths.edge, activated=False)
        self.scale_sum = ScaleFactor()
        self.layers = tower(widths.edge, widths.atom, widths.atom_layers)

    def forward(self, edges: Tensor, bases: Bases, near: Neighbourhoods) -> Tensor:
        """Return ``(N, atom)`` for features of the edges ``(E, edge)``."""
        return self.layers(self.scale_sum(near.sum(edges * self.dense_rbf(bases.atom)), lambda: edges))


class OutputBlock(nn.Module):
    """A number for each edge, along which its target is to be pushed.

    The published block also makes an energy of each atom, which CDVAE throws away. Its layers are here, so that
    published weights can be loaded and the parameters are as many as published; they are not evaluated and get no
    gradient.
    """

    def __init__(self, widths: Widths) -> None:
        """Make the layers."""
        super().__init__()
        self.dense_rbf = Dense(widths.radial, widths.edge, activated=False)
        self.scale_sum = ScaleFactor()
        self.seq_energy = tower(widths.edge, widths.atom, widths.atom_layers)
        self.out_energy = Dense(widths.atom, 1, activated=False)
        self.scale_rbf_F = ScaleFactor()
        self.seq_forces = tower(widths.edge, widths.edge, widths.atom_layers)
        self.out_forces = Dense(widths.edge, 1, activated=False)
        self.dense_rbf_F = Dense(widths.radial, widths.edge, activated=False)

    def forward(self, edges: Tensor, bases: Bases, near: Neighbourhoods) -> Tensor:
        """Return ``(E, 1)`` for features of the edges ``(E, edge)``."""
        if self.scale_sum.watch is not None:
            self.scale_sum(near.sum(edges * self.dense_rbf(bases.output)), lambda: edges)
        plain = self.seq_forces(edges)
        return self.out_forces(self.scale_rbf_F(plain * self.dense_rbf_F(bases.output), lambda: plain))


class InteractionBlock(nn.Module):
    """One round of messages: edges from triplets, atoms from edges, edges from atoms."""

    def __init__(self, widths: Widths) -> None:
        """Make the layers."""
        super().__init__()

        def residual(n: int) -> nn.Sequential:
            return nn.Sequential(*(ResidualLayer(widths.edge) for _ in range(n)))

        self.dense_ca = Dense(widths.edge, widths.edge)
        self.trip_interaction = TripletInteraction(widths)
        self.layers_before_skip = residual(widths.before_skip)
        self.layers_after_skip = residual(widths.after_skip)
        self.atom_update = AtomUpdate(widths)
        self.concat_layer = EdgeEmbedding(widths.atom, widths.edge, widths.edge)
        self.residual_m = residual(widths.concatenated)

    def forward(self, atoms: Tensor, edges: Tensor, bases: Bases, near: Neighbourhoods) -> tuple[Tensor, Tensor]:
        """Return new features of atoms ``(N, atom)`` and edges ``(E, edge)``."""
        update = (self.dense_ca(edges) + self.trip_interaction(edges, bases, near)) * SKIP
        edges = self.layers_after_skip((edges + self.layers_before_skip(update)) * SKIP)
        atoms = (atoms + self.atom_update(edges, bases, near)) * SKIP
        update = self.residual_m(self.concat_layer(atoms, edges, near.source, near.target))
        return atoms, (edges + update) * SKIP
