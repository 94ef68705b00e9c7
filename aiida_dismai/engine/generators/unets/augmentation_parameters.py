"""Hyper-parameters of the shuffles of atoms, which the models on images and on videos share. No torch here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...parameters import Parameters


class ShuffleParameters(Parameters):
    """Which atoms change places in training.

    Source: Dismai-Bench (Digital Discovery 2024), section on CrysTens: each interface was augmented 49 times by
    permutations of the atoms in the interface region; with permutations of all atoms nothing useful was learnt.
    """

    shuffle: Literal["none", "interface", "all"] = Field(
        "interface",
        description="atoms of one element that change places in training: those of the random region (region 0; none "
        "where the structures have no regions), all, or none",
    )
    shuffled_copies: int = Field(
        49,
        ge=0,
        le=1_000_000,
        description="shuffled copies for each structure as it is, in expectation: a structure is shuffled with the "
        "probability n / (n + 1) each time it is trained on",
    )
