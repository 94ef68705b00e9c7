"""Hyper-parameters of CryinGAN; the defaults are those of the paper's interface models."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..training.parameters import EpochParameters

Channels = Annotated[int, Field(ge=1, le=65536)]
Cells = Annotated[int, Field(ge=1, le=16)]
Decay = Annotated[float, Field(ge=0.0, lt=1.0)]


class CryinganParameters(EpochParameters):
    """Hyper-parameters of CryinGAN.

    Sources: the Dismai-Bench paper (critics, λ, epochs, batch, six neighbours) and the authors' public
    scripts (optimiser, penalty, widths), as collected in the project's design notes.
    """

    latent_dim: int = Field(64, ge=1, le=65536, description="size of the generator's latent vector")
    generator_channels: tuple[Channels, Channels, Channels, Channels] = Field(
        (128, 256, 512, 256),
        description="channels per atom: after the linear layer, and after the three transposed convolutions",
    )
    critic_channels: tuple[Channels, Channels, Channels] = Field(
        (512, 512, 256), description="channels per atom of the critics' three convolutions"
    )
    critic_head: tuple[Channels, Channels, Channels] = Field(
        (1000, 200, 10),
        description="widths of the critics' linear layers after pooling; the score is the mean of the last",
    )
    critics: Literal["both", "coordinates", "distances", "combined"] = Field(
        "both",
        description="what the critics judge: fractional coordinates, neighbour distances, 'both' with a critic each, "
        "or both 'combined' in one critic (CryinGAN-comb)",
    )
    critic: Literal["pointnet", "cgcnn"] = Field(
        "pointnet",
        description="architecture of the critics: the same map for every atom, or a graph convolutional network, one "
        "critic that sees coordinates and distances as a graph",
    )
    pooling: Literal["mean", "max", "mix"] = Field(
        "mean",
        description="how critics of pointnet pool the atoms of an element: mean, maximum (CryinGAN-max), or both side "
        "by side (CryinGAN-mix)",
    )
    lambda_distance: float = Field(
        0.05,
        ge=0.0,
        le=1e3,
        description="weight of the distance critic in the generator's loss if both critics judge (0.1 for the alloys); "
        "0: no distance critic, as critics: coordinates",
    )
    n_neighbors: int = Field(
        6,
        ge=1,
        le=64,
        description="nearest-neighbour distances of each atom that the distance critic or the combined one sees",
    )
    cgcnn_channels: int = Field(64, ge=1, le=8192, description="critic cgcnn: channels per atom")
    cgcnn_convolutions: int = Field(3, ge=1, le=64, description="critic cgcnn: graph convolutions")
    cgcnn_head: int = Field(128, ge=1, le=65536, description="critic cgcnn: width of the layers after pooling")
    cgcnn_head_layers: int = Field(1, ge=1, le=64, description="critic cgcnn: layers after pooling, before the score")
    cgcnn_cutoff: float = Field(8.0, gt=0.0, le=20.0, description="critic cgcnn: radius in which neighbours are, Å")
    cgcnn_neighbors: int = Field(12, ge=1, le=256, description="critic cgcnn: maximum number of neighbours of an atom")
    cgcnn_gaussian_step: float = Field(
        0.2,
        ge=0.01,
        le=10.0,
        description="critic cgcnn: width of the Gaussian functions of a distance, and step between their centres, Å",
    )
    gradient_penalty: float = Field(10.0, ge=0.0, le=1e6, description="weight of each critic's gradient penalty")
    translations: tuple[Cells, Cells, Cells] = Field(
        (1, 1, 1),
        description="lattice cells in a structure along a, b and c: an epoch passes over all translations of each "
        "structure by multiples of a/n, b/n, c/n, including itself; 1 for none along an axis (4, 4, 4 for the alloys)",
    )
    learning_rate: float = Field(5e-5, gt=0.0, le=1.0, description="learning rate of Adam, the same for all networks")
    betas: tuple[Decay, Decay] = Field((0.5, 0.999), description="decay rates of Adam's two moments")
    batch_size: int = Field(
        32, ge=1, le=65536, description="structures per step; the last, smaller batch of an epoch is kept"
    )
    epochs: int = Field(
        100_000,
        ge=1,
        le=100_000_000,
        description="passes over the training set, with its translations (1500 for the alloys)",
    )
    generator_interval: int = Field(
        5,
        ge=1,
        le=10_000,
        description="the generator is trained on batches 0, n, 2n, … of every epoch, the critics on all; "
        "in an epoch of one batch every time",
    )
    checkpoint_epochs: int = Field(1000, ge=1, description="epochs between checkpoints")

    def judges(self) -> tuple[str, ...]:
        """Return the names of the critics."""
        if self.critic == "cgcnn":
            return ("graph",)
        if self.critics == "both":
            return ("coordinates", "distances") if self.lambda_distance else ("coordinates",)
        return (self.critics,)

    @model_validator(mode="after")
    def _check_critic(self) -> Self:
        if self.critic == "cgcnn" and self.critics in ("coordinates", "distances"):
            raise ValueError(
                f"critics '{self.critics}' is none of critic 'cgcnn', whose graph holds coordinates and distances; "
                "leave out critics, or take critic 'pointnet'"
            )
        if self.critic == "cgcnn" and self.pooling != "mean":
            raise ValueError(
                f"pooling '{self.pooling}' is none of critic 'cgcnn', which takes the mean over all atoms; leave out "
                "pooling, or take critic 'pointnet'"
            )
        return self
