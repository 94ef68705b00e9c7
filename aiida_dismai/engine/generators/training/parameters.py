"""Hyper-parameters of the shared training loop; a graph model's own inherit them. No torch here."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...parameters import Parameters

BatchSize = Annotated[int, Field(ge=1, le=65536)] | Literal["auto"]


class EpochParameters(Parameters):
    """How long any model is trained, and how often it is saved.

    A subclass has ``batch_size`` and ``learning_rate``, too: the remedies where memory runs out or the loss diverges.
    """

    FREE: ClassVar[frozenset[str]] = frozenset(
        {"epochs", "batch_size", "learning_rate", "checkpoint_epochs", "checkpoint_seconds"}
    )

    epochs: int = Field(1000, ge=1, le=100_000_000, description="passes over the training set")
    checkpoint_epochs: int = Field(50, ge=1, description="epochs between checkpoints")
    checkpoint_seconds: float = Field(
        300.0, ge=0.0, description="time between checkpoints, s; 0 writes one at every step"
    )


class GraphTrainingParameters(EpochParameters):
    """How a graph model is trained.

    Sources: optimiser, plateau schedule, clipping and epochs are those of the published CDVAE and DiffCSP as the
    Dismai-Bench paper ran them (project's design notes, section on models); everything else is ours.
    """

    FREE: ClassVar[frozenset[str]] = EpochParameters.FREE | {"accumulate"}

    batch_size: BatchSize = Field(
        8,
        description="structures per batch on each device; the last, smaller batch of an epoch is kept. 'auto': a "
        "dry run doubles it until the memory or the training set is full",
    )
    accumulate: int = Field(
        1,
        ge=1,
        le=65536,
        description="batches whose gradients are accumulated for one optimiser step, on each device: a step sees "
        "batch_size × accumulate × devices × num_nodes structures",
    )
    learning_rate: float = Field(1e-3, gt=0.0, le=1.0, description="learning rate of Adam at the start")
    plateau_factor: float = Field(
        0.6,
        gt=0.0,
        lt=1.0,
        description="factor that multiplies the learning rate when the monitored loss stops decreasing",
    )
    plateau_patience: int = Field(
        30, ge=0, le=1_000_000, description="validations without improvement before the learning rate is reduced"
    )
    min_learning_rate: float = Field(1e-4, ge=0.0, le=1.0, description="lower bound on the learning rate")
    clip_value: float = Field(0.5, ge=0.0, le=1e9, description="bound on every component of the gradient; 0 for none")
    precision: Literal["32", "tf32", "bf16"] = Field(
        "32",
        description="matrix products in float32, TensorFloat-32 (GPUs that have it) or bfloat16; weights, "
        "losses and optimiser are float32 always",
    )
    compile: bool = Field(
        False, description="whether to compile the network with torch.compile; on a CPU this needs a C++ compiler"
    )
    devices: int = Field(1, ge=1, le=1024, description="processes per node, each with its own device")
    num_nodes: int = Field(
        1, ge=1, le=65536, description="nodes; with more than one, start a process per device with srun or torchrun"
    )
    validation_interval: int = Field(1, ge=1, le=1_000_000, description="epochs between validations")

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"min_learning_rate {self.min_learning_rate:g} is above learning_rate {self.learning_rate:g}"
            )
        return self
