"""M3GNet for computing: the function that matgl's network is, with its weights, in fewer operations.

What matgl computes for each triplet of atoms and each bond is rearranged here, so that the same sums take less (Chen
and Ong, Nature Computational Science 2, 718 (2022), eqs. 2 to 6):

- Three-body terms. For bond *ij* the network adds up, over the other bonds *ik* of atom *i*, a radial function of *ik*
  times the Legendre polynomial of the angle between the two. By the addition theorem of spherical harmonics the sum is
  a product of harmonics of *ij* and a moment of atom *i*, which is a sum over bonds: no triplet is ever listed.
- The first layer of a gated network acts on (atom *i*, atom *j*, bond) side by side. Its part for atoms is computed
  once for each atom instead of each bond; layers and gates are one matrix product.
- Radial functions are computed for each bond once, as one product of sines and a constant matrix.

The sum of the atoms' energies is in double precision, and derivatives are with respect to the bond vectors, from which
forces and stress follow: positions are never rounded to single precision. A test compares all with matgl's own network.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .repulsion import Repelled, Repulsion

#: Rows of all tensors are a multiple of this, see :meth:`BondNetwork._padded`.
ROWS = 192
#: Real spherical harmonics up to this degree are written out.
HIGHEST_DEGREE = 3


class BondNetwork(nn.Module):
    """Energies of structures from their bonds, by the weights of matgl's ``M3GNet`` or a :class:`~.repulsion.Repelled`.

    Args:
        network: as :func:`~.architectures.build_m3gnet` makes it; its weights are copied.
        scale: eV in one unit of its energies.
    """

    repeat: Tensor
    spread: Tensor
    self_terms: Tensor

    def __init__(self, network: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.repulsion: Repulsion | None = None
        if isinstance(network, Repelled):
            self.repulsion, network = network.repulsion, network.network
        own = cast(Any, network)
        self.scale = scale
        self.cutoff, self.threebody_cutoff = float(own.cutoff), float(own.threebody_cutoff)
        self.bonds = _Radial(own.bond_expansion.rbf)
        self.angles = _Radial(own.basis_expansion.sbf)
        self.degrees = int(own.basis_expansion.max_l)
        for name, constant in _sums_over_degrees(self.degrees, int(own.basis_expansion.max_n)).items():
            self.register_buffer(name, constant)
        self.atom_embedding = _constant(own.embedding.layer_node_embedding.weight)
        self.bond_embedding = _Linear([own.embedding.layer_edge_embedding.layers[0]])
        parts = zip(own.three_body_interactions, own.graph_layers, strict=True)
        self.blocks = nn.ModuleList(_Block(three, layer.conv) for three, layer in parts)
        updates = [layer.conv for layer in own.graph_layers]
        self.weights = _Linear([part for c in updates for part in (c.edge_weight_func, c.node_weight_func)])
        self.width = updates[0].edge_weight_func.out_features
        self.readout = _Gated(own.final_layer.gated, last=False)

    def reduce(self, products: torch.dtype) -> BondNetwork:
        """Compute the products of matrices in a lower precision; sums over bonds and atoms stay as they are."""
        for module in self.modules():
            if isinstance(module, _Linear):
                module.products = products
        return self

    def forward(
        self, types: Tensor, source: Tensor, target: Tensor, vectors: Tensor, structure: Tensor, n: int
    ) -> Tensor:
        """Return the energies above the references, eV, ``(n,)`` float64.

        Args:
            types: ``(N,)`` places of the atoms' elements in the network's embedding.
            source: ``(E,)`` first atoms of the bonds, ascending.
            target: ``(E,)`` second atoms.
            vectors: ``(E, 3)`` from the first to the second, Å, within the cutoff, in the precision of the weights.
            structure: ``(N,)`` structures of the atoms.
            n: number of structures.
        """
        whole = (len(types), len(vectors))
        types, source, target, vectors = self._padded(types, source, target, vectors)
        near = (vectors.detach().norm(dim=1) <= self.threebody_cutoff).nonzero().squeeze(1)
        each = self.of_atoms(types, source, target, vectors, near)[: whole[0]].double() * self.scale
        energies = torch.zeros(n, dtype=torch.float64, device=vectors.device).index_add(0, structure, each)
        if self.repulsion is not None:
            distances = vectors.norm(dim=1)
            pairs = self.repulsion.of_bonds(types, source, target, distances)[: whole[1]].double()
            energies = energies.index_add(0, structure.index_select(0, source[: whole[1]]), pairs)
        return energies

    def of_atoms(self, types: Tensor, source: Tensor, target: Tensor, vectors: Tensor, near: Tensor) -> Tensor:
        """Return the energies of padded atoms in units of the network, ``(N,)``.

        This is what ``torch.compile`` gets: no shape in it depends on a value.

        Args:
            types: as those of :meth:`forward`, likewise the others.
            source: likewise.
            target: likewise.
            vectors: likewise.
            near: ``(b,)`` bonds within the three-body cutoff.
        """
        distances = vectors.norm(dim=1)
        short = distances.index_select(0, near)
        envelope = _envelope(short / self.threebody_cutoff)[:, None]
        angular = Angular(
            source.index_select(0, near),
            target.index_select(0, near),
            _harmonics(vectors.index_select(0, near) / short[:, None], self.degrees) @ self.repeat.to(vectors.dtype),
            self.angles(short) * envelope,
            envelope,
            self.spread.to(vectors.dtype),
            self.self_terms.to(vectors.dtype),
        )
        radial = self.bonds(distances)
        atoms = self.atom_embedding.to(vectors.dtype).index_select(0, types)
        bonds = functional.silu(self.bond_embedding(radial))
        weights = self.weights(radial).split(self.width, dim=1)
        for i, block in enumerate(cast("Sequence[_Block]", self.blocks)):
            bonds = bonds.index_add(0, near, block.threebody(atoms, angular))
            bonds, atoms = block.convolve(atoms, bonds, weights[2 * i : 2 * i + 2], source, target)
        return cast(Tensor, self.readout(atoms).squeeze(1))

    def _padded(
        self, types: Tensor, source: Tensor, target: Tensor, vectors: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Add atoms and bonds that belong to no structure, so that all tensors have a multiple of :data:`ROWS` rows.

        What is left over at the end of a tensor is computed by other instructions, whose last digits differ: a
        structure's would depend on what shares its batch.
        """
        near = int((vectors.detach().norm(dim=1) <= self.threebody_cutoff).sum())
        short = -near % ROWS
        long = -(len(vectors) + short) % ROWS
        atoms = ROWS - len(types) % ROWS  # at least one, for the bonds
        lengths = vectors.new_tensor([self.threebody_cutoff, self.cutoff])
        more = vectors.new_zeros(short + long, 3)
        more[:short, 0], more[short:, 0] = 0.9 * lengths[0], 0.5 * lengths.sum()
        if self.threebody_cutoff >= self.cutoff:  # all bonds are near
            assert not long
        hub = source.new_full((short + long,), len(types))
        return (
            torch.cat([types, types.new_zeros(atoms)]),
            torch.cat([source, hub]),
            torch.cat([target, hub]),
            torch.cat([vectors, more]),
        )


