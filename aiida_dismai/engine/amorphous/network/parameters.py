"""Parameters of ``amorphous.network``; imports no torch, no numba."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from ..density import cube_edge, mass_density
from ..parameters import GateParameters, MakeParameters
from .diamond import LARGEST, SMALLEST

#: Densities in units of that of the crystal between which a network of unbroken springs means something [own].
DENSITIES = (0.85, 1.15)


class NetworkParameters(MakeParameters):
    """Start from diamond, randomise, anneal by bond transpositions, stop at an angle deviation.

    Number of atoms and density are those of the paper's structures [paper]. The Keating energy is that of Barkema and
    Mousseau (Phys. Rev. B 62, 4985, 2000): α 2.965 eV/Å², β 0.285 α, d 2.35 Å. Theirs is also the early rejection; its
    c was measured here: of 467 transpositions that were to be accepted (of 32,000, from 20° to 12°) 0.2 Å²/eV lost
    three and 0.3 Å²/eV none [own]. The course of temperatures is [own]: networks of 256 atoms come to about 10.3° in
    the first round. So is the deviation at which it stops: relaxing turns 10.0° into 11.9° (EDIP), 11.6° (Stillinger
    and Weber) or 10.7° (Vink's version of that); the paper's structures have about 12°.
    """

    n_atoms: int = Field(256, ge=SMALLEST, le=LARGEST, description="atoms per structure, an even number")
    density: float = Field(2.28, gt=0, le=50, description="density, g/cm³; the cell is a cube")
    volume: Literal["fixed", "relaxed"] = Field(
        "fixed",
        description="whether the cube keeps its density or is finally relaxed to the size of lowest Keating energy",
    )
    alpha: float = Field(2.965, gt=0, le=100, description="Keating's bond-stretching constant α, eV/Å²")
    beta_ratio: float = Field(0.285, gt=0, le=1, description="Keating's bond-bending constant β in units of α")
    bond_length: float = Field(2.35, ge=0.5, le=5, description="Keating's bond length d, Å")
    angle_sigma: float = Field(
        10.0,
        ge=9.0,
        le=14.0,
        description="the annealing ends once the standard deviation of the network's bond angles is at most this, "
        "degrees; relaxing with a potential changes it",
    )
    smallest_ring: int = Field(4, ge=4, le=5, description="size of the smallest ring allowed in the result (4 or 5)")
    randomise: float = Field(
        0.5, ge=0, le=20, description="transpositions per atom that are accepted unconditionally before the annealing"
    )
    hot: float = Field(0.5, gt=0, le=10, description="kT at the start of the annealing, eV")
    cold: float = Field(0.2, gt=0, le=10, description="kT at its end, eV; it decreases geometrically")
    annealing: int = Field(
        2000, ge=0, le=1_000_000, description="attempted transpositions per atom in a round of annealing"
    )
    rounds: int = Field(
        5,
        ge=1,
        le=1000,
        description="maximum number of rounds of annealing and quench until the angles are narrow enough, after "
        "which the attempt is rejected; from the second on they start at the geometric mean of hot and cold",
    )
    quench_sweeps: int = Field(
        20,
        ge=0,
        le=1000,
        description="sweeps over all transpositions after each round, accepting only those that lower the energy; "
        "stops early if there are none",
    )
    forecast: float | None = Field(
        0.4,
        gt=0,
        le=100,
        description="c of the early rejection of relaxations that cannot come down to E by E - c |F|², Å²/eV; null "
        "relaxes all to the end",
    )
    gate: GateParameters = Field(
        default_factory=lambda: GateParameters.model_validate({"max_crystalline_percent": 5}),
        description="criteria that a structure must meet",
    )

    @field_validator("n_atoms")
    @classmethod
    def _even(cls, n_atoms: int) -> int:
        if n_atoms % 2:
            raise ValueError(
                f"bond switching starts from diamond, which has an even number of atoms; give {n_atoms + 1}"
            )
        return n_atoms

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.cold > self.hot:
            raise ValueError(f"cold ({self.cold:g} eV) must not exceed hot ({self.hot:g} eV)")
        share = self.density / self.crystal_density
        if not DENSITIES[0] <= share <= DENSITIES[1]:
            low, high = (limit * self.crystal_density for limit in DENSITIES)
            raise ValueError(
                f"density {self.density:g} g/cm³ is impossible for fourfold {self.element} with bonds of "
                f"{self.bond_length:g} Å: give {low:.3g} to {high:.3g} g/cm³ "
                f"(the crystal has {self.crystal_density:.3g})"
            )
        return self

    @property
    def crystal_density(self) -> float:
        """Density of diamond with these bonds, g/cm³."""
        edge = 4 * self.bond_length / math.sqrt(3)
        return mass_density(8, self.element, edge**3)

    @property
    def edge(self) -> float:
        """Edge of the cube at the density, Å."""
        return cube_edge(self.n_atoms, self.element, self.density)
