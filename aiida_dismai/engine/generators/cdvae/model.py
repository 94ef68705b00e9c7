"""The network of CDVAE: encoder, latents, heads and decoder, with the published names of their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...structures import StructureSet
from ..graphs.batch import Batch
from ..graphs.edges import Edges
from ..graphs.lattice import cells_of
from ..trainable import count_parameters
from .config import CdvaeParameters
from .data import Limits
from .dimenet import DimeNetPlusPlus, Sizes
from .gemnet import GemNetT
from .gemnet import from_published as gemnet_from_published
from .gemnet_blocks import Widths
from .scale_factor import PUBLISHED

#: Added to the standard deviations of the lattice parameters: in a data set with one cell they are zero [code].
EPSILON = 1e-5
#: Å and degrees between which a predicted lattice is kept; no crystal is outside, only an untrained network's guess.
SHORTEST_VECTOR = 1.0
SHARPEST_ANGLE = 15.0
#: Published weights that ours lacks: constants that follow from the hyper-parameters.
CONSTANTS = ("sigmas", "type_sigmas")


class Decoder(nn.Module):
    """GemNet-T, and the species of the atoms where they are denoised."""

    def __init__(self, parameters: CdvaeParameters, limits: Limits) -> None:
        """Make the layers."""
        super().__init__()
        width, triplet = parameters.decoder_channels, parameters.decoder_triplet_channels
        self.gemnet = GemNetT(
            parameters.latent_dim,
            cutoff=parameters.cutoff,
            max_neighbours=parameters.max_neighbours,
            max_z=limits.max_atomic_number,
            num_blocks=parameters.decoder_blocks,
            widths=Widths(
                atom=width,
                edge=width,
                triplet=triplet,
                bilinear=triplet,
                n_spherical=parameters.n_spherical,
                n_radial=parameters.decoder_radial,
            ),
            scale_factors=None if parameters.fit_scale_factors else PUBLISHED,
            lean=parameters.lean,
        )
        self.fc_atom = nn.Linear(width, limits.max_atomic_number) if parameters.denoise_species else None

    def forward(
        self, z: Tensor, fractional: Tensor, numbers: Tensor, counts: Tensor, cells: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return displacements ``(N, 3)``, Cartesian, Å, and scores of the species ``(N, max Z)`` where denoised."""
        features, displacement = self.gemnet(z, fractional, numbers, counts, cells)
        return displacement, None if self.fc_atom is None else self.fc_atom(features)


@dataclass(frozen=True)
class Heads:
    """What the heads say of ``B`` structures.

    Attributes:
        atoms: scores of the numbers of atoms 0 … max, ``(B, max atoms + 1)``.
        lattice: standardised lengths / n^(1/3) and angles, ``(B, 6)``.
        composition: scores of the elements, ``(B, max Z)``; or of species and "no atom" per slot, ``(B, max atoms,
            max Z + 1)``.
    """

    atoms: Tensor
    lattice: Tensor
    composition: Tensor