class Angular(NamedTuple):
    """What three-body terms need of the ``b`` bonds within their cutoff; ``h`` harmonics, ``c`` functions.

    Attributes:
        hub: ``(b,)`` first atoms.
        end: ``(b,)`` second atoms.
        harmonics: ``(b, h * order)``, each repeated for the radial functions of its degree.
        radial: ``(b, c)`` radial functions, times the envelope.
        envelope: ``(b, 1)``.
        spread: ``(c, h * order)`` ones where a radial function meets a harmonic of its degree.
        self_terms: ``(c,)`` what a bond would add to its own sum.
    """

    hub: Tensor
    end: Tensor
    harmonics: Tensor
    radial: Tensor
    envelope: Tensor
    spread: Tensor
    self_terms: Tensor


def _sums_over_degrees(degrees: int, order: int) -> dict[str, Tensor]:
    """Return the constant matrices that lay radial functions (degree, n) beside harmonics (degree, m, n)."""
    harmonics = [(degree, m) for degree in range(degrees) for m in range(2 * degree + 1)]
    repeat = torch.zeros(len(harmonics), len(harmonics) * order, dtype=torch.float64)
    spread = torch.zeros(degrees * order, len(harmonics) * order, dtype=torch.float64)
    for i, (degree, _) in enumerate(harmonics):
        for n in range(order):
            repeat[i, i * order + n] = 1
            spread[degree * order + n, i * order + n] = 1
    self_terms = [math.sqrt((2 * degree + 1) / (4 * math.pi)) for degree in range(degrees) for _ in range(order)]
    return {"repeat": repeat, "spread": spread, "self_terms": torch.tensor(self_terms, dtype=torch.float64)}


