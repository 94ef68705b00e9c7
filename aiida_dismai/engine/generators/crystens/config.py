"""Hyper-parameters of CrysTens; the defaults are the paper's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..unets.parameters import UNetParameters

Padding = Annotated[int, Field(ge=0, le=1000)] | Literal["auto"]


class CrystensParameters(UNetParameters):
    """Hyper-parameters of CrysTens.

    Sources: CrysTens (Digital Discovery 2024) and the Dismai-Bench paper with its public scripts, as
    collected in the project's design notes. The padding that its authors used is in a file that was not published.
    """

    padding: Padding = Field(
        "auto",
        description="empty lines between the header and the pairs of atoms; the side, 11 + padding + atoms, must be a "
        "multiple of 8. 'auto' is the smallest with which it is, 5 for the paper's 264 and 256 atoms",
    )
    small_side: int = Field(
        64, ge=4, le=1024, multiple_of=4, description="side of the small images, which the first network makes, pixels"
    )
