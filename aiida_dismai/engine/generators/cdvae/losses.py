"""What CDVAE minimises, and the random numbers of a step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..graphs.batch import Batch, to_cartesian, to_fractional
from ..graphs.edges import Edges
from ..graphs.lattice import lengths_and_angles, nearest_image
from ..graphs.scatter import scatter_mean
from .config import CdvaeParameters
from .model import Cdvae


@dataclass(frozen=True)
class Noise:
    """The random numbers of one batch.

    Attributes:
        latent: normal, ``(B, latent_dim)``.
        level: of the noise on the coordinates, ``(B,)`` int64.
        coordinates: normal, ``(N, 3)``.
        species_level: of the noise on the species, ``(B,)`` int64.
        species: uniform, ``(N,)``.
    """

    latent: Tensor
    level: Tensor
    coordinates: Tensor
    species_level: Tensor
    species: Tensor

    @classmethod
    def draw(cls, counts: Tensor, parameters: CdvaeParameters, random: torch.Generator) -> Noise:
        """Draw them on the CPU, the same for every device.

        Args:
            counts: atoms of each structure, ``(B,)``.
            parameters: hyper-parameters.
            random: on the CPU.
        """
        size, n_atoms = len(counts), int(counts.sum())
        return cls(
            torch.randn(size, parameters.latent_dim, generator=random),
            torch.randint(parameters.noise_levels, (size,), generator=random),
            torch.randn(n_atoms, 3, generator=random),
            torch.randint(parameters.noise_levels, (size,), generator=random),
            torch.rand(n_atoms, generator=random),
        )

    def to(self, like: Tensor) -> Noise:
        """Return them with device and precision of another tensor."""
        return Noise(
            self.latent.to(like), self.level.to(like.device), self.coordinates.to(like),
            self.species_level.to(like.device), self.species.to(like),
        )  # fmt: skip


def levels(begin: float, end: float, count: int, like: Tensor) -> Tensor:
    """Return ``count`` standard deviations in geometric steps from ``begin`` to ``end``, ``(count,)``."""
    steps = torch.linspace(math.log(begin), math.log(end), count, dtype=torch.float64, device=like.device)
    return steps.exp().to(like.dtype)


@dataclass(frozen=True)
class Noisy:
    """What goes into the decoder.

    Attributes:
        z: latents, ``(B, latent_dim)``.
        fractional: noisy coordinates, ``(N, 3)``.
        numbers: noisy species, ``(N,)``.
        counts: atoms of each structure, ``(B,)``.
        cells: true or predicted ones, Å, ``(B, 3, 3)``.
    """

    z: Tensor
    fractional: Tensor
    numbers: Tensor
    counts: Tensor
    cells: Tensor

    def arguments(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return them in the order in which the decoder takes them."""
        return self.z, self.fractional, self.numbers, self.counts, self.cells


def losses(
    network: Cdvae, batch: Batch, edges: Edges, noise: Noise, parameters: CdvaeParameters, true_lattice: bool
) -> dict[str, Tensor]:
    """Return the losses of a batch, each a mean over its structures.

    Args:
        network: with its encoder.
        batch: true structures.
        edges: of the encoder's graph.
        noise: from :meth:`Noise.draw`.
        parameters: hyper-parameters.
        true_lattice: whether noise and decoder live in the true lattice (teacher forcing) or in the predicted one.

    Returns:
        ``loss``, the weighted sum; ``atoms``, ``lattice``, ``composition``, ``coordinates``, ``kl``, and ``species`` if
        these are denoised; ``denoising``, the weighted sum of coordinates and species, by which the best weights are
        chosen.
    """
    noise = noise.to(batch.fractional)
    counts = batch.counts.to(batch.fractional.dtype)
    mean, log_variance = network.encode(batch, edges)
    z = mean + noise.latent * torch.exp(0.5 * log_variance)
    heads = network.heads(z)
    cells = batch.cells if true_lattice else network.predicted_cells(heads.lattice, counts)
    noisy = add_noise(network, batch, z, heads.composition, cells, noise, parameters)
    displacement, species = network.decoder(*noisy.arguments())

    sigma = levels(parameters.sigma_begin, parameters.sigma_end, parameters.noise_levels, noisy.fractional)
    found = {
        "atoms": functional.cross_entropy(heads.atoms, batch.counts),
        "lattice": functional.mse_loss(heads.lattice, network.standardised(*lengths_and_angles(batch.cells), counts)),
        "composition": composition_loss(network, heads.composition, batch),
        "coordinates": coordinates_loss(displacement, noisy.fractional, batch, sigma[noise.level]),
        "kl": (-0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(dim=1)).mean(),
    }
    denoising = parameters.weight_coordinates * found["coordinates"]
    if species is not None:
        by_atom = functional.cross_entropy(species, batch.numbers - 1, reduction="none")
        width = _species_sigma(parameters, by_atom)[noise.species_level]
        found["species"] = (scatter_mean(by_atom, batch.structure, len(batch)) / width).mean()
        denoising = denoising + parameters.weight_species * found["species"]
    total = (
        denoising
        + parameters.weight_atoms * found["atoms"]
        + parameters.weight_lattice * found["lattice"]
        + parameters.weight_composition * found["composition"]
        + parameters.weight_kl * found["kl"]
    )
    return {"loss": total, "denoising": denoising, **found}