class _Radial(nn.Module):
    """Radial functions of matgl's ``SphericalBesselFunction``, ``(E,)`` distances in Å to ``(E, count)``."""

    mixing: Tensor
    waves: Tensor

    def __init__(self, basis: Any) -> None:
        super().__init__()
        self.cutoff = float(basis.cutoff)
        self.basis = None if basis.smooth else copy.deepcopy(basis)
        if basis.smooth:
            self.register_buffer("mixing", _smooth_mixing(int(basis.max_n), self.cutoff))
            waves = torch.arange(1, basis.max_n + 2, dtype=torch.float64) * math.pi / self.cutoff
            self.register_buffer("waves", waves)

    def forward(self, distances: Tensor) -> Tensor:
        if self.basis is not None:
            return cast(Tensor, self.basis(distances))
        phases = distances[:, None] * self.waves.to(distances.dtype)
        return (torch.sin(phases) / distances[:, None]) @ self.mixing.to(distances.dtype)


def _smooth_mixing(count: int, cutoff: float) -> Tensor:
    """Return the ``(count + 1, count)`` matrix from ``sin(k π r / cutoff) / r`` to the smooth functions.

    Kocer, Mason and Erturk, J. Chem. Phys. 150, 154102 (2019), eqs. 5 to 7: combinations of spherical Bessel functions
    of order zero whose first two derivatives vanish at the cutoff, made orthogonal one after the other.
    """
    raw = torch.zeros(count, count + 1, dtype=torch.float64)
    for n in range(count):
        norm = (-1) ** n * math.sqrt(2) * math.pi / cutoff**1.5 * (n + 1) * (n + 2)
        norm /= math.sqrt((n + 1) ** 2 + (n + 2) ** 2)
        for k in (n + 1, n + 2):
            raw[n, k - 1] = norm / (k * math.pi / cutoff)
    rows, last = [raw[0]], 1.0
    for n in range(1, count):
        e = n**2 * (n + 2) ** 2 / (4 * (n + 1) ** 4 + 1)
        d = 1 - e / last
        rows.append((raw[n] + math.sqrt(e / last) * rows[-1]) / math.sqrt(d))
        last = d
    return torch.stack(rows).T.contiguous()


def _envelope(ratio: Tensor) -> Tensor:
    """Return ``1 - 10 x³ + 15 x⁴ - 6 x⁵``: one at 0, with two derivatives zero at 1."""
    cube = ratio * ratio * ratio
    return 1 + cube * (-10 + ratio * (15 - 6 * ratio))


def _harmonics(unit: Tensor, degrees: int) -> Tensor:
    """Return real spherical harmonics of ``(b, 3)`` unit vectors, degree after degree, ``(b, degrees²)``.

    They are scaled such that the sum of products over a degree is the Legendre polynomial of the angle, times
    ``sqrt((2 l + 1) / 4π)``.
    """
    assert degrees <= HIGHEST_DEGREE + 1
    x, y, z = unit.unbind(1)
    root, a, b, c = math.sqrt(3), math.sqrt(5 / 8), math.sqrt(3 / 8), math.sqrt(15)
    by_degree = [[torch.ones_like(x)], [x, y, z]]
    if degrees > 2:
        by_degree.append([root * x * y, root * y * z, root * x * z, 1.5 * z * z - 0.5, 0.5 * root * (x * x - y * y)])
    if degrees > 3:
        by_degree.append(
            [
                a * y * (3 * x * x - y * y),
                c * x * y * z,
                b * y * (5 * z * z - 1),
                0.5 * z * (5 * z * z - 3),
                b * x * (5 * z * z - 1),
                0.5 * c * z * (x * x - y * y),
                a * x * (x * x - 3 * y * y),
            ]
        )
    scale = [((2 * degree + 1) / (4 * math.pi)) ** 0.25 for degree in range(degrees)]
    return torch.stack(
        [scale[degree] * value for degree, values in enumerate(by_degree[:degrees]) for value in values], dim=1
    )


