"""What one stage of a relaxation is."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt

from ..engine.parameters import Parameters


class KpointMesh(Parameters):
    """A regular mesh in reciprocal space."""

    mesh: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        default=(1, 1, 1), description="divisions along the reciprocal vectors"
    )
    offset: tuple[float, float, float] = Field(
        default=(0.0, 0.0, 0.0),
        description="shift in units of the divisions; 0 holds Γ, 0.5 is Monkhorst and Pack's for even",
    )


class HubbardU(Parameters):
    """An on-site repulsion."""

    orbital: Literal["p", "d", "f"] = Field(description="shell that it acts on")
    u: float = Field(ge=0, le=20, description="effective U (Dudarev), eV")


class StageSettings(Parameters):
    """One stage: the code's own parameters, and what is common to all codes.

    The common part is what depends on the structure, so that an engine can spell it for its code.
    """

    parameters: dict[str, Any] = Field(description="the code's own parameters, by the code's own names")
    kpoints: KpointMesh = Field(default_factory=lambda: KpointMesh(), description="mesh in reciprocal space")
    moves: list[int] | None = Field(
        default=None, description="values of the per-atom property 'region' whose atoms move; null: all atoms move"
    )
    must_converge: bool = Field(
        default=True,
        description="whether ending on the last allowed ionic step is a failure (the relaxation is then continued)",
    )
    max_iterations: int = Field(default=5, ge=1, le=50, description="jobs at most, restarts and corrections included")
    hubbard_u: dict[str, HubbardU] = Field(default_factory=dict, description="on-site repulsion by element")
    functional: str | None = Field(
        default=None,
        description="functional (PBE, PBEsol, LDA) that parameters and potentials must be for; null: theirs",
    )
    magnetic_moments: dict[str, float] | None = Field(
        default=None,
        description="initial moments by element, μB; elements not named get 0; null: the code's own default",
    )
    dipole_correction: bool = Field(
        default=False, description="correct the interaction of slabs across the vacuum along c"
    )
