"""Hyper-parameters of CDVAE; the defaults are those of the Dismai-Bench paper's interface models."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..training.parameters import GraphTrainingParameters

Width = Annotated[int, Field(ge=1, le=8192)]
Depth = Annotated[int, Field(ge=1, le=32)]
Weight = Annotated[float, Field(ge=0.0, le=1e6)]
#: Interaction blocks for which published scale factors exist.
PUBLISHED_BLOCKS = 3


class CdvaeParameters(GraphTrainingParameters):
    """Hyper-parameters of CDVAE.

    Sources: CDVAE (arXiv 2110.06197), DimeNet++ (arXiv 2011.14115), GemNet (arXiv 2106.08903) and the configuration
    with which Dismai-Bench ran them, as collected in the project's design notes.
    """

    latent_dim: int = Field(256, ge=1, le=8192, description="size of the latent vector of a structure")
    cutoff: float = Field(7.0, gt=0.5, le=20.0, description="radius of both networks' graphs, Å")
    max_neighbours: int = Field(20, ge=1, le=200, description="nearest neighbours of each atom in a radius graph")
    encoder_graph: Literal["crystalnn", "radius"] = Field(
        "crystalnn",
        description="edges of the encoder's graph: bonds from CrystalNN, as published, or neighbours within the "
        "cutoff; built once before training",
    )
    encoder_channels: Width = Field(128, description="channels per edge in the encoder")
    encoder_blocks: Depth = Field(4, description="interaction blocks of the encoder")
    encoder_triplet_channels: Width = Field(64, description="channels per edge in the encoder's sums over angles")
    encoder_output_channels: Width = Field(256, description="channels per atom in the encoder's output blocks")
    encoder_radial: Width = Field(6, description="radial basis functions of the encoder, per order of the angle")
    n_spherical: int = Field(7, ge=2, le=16, description="orders of the angular basis functions, in both networks")
    decoder_channels: Width = Field(128, description="channels per atom and per edge in the decoder")
    decoder_blocks: Depth = Field(3, description="interaction blocks of the decoder")
    decoder_triplet_channels: Width = Field(
        64, description="channels per edge in the decoder's sums over angles, before and after the bilinear layer"
    )
    decoder_radial: int = Field(128, ge=2, le=8192, description="radial basis functions of the decoder")
    lean: bool = Field(
        False, description="recompute the decoder's blocks in the backward pass: less memory, a third more time"
    )
    head_channels: Width = Field(
        256, description="hidden channels of the heads for number of atoms, lattice and composition"
    )
    max_atoms: int | None = Field(
        None, ge=1, le=100_000, description="largest number of atoms; null takes the training set's"
    )
    max_atomic_number: int | None = Field(
        None, ge=1, le=94, description="highest atomic number; null takes the training set's"
    )
    fit_scale_factors: bool = Field(
        True,
        description="fit the decoder's scale factors to the training structures before training; else the published "
        "ones, for up to three blocks",
    )
    noise_levels: int = Field(50, ge=2, le=10_000, description="number of noise levels, in geometric progression")
    sigma_begin: float = Field(10.0, gt=0.0, le=1e3, description="standard deviation of the largest noise, Å")
    sigma_end: float = Field(0.01, gt=0.0, le=1e3, description="standard deviation of the smallest noise, Å")
    teacher_forcing_epochs: int = Field(
        500,
        ge=0,
        le=100_000_000,
        description="number of first epochs in which the decoder is given the true lattice; afterwards, and in every "
        "validation, the predicted one",
    )
    denoise_species: bool = Field(
        False, description="whether the decoder denoises the species too, as the original CDVAE"
    )
    species_sigma_begin: float = Field(5.0, gt=0.0, le=1e3, description="largest weight of the predicted composition")
    species_sigma_end: float = Field(0.01, gt=0.0, le=1e3, description="smallest weight of the predicted composition")
    composition_head: Literal["fractions", "slots"] = Field(
        "fractions",
        description="what the composition head predicts: shares of the elements, or the species of every slot "
        "of the largest structure, one of them 'no atom'",
    )
    composition: Literal["head", "template"] = Field(
        "head",
        description="where the number of atoms and their species come from when structures are generated: from the "
        "heads, or from the training structures, which must all have the same then",
    )
    langevin_steps: int = Field(100, ge=1, le=100_000, description="steps of Langevin dynamics per level of noise")
    step_size: float = Field(
        1e-4, gt=0.0, le=1.0, description="step of Langevin dynamics at the smallest noise, Å²; grows with its square"
    )
    weight_atoms: Weight = Field(1.0, description="weight of the loss of the number of atoms")
    weight_lattice: Weight = Field(10.0, description="weight of the loss of the lattice")
    weight_coordinates: Weight = Field(10.0, description="weight of the loss of the coordinates")
    weight_composition: Weight = Field(1.0, description="weight of the loss of the composition")
    weight_kl: Weight = Field(0.01, description="weight of the divergence of the latents from a normal distribution")
    weight_species: Weight = Field(1.0, description="weight of the loss of the species, where they are denoised")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("sigma", "species_sigma"):
            begin, end = getattr(self, f"{name}_begin"), getattr(self, f"{name}_end")
            if begin <= end:
                raise ValueError(f"{name}_begin {begin:g} must be above {name}_end {end:g}")
        if not self.fit_scale_factors and self.decoder_blocks > PUBLISHED_BLOCKS:
            raise ValueError(
                f"decoder_blocks {self.decoder_blocks}: the published scale factors are for {PUBLISHED_BLOCKS} blocks; "
                "set fit_scale_factors"
            )
        return self
