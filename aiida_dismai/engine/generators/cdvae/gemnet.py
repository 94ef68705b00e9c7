"""GemNet-T, the decoder of CDVAE: from noisy positions to the displacements that lead out of the noise.

Source: GemNet (arXiv 2106.08903), variant dT (triplets, direct forces), as CDVAE (arXiv 2110.06197) runs it. Entries
of the state are named as in the published module; :func:`from_published` drops what that keeps twice or as constants.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import BadWeights
from ..graphs.batch import structure_of, to_cartesian
from .basis import GaussianBasis
from .gemnet_blocks import Bases, Bilinear, DownProjection, InteractionBlock, OutputBlock, Widths
from .gemnet_graph import Neighbourhoods, neighbourhoods
from .gemnet_layers import Dense, EdgeEmbedding, he_orthogonal_
from .scale_factor import PUBLISHED, ScaleFactor, set_factors

#: Entries of the published state that ours lacks.
PUBLISHED_ONLY = re.compile(r"radial_basis\.rbf\.offset|cbf_basis3\..*|out_blocks\.\d+\.layers\..*")


class GemNetT(nn.Module):
    """Displacements that turn with the structure, features of atoms that do not; z steers both.

    At the published settings with 27 elements 2,322,944 parameters (science.md §7, "decoder"): everything in this
    module, the energy branch of the output blocks included; CDVAE's species head on top is not.
    """

    def __init__(
        self,
        latent_dim: int,
        cutoff: float = 7.0,
        max_neighbours: int = 20,
        max_z: int = 100,
        num_blocks: int = 3,
        widths: Widths | None = None,
        scale_factors: Mapping[str, float] | None = PUBLISHED,
        lean: bool = False,
        random: torch.Generator | None = None,
    ) -> None:
        """Make the network with its initial weights.

        Args:
            latent_dim: numbers in z.
            cutoff: Å.
            max_neighbours: of each atom before the edges are made symmetric.
            max_z: highest atomic number.
            num_blocks: interaction blocks.
            widths: of the layers; CDVAE's by default.
            scale_factors: by published name; None for 1 everywhere, from which :func:`.scale_fitting.fit` starts.
            lean: keep only what goes into each block for the backward pass and calculate the rest again: less
                memory, about a third more time, the same numbers.
            random: stream of the initial weights; torch's own without it.

        Raises:
            BadInput: when ``scale_factors`` lacks one of this network's.
        """
        super().__init__()
        widths = widths or Widths()
        self.cutoff = cutoff
        self.max_neighbours = max_neighbours
        self.num_blocks = num_blocks
        self.n_spherical = widths.n_spherical
        self.lean = lean
        self.radial_basis = GaussianBasis(widths.n_radial, cutoff)
        self.mlp_rbf3 = Dense(widths.n_radial, widths.radial, activated=False)
        self.mlp_cbf3 = DownProjection(widths.n_spherical, widths.n_radial, widths.circular)
        self.mlp_rbf_h = Dense(widths.n_radial, widths.radial, activated=False)
        self.mlp_rbf_out = Dense(widths.n_radial, widths.radial, activated=False)
        self.atom_emb = AtomEmbedding(max_z, widths.atom)
        self.atom_latent_emb = nn.Linear(widths.atom + latent_dim, widths.atom)
        self.edge_emb = EdgeEmbedding(widths.atom, widths.n_radial, widths.edge)
        self.int_blocks = nn.ModuleList(InteractionBlock(widths) for _ in range(num_blocks))
        self.out_blocks = nn.ModuleList(OutputBlock(widths) for _ in range(num_blocks + 1))
        if not self.atom_latent_emb.weight.is_meta:
            initialise(self, random)
            if scale_factors is not None:
                set_factors(self.scales(), scale_factors)

    def scales(self) -> dict[str, ScaleFactor]:
        """Return the scale factors by their published names, in the order of the published list."""
        result: dict[str, ScaleFactor] = {}
        for number, block in enumerate(self.int_blocks, start=1):
            assert isinstance(block, InteractionBlock)
            result[f"TripInteraction_{number}_had_rbf"] = block.trip_interaction.scale_rbf
            result[f"TripInteraction_{number}_sum_cbf"] = block.trip_interaction.scale_cbf_sum
            result[f"AtomUpdate_{number}_sum"] = block.atom_update.scale_sum
        for number, output in enumerate(self.out_blocks):
            assert isinstance(output, OutputBlock)
            result[f"OutBlock_{number}_sum"] = output.scale_sum
            result[f"OutBlock_{number}_had"] = output.scale_rbf_F
        return result

    def forward(
        self, z: Tensor | None, fractional: Tensor, numbers: Tensor, counts: Tensor, cells: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Find the neighbours and decode.

        Args:
            z: ``(B, latent_dim)``, or None for a network that is not steered.
            fractional: ``(N, 3)`` coordinates.
            numbers: ``(N,)`` atomic numbers, 1 to ``max_z``.
            counts: ``(B,)`` atoms of each structure.
            cells: ``(B, 3, 3)``, rows are lattice vectors, Å.

        Returns:
            features of the atoms ``(N, atom)``; displacements ``(N, 3)``, Cartesian, Å.
        """
        return self.decode(z, numbers, counts, self.neighbourhoods(fractional, counts, cells))

    @torch.compiler.disable
    def neighbourhoods(self, fractional: Tensor, counts: Tensor, cells: Tensor) -> Neighbourhoods:
        """Find the neighbours of all atoms; arguments as of :meth:`forward`."""
        # Never in reduced precision: an error of 1 % in a distance is another structure.
        with torch.autocast(fractional.device.type, enabled=False):
            positions = to_cartesian(fractional, cells, structure_of(counts, len(fractional)))
            return neighbourhoods(positions, cells, counts, self.cutoff, self.max_neighbours)

    def decode(self, z: Tensor | None, numbers: Tensor, counts: Tensor, near: Neighbourhoods) -> tuple[Tensor, Tensor]:
        """Decode given neighbourhoods; arguments and results as of :meth:`forward`."""
        with torch.autocast(near.distances.device.type, enabled=False):
            radial = self.radial_basis(near.distances)
            angles = near.angles(self.n_spherical)
        bases = Bases(
            triplet=self.mlp_rbf3(radial),
            atom=self.mlp_rbf_h(radial),
            output=self.mlp_rbf_out(radial),
            circular=self.mlp_cbf3(radial),
            angles=angles,
        )
        atoms = self.atom_emb(numbers)
        if z is not None:
            spread = z[structure_of(counts, len(numbers))]
            atoms = self.atom_latent_emb(torch.cat([atoms, spread], dim=1))
        edges = self.edge_emb(atoms, radial, near.source, near.target)
        pushes = self._run(self.out_blocks[0], edges, bases, near)
        for number, interaction in enumerate(self.int_blocks, start=1):
            atoms, edges = self._run(interaction, atoms, edges, bases, near)
            pushes = pushes + self._run(self.out_blocks[number], edges, bases, near)
        return atoms, near.sum(pushes.to(near.directions.dtype) * near.directions)

    def _run(self, block: nn.Module, *arguments: Any) -> Any:
        """Run a block; in lean mode forget what is inside it until the backward pass."""
        if self.lean and torch.is_grad_enabled():
            return checkpoint(block, *arguments, use_reentrant=False, preserve_rng_state=False)
        return block(*arguments)


