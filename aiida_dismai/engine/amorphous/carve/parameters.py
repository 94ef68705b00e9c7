"""Parameters of the task ``amorphous.carve``; imports no torch, no LAMMPS."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from ...parameters import Parameters
from ..parameters import MakeParameters

#: Potentials that run in LAMMPS.
ANNEALING = ("sw_vink", "sw", "edip", "tersoff", "lammps")


class AnnealParameters(Parameters):
    """Molecular dynamics of the atoms near the faces, with all others held.

    The defaults are our own: of 256-atom cells carved out of a quenched cell of 4096 atoms (EDIP, −4.38 eV/atom) and
    relaxed with EDIP, they bring the energy from −4.26 to −4.36 eV/atom, with 118 atoms left where they were.
    """

    potential: str = Field("sw_vink", description="'sw_vink', 'sw', 'edip', 'tersoff' or 'lammps', run in LAMMPS")
    potential_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="keyword arguments of 'lammps', as calculator_kwargs of the task relax"
    )
    temperature: float = Field(
        2000.0, gt=0, le=10_000, description="temperature, K, for a fifth of the time, then cooling to 300 K"
    )
    picoseconds: float = Field(10.0, gt=0, le=10_000, description="duration, ps; time step 2 fs")
    width: float = Field(2.0, gt=0, le=20, description="atoms closer than this to a face move, Å")

    @field_validator("potential")
    @classmethod
    def _of_lammps(cls, name: str) -> str:
        if name not in ANNEALING:
            raise ValueError(f"potentials that anneal are {', '.join(ANNEALING)}, not '{name}'")
        return name


class CarveParameters(MakeParameters):
    """Cubic cells out of a large periodic one.

    The benchmark's authors carve 256-atom cells out of a 100,000-atom network [paper]; how is not known, so the rules
    for the seams are our own.
    """

    n_atoms: int = Field(256, ge=8, le=20_000, description="atoms of a structure, exactly")
    density: float | None = Field(
        None,
        gt=0,
        le=50,
        description="of a structure, exactly, g/cm³; windows are cut at the large cell's own density and scaled; "
        "null keeps that density",
    )
    max_overlap: float = Field(
        0.0,
        ge=0,
        le=0.75,
        description="largest share of atoms that a structure may have in common with any earlier one; 0: all disjoint",
    )
    min_distance: float = Field(
        2.0,
        gt=0,
        le=5,
        description="if two atoms of the large cell that meet at the seam are closer than this, one is dropped, Å",
    )
    rotate: bool = Field(
        False,
        description="windows in random orientations instead of along the cell's axes; needs a cell larger by √3, and "
        "gives fewer disjoint ones",
    )
    placements: int = Field(
        200, ge=1, le=10_000, description="positions tried for each disjoint window; the one with the best seam is used"
    )
    max_edits: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="largest share of atoms that may be dropped or added; with more, a window is rejected",
    )
    heal: bool = Field(
        True, description="move the atoms at the seam until its bonds have a sensible length; all others stay"
    )
    anneal: AnnealParameters | None = Field(
        AnnealParameters.model_validate({}),
        description="molecular dynamics of the seam of structures that have defects there; null skips it, and needs "
        "no LAMMPS",
    )

    @model_validator(mode="after")
    def _distances(self) -> Self:
        if self.min_distance >= self.measures.bond_cutoff:
            raise ValueError(
                f"min_distance ({self.min_distance} Å) must be below measures.bond_cutoff "
                f"({self.measures.bond_cutoff} Å): no bond could cross the seam"
            )
        return self
