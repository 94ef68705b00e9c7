"""Short-range repulsion beneath a network that has seen no atoms so near to each other.

Relaxations of generated structures begin with pairs at 1.6 Å that no training structure has; a network can
have a hole there, into which atoms fall. The universal screened Coulomb potential (Ziegler, Biersack and
Littmark, 1985) fills it. It ends smoothly at the sum of the covalent radii (Cordero et al. 2008, as in
ASE), so that bonds are left to the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..units import BOHR, COULOMB

#: Screening function: coefficients and exponents.
SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))


class Repulsion(nn.Module):
    """The energy of the screened Coulomb repulsion of every structure of a batch, eV."""

    charges: torch.Tensor
    radii: torch.Tensor

    def __init__(self, numbers: Sequence[int]) -> None:
        """Take the atomic numbers in the order of the network's embedding."""
        from ase.data import covalent_radii

        super().__init__()
        self.register_buffer("charges", torch.tensor(numbers, dtype=torch.float32), persistent=False)
        radii = torch.tensor([covalent_radii[number] for number in numbers], dtype=torch.float32)
        self.register_buffer("radii", radii, persistent=False)

    def forward(self, graph: Any) -> torch.Tensor:
        """Return ``(b,)`` energies; ``Potential`` has set positions and offsets; each bond appears twice."""
        first, second = graph.edge_index
        distance = torch.linalg.norm(graph.pos[second] + graph.pbc_offshift - graph.pos[first], dim=1)
        pairs = self.of_bonds(graph.node_type, first, second, distance)
        batch = getattr(graph, "batch", None)
        structure = torch.zeros_like(first) if batch is None else batch[first]
        n = int(getattr(graph, "num_graphs", 1))
        return torch.zeros(n, dtype=pairs.dtype, device=pairs.device).index_add(0, structure, pairs)

    def of_bonds(
        self, types: torch.Tensor, first: torch.Tensor, second: torch.Tensor, distance: torch.Tensor
    ) -> torch.Tensor:
        """Return half the energy of each pair, ``(E,)`` eV: each bond appears twice.

        Args:
            types: ``(N,)`` places of the atoms' elements in the network's embedding.
            first: ``(E,)`` atoms.
            second: ``(E,)`` atoms.
            distance: ``(E,)`` Å.
        """
        charge, radius = self.charges[types].to(distance.dtype), self.radii[types].to(distance.dtype)
        length = 0.8854 * BOHR / (charge[first] ** 0.23 + charge[second] ** 0.23)
        scaled = distance / length
        screening = torch.stack([c * torch.exp(-e * scaled) for c, e in SCREENING]).sum(dim=0)
        x = (distance / (radius[first] + radius[second])).clamp(max=1.0)
        # polynomial envelope of DimeNet with p = 6: one at 0, with two derivatives zero at 1
        envelope = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
        return 0.5 * COULOMB * charge[first] * charge[second] / distance * screening * envelope


class Repelled(nn.Module):
    """A network with the repulsion beneath it."""

    def __init__(self, network: nn.Module, numbers: Sequence[int], scale: float) -> None:
        """Wrap ``network``, whose energies are in units of ``scale`` eV."""
        super().__init__()
        self.network = network
        self.repulsion = Repulsion(numbers)
        self.scale = scale

    def forward(self, g: Any, state_attr: torch.Tensor | None = None, l_g: Any = None) -> torch.Tensor:
        """Return the energies in units of ``scale``, as matgl's ``Potential`` asks for them."""
        energy = self.network(g=g, state_attr=state_attr, l_g=l_g)
        return energy + self.repulsion(g).reshape(energy.shape) / self.scale