def add_noise(
    network: Cdvae,
    batch: Batch,
    z: Tensor,
    composition: Tensor,
    cells: Tensor,
    noise: Noise,
    parameters: CdvaeParameters,
) -> Noisy:
    """Return what the decoder is to denoise: coordinates in ``cells`` with noise, and species with noise if asked."""
    sigma = levels(parameters.sigma_begin, parameters.sigma_end, parameters.noise_levels, batch.fractional)
    moved = noise.coordinates * sigma[noise.level][batch.structure][:, None]
    positions = to_cartesian(batch.fractional, cells, batch.structure) + moved
    numbers = batch.numbers
    if parameters.denoise_species:
        width = _species_sigma(parameters, z)[noise.species_level]
        shares = (network.fractions(composition.detach()) * width[:, None])[batch.structure]
        shares = shares + functional.one_hot(batch.numbers - 1, shares.shape[1])
        numbers = choose(shares, noise.species) + 1
    fractional = to_fractional(positions, cells, batch.structure)
    return Noisy(z, fractional, numbers, batch.counts, cells)


def choose(shares: Tensor, uniform: Tensor) -> Tensor:
    """Return a column for each row, ``(N,)``, drawn by the shares ``(N, K)`` with uniform numbers ``(N,)``."""
    steps = shares.double().cumsum(dim=1)
    chosen = (steps < uniform.double()[:, None] * steps[:, -1:]).sum(dim=1)
    return chosen.clamp(max=shares.shape[1] - 1)


def coordinates_loss(displacement: Tensor, noisy: Tensor, batch: Batch, sigma: Tensor) -> Tensor:
    """Return half the squared distance between the decoder's displacement and the true one over σ.

    That is ½ σ² |target / σ² - prediction / σ|², summed over x, y, z and averaged over atoms, then structures; the
    target is the shortest way back, in the true lattice.

    Args:
        displacement: from the decoder, ``(N, 3)``.
        noisy: fractional coordinates, ``(N, 3)``.
        batch: true structures.
        sigma: standard deviation of the noise, Å, ``(B,)``.
    """
    back = nearest_image(batch.fractional - noisy, batch.cells, batch.structure)
    by_atom = 0.5 * ((back / sigma[batch.structure][:, None] - displacement) ** 2).sum(dim=1)
    return scatter_mean(by_atom, batch.structure, len(batch)).mean()


def composition_loss(network: Cdvae, composition: Tensor, batch: Batch) -> Tensor:
    """Return the cross-entropy of the species: averaged over atoms, then structures; of slots over all of them."""
    if network.slots:
        empty = composition.shape[-1] - 1
        slots = torch.full(composition.shape[:2], empty, dtype=torch.int64, device=composition.device)
        place = torch.arange(composition.shape[1], device=composition.device) < batch.counts[:, None]
        slots[place] = batch.numbers - 1
        return functional.cross_entropy(composition.flatten(0, 1), slots.flatten())
    scores = functional.log_softmax(composition, dim=-1)
    by_atom = -scores[batch.structure, batch.numbers - 1]
    return scatter_mean(by_atom, batch.structure, len(batch)).mean()


def _species_sigma(parameters: CdvaeParameters, like: Tensor) -> Tensor:
    return levels(parameters.species_sigma_begin, parameters.species_sigma_end, parameters.noise_levels, like)
