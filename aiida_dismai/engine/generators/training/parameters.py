"""Hyper-parameters of the shared training loop; a model's own inherit them. No torch here."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...parameters import Parameters

BatchSize = Annotated[int, Field(ge=1, le=65536)] | Literal["auto"]


class CheckpointParameters(Parameters):
    """How often any model is saved in the middle of its training."""

    FREE: ClassVar[frozenset[str]] = frozenset({"checkpoint_seconds"})

    checkpoint_seconds: float = Field(
        300.0, ge=0.0, description="time between checkpoints, s; 0 writes one at every step"
    )


class EpochParameters(CheckpointParameters):
    """How long a model is trained that counts epochs, and how often it is saved.

    A subclass has ``batch_size`` and ``learning_rate``, too: the remedies where memory runs out or the loss diverges.
    """

    FREE: ClassVar[frozenset[str]] = CheckpointParameters.FREE | {
        "epochs",
        "batch_size",
        "learning_rate",
        "checkpoint_epochs",
    }

    epochs: int = Field(1000, ge=1, le=100_000_000, description="passes over the training set")
    checkpoint_epochs: int = Field(50, ge=1, description="epochs between checkpoints")


class DescentParameters(Parameters):
    """How steps of the optimiser are taken, on one device or several."""

    FREE: ClassVar[frozenset[str]] = frozenset({"batch_size", "learning_rate", "accumulate"})

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


class GraphTrainingParameters(EpochParameters, DescentParameters):
    """How a graph model is trained.

    Sources: optimiser, plateau schedule, clipping and epochs are those of the published CDVAE and DiffCSP as the
    Dismai-Bench paper ran them (project's design notes, section on models); everything else is ours.
    """

    FREE: ClassVar[frozenset[str]] = EpochParameters.FREE | DescentParameters.FREE

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
    validation_interval: int = Field(1, ge=1, le=1_000_000, description="epochs between validations")

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"min_learning_rate {self.min_learning_rate:g} is above learning_rate {self.learning_rate:g}"
            )
        return self


class StepTrainingParameters(CheckpointParameters, DescentParameters):
    """How a model is trained that counts steps of the optimiser, and generates with an average of its weights.

    Sources: steps, batch, rate and validation are those of the Dismai-Bench paper's CrysTens and UniMat (project's
    design notes, section on U-Nets); everything else is ours.
    """

    FREE: ClassVar[frozenset[str]] = CheckpointParameters.FREE | DescentParameters.FREE | {"steps"}

    steps: int = Field(150_001, ge=1, le=1_000_000_000, description="steps of the optimiser, of each network")
    learning_rate: float = Field(1e-4, gt=0.0, le=1.0, description="learning rate of Adam")
    clip_value: float = Field(0.0, ge=0.0, le=1e9, description="bound on every component of the gradient; 0 for none")
    average_interval: int = Field(
        10,
        ge=1,
        le=1_000_000,
        description="steps between two changes of the averaged weights, with which structures are generated: after m "
        "steps they span roughly the last m^(2/3) times as many, with 10, as published, all of the first 1000",
    )
    validation_steps: int = Field(
        750,
        ge=1,
        le=1_000_000_000,
        description="steps between validations: after the steps v, 2 v, … counted from 0, and after the last; the "
        "averaged weights at the lowest loss are kept (those of the last step when nothing is kept aside)",
    )
    validate_average: bool = Field(
        False,
        description="whether to validate the averaged weights, which generate, and not the latest ones (as published)",
    )
    same_validation_noise: bool = Field(
        False,
        description="whether every validation draws the same times and noise, so that losses can be compared; as "
        "published they are drawn again each time, and the lowest loss is partly luck",
    )