class AtomEmbedding(nn.Module):
    """A vector for each element."""

    def __init__(self, max_z: int, width: int) -> None:
        """Make the table."""
        super().__init__()
        self.embeddings = nn.Embedding(max_z, width)

    def forward(self, numbers: Tensor) -> Tensor:
        """Return ``(N, width)`` for atomic numbers from 1 on."""
        return self.embeddings(numbers - 1)


@torch.no_grad()
def initialise(network: GemNetT, random: torch.Generator | None = None) -> None:
    """Draw the initial weights as published.

    HeOrthogonal everywhere but for the elements (uniform with variance 1) and the layer that mixes in z (torch's
    default: uniform within 1 / √inputs).

    Args:
        network: changed in place; the scale factors are left alone.
        random: where the numbers come from; torch's own stream without it.
    """
    for module in network.modules():
        if isinstance(module, Dense):
            he_orthogonal_(module.linear.weight, random)
        elif isinstance(module, DownProjection | Bilinear):
            he_orthogonal_(module.weight, random)
    network.atom_emb.embeddings.weight.uniform_(-math.sqrt(3), math.sqrt(3), generator=random)
    mix = network.atom_latent_emb
    for parameter in (mix.weight, mix.bias):
        parameter.uniform_(-(mix.in_features**-0.5), mix.in_features**-0.5, generator=random)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn the state of a published GemNet-T into one of :class:`GemNetT`.

    Args:
        state: ``GemNetT.state_dict()`` of the published CDVAE; names may begin with ``gemnet.`` or ``decoder.gemnet.``
            and entries of other modules may be among them.

    Returns:
        the entries by our names, which are the published ones without the centres of the Gaussians (we calculate
        them) and without ``layers`` of the output blocks (the same tensors as ``seq_energy``).

    Raises:
        BadWeights: when nothing in it is of a GemNet.
    """
    prefix = next((p for p in ("decoder.gemnet.", "gemnet.") if any(name.startswith(p) for name in state)), "")
    entries = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    result = {name: value for name, value in entries.items() if not PUBLISHED_ONLY.fullmatch(name)}
    if "atom_emb.embeddings.weight" not in result:
        raise BadWeights("these weights hold no published GemNet-T: 'atom_emb.embeddings.weight' is not among them")
    return result
