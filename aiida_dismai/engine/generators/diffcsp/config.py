"""Hyper-parameters of DiffCSP; the defaults are those of the paper's interface and alloy models."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ..training.parameters import BatchSize, GraphTrainingParameters


class DiffcspParameters(GraphTrainingParameters):
    """Hyper-parameters of DiffCSP.

    Sources: DiffCSP (arXiv 2309.04475) and the Dismai-Bench paper with its public scripts (layers, frequencies, σ,
    batch, lattice modes, teacher forcing), as collected in the project's design notes.
    """

    batch_size: BatchSize = Field(
        4,
        description="structures per batch on each device; the last, smaller batch of an epoch is kept. 'auto': a "
        "dry run doubles it until the memory or the training set is full",
    )
    hidden_dim: int = Field(256, ge=1, le=8192, description="channels per atom and per message")
    num_layers: int = Field(4, ge=1, le=64, description="layers of messages")
    num_frequencies: int = Field(
        128, ge=1, le=1024, description="frequencies of sin and cos per axis, 0 … n − 1 periods per cell"
    )
    time_dim: int = Field(256, ge=4, le=8192, multiple_of=2, description="size of the time step's embedding")
    timesteps: int = Field(1000, ge=2, le=100_000, description="steps of the diffusion")
    sigma_begin: float = Field(
        0.005, gt=0.0, le=1.0, description="smallest noise, standard deviation in fractional coordinates"
    )
    sigma_end: float = Field(
        0.1,
        gt=0.0,
        le=2.0,
        description="largest noise, standard deviation in fractional coordinates (0.05 for amorphous silicon)",
    )
    lattice: Literal["none", "joint"] = Field(
        "none",
        description="none: the lattice is given, by each structure in training and by the template in sampling; joint: "
        "it diffuses together with the coordinates",
    )
    lattice_weight: float = Field(1.0, gt=0.0, le=1e6, description="weight of the lattice loss in joint diffusion")
    teacher_forcing_epochs: int = Field(
        0,
        ge=0,
        description="first epochs of joint diffusion in which training is given the true lattice and the lattice loss "
        "is left out (150 in the paper's third mode)",
    )
    corrector_step: float = Field(
        1e-5,
        ge=0.0,
        le=1.0,
        description="step of the Langevin corrector at the smallest noise, squared fractional units",
    )
    normalise_lattice: bool = Field(
        False,
        description="whether to divide the initial weights that multiply L Lᵀ by the mean of its diagonal in the "
        "training set, Å²; as published they are not, so that the lattice dominates the messages until training "
        "has reduced these weights",
    )
    recompute: bool = Field(
        False,
        description="recompute the messages in the backward pass instead of storing them: saves 8 n² hidden_dim "
        "bytes for n atoms and each layer, for a third more time",
    )

    @model_validator(mode="after")
    def _check_modes(self) -> Self:
        if self.sigma_begin >= self.sigma_end:
            raise ValueError(f"sigma_begin {self.sigma_begin:g} must be below sigma_end {self.sigma_end:g}")
        if self.teacher_forcing_epochs and self.lattice == "none":
            raise ValueError(
                "teacher_forcing_epochs belongs to lattice 'joint'; with 'none' the lattice is always given"
            )
        return self
