"""Hyper-parameters that the models on images and on videos share. No torch here."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ..training.parameters import StepTrainingParameters
from .augmentation_parameters import ShuffleParameters


class UNetParameters(StepTrainingParameters, ShuffleParameters):
    """Width, training, shuffles and sampling of a diffusion with U-Nets.

    Sources: the published library's settings as the Dismai-Bench paper ran it (project's design notes, section on
    U-Nets).
    """

    FREE: ClassVar[frozenset[str]] = StepTrainingParameters.FREE

    width: int = Field(64, ge=8, le=1024, multiple_of=8, description="base width: channels of the first level")
    sampling_steps: int = Field(100, ge=1, le=100_000, description="steps from noise to a structure, of each network")
