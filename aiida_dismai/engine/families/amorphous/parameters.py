"""Parameters of the metrics of amorphous structures."""

from __future__ import annotations

from pydantic import Field, model_validator

from ...parameters import Parameters


class AmorphousParameters(Parameters):
    """Amorphous structures (silicon and its like): motifs, radial distribution, bond angles."""

    rdf_cutoff: float = Field(10.0, gt=0, le=100, description="Cutoff of the radial distribution, Å.")
    rdf_bins: int = Field(500, ge=2, le=100_000, description="Number of equal bins of the radial distribution.")
    rdf_all_pairs: bool = Field(
        False,
        description="Count all pairs of the periodic structure. By default pairs are those of the 2×2×2 supercell, "
        "each once, as in the benchmark; that differs only where a height of the cell is below rdf_cutoff, and misses "
        "pairs there.",
    )
    angle_width: float = Field(
        0.5, gt=0, le=60, description="Width of the bins of the bond angles, degrees; 180 must be a multiple of it."
    )

    @model_validator(mode="after")
    def _whole_bins(self) -> AmorphousParameters:
        if abs(180 / self.angle_width - round(180 / self.angle_width)) > 1e-9:
            raise ValueError(f"angle_width: 180° is not a multiple of {self.angle_width:g}°")
        return self
