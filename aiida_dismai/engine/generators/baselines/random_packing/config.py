"""Parameters of the random packing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ....parameters import Parameters


class RandomParameters(Parameters):
    """Parameters of the model ``random``.

    Source: this project's own, as the paper has no such baseline; but ``site_tolerance`` is the margin of the authors'
    clean-up of alloys (public scripts).
    """

    sites: Literal["auto", "packing", "lattice"] = Field(
        "auto",
        description="where atoms are placed: 'packing' anywhere at allowed distances, 'lattice' in random order on the "
        "sites that all training structures share (refused where they share none), 'auto' on the lattice where there "
        "is one and more than one element to put on it, else by packing",
    )
    site_tolerance: float = Field(
        0.8, gt=0, le=2.0, description="atoms up to this far from a site of the first training structure are on it, Å"
    )
    region: Literal["occupied", "cell"] = Field(
        "occupied",
        description="what a packing fills: the range that the atoms of a training structure occupy along the axes with "
        "a vacuum, or the whole cell, vacuum included",
    )
    vacuum: float = Field(
        5.0,
        gt=0,
        le=1000,
        description="an axis has a vacuum if every training structure leaves a gap wider than this along it, Å",
    )
    quantile: float = Field(
        0.0,
        ge=0,
        le=1,
        description="minimum distance of a pair of elements: this quantile, over the training structures, of their "
        "smallest distances; 0 is the smallest of all",
    )
    distance_scale: float = Field(1.0, gt=0, le=2.0, description="factor that multiplies all minimum distances")
    tries: int = Field(
        200,
        ge=1,
        le=100_000,
        description="random points tried for an atom before it is put at the least crowded one and pushed later",
    )
    max_sweeps: int = Field(
        500,
        ge=1,
        le=1_000_000,
        description="rounds of pushing overlapping atoms apart before the distances are shrunk",
    )
    shrink: float = Field(
        0.02,
        gt=0,
        lt=1,
        description="relative step by which the distances shrink when the atoms jam; the factor reached is stored as "
        "the property distance_factor",
    )
