"""Parameters of the tasks ``postprocess``, ``describe`` and ``metrics``; light, imports no pymatgen and no Numba."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from ..alloys.parameters import AlloyLatticeParameters
from ..parameters import Parameters
from .chemistry import Chemistry

#: The families of metrics.
Kind = Literal["interface", "amorphous", "alloy"]


class PostprocessParameters(Parameters):
    """Pushing atoms apart. The defaults are those of the benchmark's authors (public scripts)."""

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

    @model_validator(mode="after")
    def _target_above_minimum(self) -> PostprocessParameters:
        if self.target_distance <= self.min_distance:
            raise ValueError(
                f"target_distance ({self.target_distance} Å) is not above min_distance ({self.min_distance} Å): "
                "pushed pairs would still be too close"
            )
        return self


class InterfaceParameters(Parameters):
    """Interfaces of ionic crystals (Li3ScCl6 | LiCoO2 and its like): surroundings of the cations."""

    oxidation_states: dict[str, float] = Field(
        {"Li": 1, "Sc": 3, "Co": 3, "Cl": -1, "O": -2},
        description="Oxidation state of every element that occurs; bonds are between opposite charges only.",
    )
    cations: list[str] = Field(
        ["Li", "Co", "Sc"],
        min_length=1,
        description="The elements whose sites get a fingerprint; 'all' weighs them by their number of sites.",
    )
    anions: list[str] = Field(
        ["Cl", "O"], min_length=1, description="The elements whose share among a site's neighbours is counted."
    )

    @model_validator(mode="after")
    def _consistent(self) -> InterfaceParameters:
        self.chemistry()
        return self

    def chemistry(self) -> Chemistry:
        """Return the ions; raises ``ValueError`` where they do not fit each other."""
        return Chemistry.build(self.oxidation_states, self.cations, self.anions)


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


class DescribeParameters(Parameters):
    """What is computed of every structure by itself."""

    kind: Kind = Field("interface", description="Which family of metrics.")
    interface: InterfaceParameters = Field(InterfaceParameters.model_validate({}), description="Of kind 'interface'.")
    amorphous: AmorphousParameters = Field(AmorphousParameters.model_validate({}), description="Of kind 'amorphous'.")
    alloy: AlloyLatticeParameters = Field(AlloyLatticeParameters.model_validate({}), description="Of kind 'alloy'.")
    compat: bool = Field(
        False,
        description="Reproduce the authors' numbers also where their scripts are peculiar (docs/metrics.md lists "
        "where), as far as these do not depend on the order of the atoms.",
    )
    workers: int = Field(1, ge=1, le=256, description="Number of worker processes.")

    @model_validator(mode="after")
    def _own_table_only(self) -> DescribeParameters:
        for other in set(get_args(Kind)) & self.model_fields_set - {self.kind}:
            raise ValueError(f"'{other}' holds parameters of the kind '{other}', but kind is '{self.kind}'")
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