class _Linear(nn.Module):
    """Linear layers that act on the same input, as one product; of the input only some ``columns``.

    Attributes:
        products: precision in which the product is computed; None is that of the weights.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, layers: Sequence[Any], columns: slice = slice(None), bias: bool = True) -> None:
        super().__init__()
        self.products: torch.dtype | None = None
        self.register_buffer("weight", _constant(torch.cat([layer.weight[:, columns] for layer in layers]).T))
        biased = bias and layers[0].bias is not None
        self.register_buffer("bias", _constant(torch.cat([layer.bias for layer in layers])) if biased else None)

    def forward(self, inputs: Tensor, more: Tensor | None = None) -> Tensor:
        """Return the product with the weights and, added to it, ``more`` or the bias."""
        more = self.bias if more is None else more
        if self.products is not None:
            product = (inputs.to(self.products) @ self.weight.to(self.products)).to(inputs.dtype)
            return product if more is None else product + more
        return inputs @ self.weight if more is None else torch.addmm(more, inputs, self.weight)


class _Gated(nn.Module):
    """matgl's ``GatedMLP``: two perceptrons, layers and gates, whose results are multiplied."""

    def __init__(self, gated: Any, last: bool, first: bool = True) -> None:
        super().__init__()
        layers = [layer for layer in gated.layers if isinstance(layer, nn.Linear)]
        gates = [layer for layer in gated.gates if isinstance(layer, nn.Linear)]
        self.last = last
        self.first = _Linear([layers[0], gates[0]]) if first else None
        self.layers = nn.ModuleList(_Linear([layer]) for layer in layers[1:])
        self.gates = nn.ModuleList(_Linear([layer]) for layer in gates[1:])

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply all layers; where the first is not here, ``inputs`` are what it has given, layers beside gates."""
        both = inputs if self.first is None else self.first(inputs)
        if len(self.layers):
            both = functional.silu(both)
        value, gate = both.chunk(2, dim=1)
        for i, (layer, gating) in enumerate(zip(self.layers, self.gates, strict=True)):
            value, gate = layer(value), gating(gate)
            if i + 1 < len(self.layers):
                value, gate = functional.silu(value), functional.silu(gate)
        return (functional.silu(value) if self.last else value) * torch.sigmoid(gate)


class _Update(nn.Module):
    """One of the two updates of a graph convolution; the part of its first layer for atoms is computed by the block."""

    def __init__(self, gated: Any, atom_width: int) -> None:
        super().__init__()
        self.of_bonds = _Linear([gated.layers[0], gated.gates[0]], slice(2 * atom_width, None), bias=False)
        self.rest = _Gated(gated, last=True, first=False)

    def forward(self, of_atoms: Tensor, bonds: Tensor, weights: Tensor) -> Tensor:
        return cast(Tensor, self.rest(self.of_bonds(bonds, of_atoms)) * weights)


class _Block(nn.Module):
    """Three-body interaction and graph convolution."""

    def __init__(self, three: Any, convolution: Any) -> None:
        super().__init__()
        self.ends = _Linear([three.update_network_atom.layers[0]])
        self.change = _Gated(three.update_network_bond, last=True)
        width = three.update_network_atom.layers[0].in_features
        updates = (convolution.edge_update_func, convolution.node_update_func)
        self.edge, self.node = (_Update(update, width) for update in updates)
        first = [layers[0] for update in updates for layers in (update.layers, update.gates)]
        self.sources = _Linear(first, slice(0, width))
        self.targets = _Linear(first, slice(width, 2 * width), bias=False)

    def threebody(self, atoms: Tensor, angular: Angular) -> Tensor:
        """Return the changes of the bonds within the three-body cutoff, ``(b, width)``; eqs. 2 and 3."""
        ends = torch.sigmoid(self.ends(atoms)).index_select(0, angular.end)
        weighted = angular.radial * ends
        moments = weighted.new_zeros(len(atoms), angular.harmonics.shape[1])
        moments = moments.index_add(0, angular.hub, angular.harmonics * (weighted @ angular.spread))
        sums = (angular.harmonics * moments.index_select(0, angular.hub)) @ angular.spread.T
        # a bond makes no triplet with itself
        return cast(Tensor, self.change((sums - weighted * angular.self_terms) * angular.envelope))

    def convolve(
        self, atoms: Tensor, bonds: Tensor, weights: Sequence[Tensor], source: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the new bonds and atoms; eqs. 4 and 5."""
        sources, targets = self.sources(atoms), self.targets(atoms)
        half = sources.shape[1] // 2
        first = sources[:, :half].index_select(0, source) + targets[:, :half].index_select(0, target)
        bonds = bonds + self.edge(first, bonds, weights[0])
        second = sources[:, half:].index_select(0, source) + targets[:, half:].index_select(0, target)
        return bonds, atoms.index_add(0, source, self.node(second, bonds, weights[1]))


def _constant(weight: Tensor) -> Tensor:
    return weight.detach().clone().contiguous()
