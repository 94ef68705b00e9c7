"""Parameters of the task ``compare``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from ..families.interface.parameters import InterfaceParameters

#: Property of each atom without which nothing can be compared, and what is said where it is missing.
REGION = "region"
NO_REGIONS = (
    f"the structures have no regions (property '{REGION}' of each atom); give structures of interfaces.build, what was "
    "relaxed from them, or samples of a generator trained on them"
)
Label = Annotated[int, Field(ge=0, le=255)]


class CompareParameters(InterfaceParameters):
    """Which sites are compared, and how; the defaults are those of the paper (section 2.6) where it says."""

    cations: list[str] = Field(["Li", "Sc"], min_length=1, description="The elements whose sites are compared.")
    regions: list[Label] = Field(
        [0],
        min_length=1,
        description="Labels of the regions whose sites are compared: 0 random region, 1 top layer of slab A, 2 the "
        "rest of slab A, 3 slab B.",
    )
    rdf_cutoff: float = Field(10.0, gt=0, le=50, description="Largest distance of the radial distributions, Å.")
    rdf_bins: int = Field(100, ge=2, le=10_000, description="Number of bins of the radial distributions.")
    resamples: int = Field(1000, ge=10, le=1_000_000, description="Bootstrap resamples of each set.")
    bootstrap_seed: int = Field(7, ge=0, lt=2**63, description="Seed of the resampling (7 is that of the metrics).")
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of the intervals.")
    floor_repeats: int = Field(
        200, ge=2, le=100_000, description="Random divisions of the training set from which the noise floor is taken."
    )
    motif_threshold: float = Field(
        0.01, ge=0, le=1, description="Motifs with at least this share of the training sites are listed."
    )

    @field_validator("regions")
    @classmethod
    def _each_once(cls, regions: list[int]) -> list[int]:
        if len(set(regions)) != len(regions):
            raise ValueError("a region is named twice")
        return regions