class Cdvae(nn.Module):
    """The whole network; without its encoder it can still generate."""

    lattice_mean: Tensor
    lattice_std: Tensor

    def __init__(self, parameters: CdvaeParameters, limits: Limits, with_encoder: bool = True) -> None:
        """Make the layers, with their initial values from torch's own random stream.

        Args:
            parameters: hyper-parameters.
            limits: what the heads can name.
            with_encoder: whether structures can be encoded.
        """
        super().__init__()
        latent, width = parameters.latent_dim, parameters.head_channels
        self.limits = limits
        self.slots = parameters.composition_head == "slots"
        self.encoder: DimeNetPlusPlus | None = None
        if with_encoder:
            sizes = Sizes(
                hidden=parameters.encoder_channels,
                blocks=parameters.encoder_blocks,
                triplet=parameters.encoder_triplet_channels,
                output=parameters.encoder_output_channels,
                n_spherical=parameters.n_spherical,
                n_radial=parameters.encoder_radial,
            )
            self.encoder = DimeNetPlusPlus(latent, parameters.cutoff, sizes)
            self.fc_mu = nn.Linear(latent, latent)
            self.fc_var = nn.Linear(latent, latent)
        self.decoder = Decoder(parameters, limits)
        classes = limits.max_atomic_number
        self.fc_num_atoms = _head(latent, width, limits.max_atoms + 1)
        self.fc_lattice = _head(latent, width, 6)
        self.fc_composition = _head(latent, width, (classes + 1) * limits.max_atoms if self.slots else classes)
        self.register_buffer("lattice_mean", torch.zeros(6))
        self.register_buffer("lattice_std", torch.ones(6))

    def compile(self, *arguments: Any, **options: Any) -> None:
        """Translate the decoder by ``torch.compile``, for batches of any size; the encoder is a tenth of the work."""
        self.decoder.gemnet.compile(*arguments, **{"dynamic": True, **options})

    def encode(self, batch: Batch, edges: Edges) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the latents, ``(B, latent_dim)`` each."""
        assert self.encoder is not None
        vectors = edges.vectors(batch.cartesian(), batch.cells, batch.structure)
        hidden = self.encoder(batch.numbers, vectors, edges, batch.structure, len(batch))
        return self.fc_mu(hidden), self.fc_var(hidden)

    def heads(self, z: Tensor) -> Heads:
        """Return what the heads say for latents ``(B, latent_dim)``."""
        composition = self.fc_composition(z)
        if self.slots:
            composition = composition.view(len(z), self.limits.max_atoms, -1)
        return Heads(self.fc_num_atoms(z), self.fc_lattice(z), composition)

    @torch.no_grad()
    def fit_lattice(self, lengths: Tensor, angles: Tensor, counts: Tensor) -> None:
        """Standardise by the lattices of the training set.

        Args:
            lengths: Å, ``(M, 3)``.
            angles: degrees, ``(M, 3)``.
            counts: numbers of atoms, ``(M,)``.
        """
        values = _lattice_numbers(lengths.double(), angles.double(), counts)
        self.lattice_mean.copy_(values.mean(dim=0))
        self.lattice_std.copy_(values.std(dim=0, unbiased=False) + EPSILON)

    def standardised(self, lengths: Tensor, angles: Tensor, counts: Tensor) -> Tensor:
        """Return lattices as the head sees them, ``(B, 6)``; arguments as of :meth:`fit_lattice`."""
        values = _lattice_numbers(lengths, angles, counts)
        return (values - self.lattice_mean) / self.lattice_std

    def predicted_cells(self, lattice: Tensor, counts: Tensor) -> Tensor:
        """Return cells, Å, ``(B, 3, 3)``, for what the head says, ``(B, 6)``; without gradients, as published."""
        values = lattice.detach().to(self.lattice_std.dtype) * self.lattice_std + self.lattice_mean
        lengths = (values[:, :3] * counts[:, None] ** (1 / 3)).clamp(min=SHORTEST_VECTOR)
        return cells_of(lengths, values[:, 3:].clamp(SHARPEST_ANGLE, 180.0 - SHARPEST_ANGLE))

    def fractions(self, composition: Tensor) -> Tensor:
        """Return the shares of the elements, ``(B, max Z)``, for what the head says."""
        if not self.slots:
            return functional.softmax(composition.float(), dim=-1)
        classes = composition.shape[-1]
        chosen = functional.one_hot(composition.argmax(dim=-1), classes)[..., :-1].sum(dim=1).float()
        # Where all slots are empty, what they nearly hold decides.
        nearly = functional.softmax(composition.float(), dim=-1)[..., :-1].sum(dim=1)
        chosen = torch.where(chosen.sum(dim=1, keepdim=True) > 0, chosen, nearly)
        return chosen / chosen.sum(dim=1, keepdim=True)


def _lattice_numbers(lengths: Tensor, angles: Tensor, counts: Tensor) -> Tensor:
    """Return what of a lattice is standardised, ``(B, 6)``: lengths / n^(1/3), angles."""
    return torch.cat([lengths / counts.to(lengths.dtype)[:, None] ** (1 / 3), angles], dim=1)


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def parameters_by_part(network: Cdvae) -> dict[str, int]:
    """Return the trainable parameters, part by part; ``decoder`` is GemNet-T."""
    gemnet = network.decoder.gemnet
    parts: dict[str, nn.Module | None] = {
        "encoder": network.encoder,
        "latent": nn.ModuleList([network.fc_mu, network.fc_var]) if network.encoder is not None else None,
        "decoder": gemnet,
        "head_species": network.decoder.fc_atom,
        "head_atoms": network.fc_num_atoms,
        "head_lattice": network.fc_lattice,
        "head_composition": network.fc_composition,
    }
    return {name: count_parameters(part) for name, part in parts.items() if part is not None}


def parts(template: StructureSet, parameters: CdvaeParameters) -> dict[str, int]:
    """Return the trainable parameters by part for structures like ``template``."""
    with torch.device("meta"):
        return parameters_by_part(Cdvae(parameters, Limits.of(template, parameters)))


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn the state of a published CDVAE into one of :class:`Cdvae`.

    The standardisation of the lattice is not among the published weights but in a file beside them: give it to
    ``lattice_mean`` and ``lattice_std``.

    Args:
        state: ``CDVAE.state_dict()``.

    Raises:
        BadWeights: nothing in it is of a GemNet.
    """
    ours = {f"decoder.gemnet.{name}": value for name, value in gemnet_from_published(state).items()}
    for name, value in state.items():
        if not name.startswith("decoder.gemnet.") and name not in CONSTANTS:
            ours[name] = value
    return ours
