"""Hyper-parameters of UniMat; the defaults are the paper's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..unets.parameters import UNetParameters


class UnimatParameters(UNetParameters):
    """Hyper-parameters of UniMat.

    Sources: UniMat (arXiv 2311.09235) and the Dismai-Bench paper with its public scripts, as collected in the project's
    design notes. The side and the pixels that its authors used are in a file that was not published.
    """

    side: int = Field(4, ge=4, le=256, multiple_of=4, description="side of the square frames, pixels")
    pixels: dict[str, tuple[int, int]] = Field(
        default_factory=dict,
        description="row and column, from 0, of each element's pixel; if empty, elements in the order of their atomic "
        "numbers have the first pixels of the frame, row by row",
    )
    accept: Literal["published", "strict", "all"] = Field(
        "published",
        description="generated structures that are kept: published: in every frame all pixels but that of the right "
        "element are empty; strict: and that pixel is not; all: every one, with the coordinates at the right pixels",
    )
