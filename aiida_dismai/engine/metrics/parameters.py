"""Parameters of the tasks ``postprocess``, ``describe`` and ``metrics``; no pymatgen or Numba is imported."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from ..families.parameters import DescribeParameters
from ..parameters import Parameters
from ..workers import WORKERS, Workers

__all__ = ["DescribeParameters", "MetricsParameters", "PostprocessParameters"]


class PostprocessParameters(Parameters):
    """Pushing atoms apart. The defaults are those of the benchmark's authors (public scripts)."""

    FREE: ClassVar[frozenset[str]] = frozenset({"workers"})

    min_distance: float = Field(1.5, gt=0, le=10, description="Pairs closer than this are pushed apart, Å.")
    target_distance: float = Field(1.6, gt=0, le=10, description="The distance they are pushed to, Å.")
    max_rounds: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Rounds of looking for close pairs and pushing them; a structure that still has close "
        "pairs in the last one has failed. The round that finds nothing counts too.",
    )
    compat: bool = Field(
        False,
        description="Push as the authors' script does: along the plain difference of the positions, also where two "
        "atoms are close through a face of the cell (the second one is moved by nearly a whole cell then).",
    )
    workers: Workers = Field(1, description=WORKERS)

    @model_validator(mode="after")
    def _target_above_minimum(self) -> PostprocessParameters:
        if self.target_distance <= self.min_distance:
            raise ValueError(
                f"target_distance ({self.target_distance} Å) is not above min_distance ({self.min_distance} Å): "
                "pushed pairs would still be too close"
            )
        return self


class MetricsParameters(DescribeParameters):
    """Comparison of generated with training structures."""

    generated_total: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Number of structures generated originally, before any was lost in post-processing or "
        "relaxation; null takes the number of structures given. The failed share refers to it.",
    )
    resamples: int = Field(1000, ge=10, le=1_000_000, description="Bootstrap resamples of the generated structures.")
    bootstrap_seed: int = Field(7, ge=0, lt=2**63, description="Seed of the resampling (7 is the authors').")
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of the intervals.")
    floor_repeats: int = Field(
        200, ge=2, le=100_000, description="Random divisions of the training set from which the noise floor is taken."
    )
    motif_threshold: float = Field(
        0.01, ge=0, le=1, description="Motifs with at least this share of the training sites are listed."
    )
