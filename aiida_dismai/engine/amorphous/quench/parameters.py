"""Parameters of ``amorphous.quench``; imports no torch, no LAMMPS."""

from __future__ import annotations

from typing import Any, Literal, Self

from ase.data import covalent_radii
from pydantic import Field, model_validator

from ...potentials.registry import require_calculator
from ..density import cube_edge, mass_density
from ..parameters import GateParameters, MakeParameters

#: Share of the volume that spheres may fill and still be pushed apart from random places in moments [own]; the densest
#: random packing has 0.64.
DENSEST = 0.5
#: Two atoms begin no nearer than this share of the sum of their covalent radii [own].
NEAREST = 0.8


class QuenchParameters(MakeParameters):
    """Melt random atoms, cool them at a constant rate, minimise.

    Number of atoms and density are those of the paper's structures [paper]; the rest is [own]. Potential and rate were
    chosen by measurement: of the potentials that LAMMPS ships files for, none comes near the paper's coordination and
    bond angles (89 % fourfold, σ about 12°) at rates that take minutes. The Stillinger–Weber potential as Vink et al.
    (J. Non-Cryst. Solids 282, 248, 2001) fitted it to amorphous silicon does, and relaxed with EDIP afterwards has
    95 % fourfold, 3.5 % fivefold and 1 % threefold atoms, σ 12.4°, at 2e13 K/s in about a minute; at 1e14 K/s 93 %,
    5.5 %, 1 % and 13.5°.
    """

    n_atoms: int = Field(256, ge=8, le=1_000_000, description="atoms per structure")
    density: float = Field(
        2.28, ge=0.1, le=50, description="density of the melt, g/cm³, and with ensemble 'nvt' of the structure"
    )
    potential: str = Field(
        "sw_vink",
        description="of molecular dynamics and minimisation: 'sw_vink', 'sw', 'edip', 'tersoff' or 'lammps' run in "
        "LAMMPS; 'gap', 'chgnet' and those of plug-ins through ASE, for small runs",
    )
    potential_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="keyword arguments of the potential, as calculator_kwargs of the task relax"
    )
    ensemble: Literal["nvt", "npt"] = Field(
        "nvt", description="cell fixed at the density (nvt), or a cube of free size at zero pressure (npt)"
    )
    melt_temperature: float = Field(3000.0, gt=0, le=20_000, description="temperature of the melt, K")
    melt_time: float = Field(5.0, gt=0, le=1e6, description="time at the melt temperature at least, ps")
    melt_displacement: float = Field(
        5.0,
        ge=0,
        le=100,
        description="the melt is over when the root mean square displacement has reached this, too, Å; after ten times "
        "melt_time without, the attempt is rejected",
    )
    rate: float = Field(2e13, gt=0, le=1e17, description="cooling rate, K/s")
    final_temperature: float = Field(300.0, gt=0, le=20_000, description="temperature at which the cooling ends, K")
    timestep: float = Field(2.0, ge=0.01, le=10.0, description="timestep of the molecular dynamics, fs")
    thermostat_time: float = Field(100.0, gt=0, le=1e5, description="relaxation time of the thermostat, fs")
    barostat_time: float = Field(1000.0, gt=0, le=1e6, description="relaxation time of the barostat (npt), fs")
    fmax: float = Field(0.05, gt=0, description="minimised until the force on every atom is below this, eV/Å")
    relax_steps: int = Field(1000, ge=0, description="steps of the minimisation at most; 0 leaves it out")
    max_hours: float = Field(
        24.0, gt=0, le=1e5, description="a run that is estimated to take longer than this is refused, hours"
    )
    gate: GateParameters = Field(
        default_factory=lambda: GateParameters.model_validate(
            {"min_fourfold_percent": 80, "max_angle_sigma": 16, "max_crystalline_percent": 10}
        ),
        description="criteria that a structure must meet",
    )

    @model_validator(mode="after")
    def _known_potential(self) -> Self:
        require_calculator(self.potential, self.potential_kwargs, "potential_kwargs")
        if self.potential == "m3gnet":
            raise ValueError("'m3gnet' needs a trained potential, which this task does not take; use another one")
        return self

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.final_temperature >= self.melt_temperature:
            raise ValueError(
                f"final_temperature ({self.final_temperature:g} K) must be below melt_temperature "
                f"({self.melt_temperature:g} K)"
            )
        if self.density > self.max_density:
            raise ValueError(
                f"density {self.density:g} g/cm³ is impossible: atoms of {self.element} would overlap; at most "
                f"{self.max_density:.3g} g/cm³"
            )
        if self.thermostat_time < 2 * self.timestep or self.barostat_time < 2 * self.timestep:
            raise ValueError(
                f"thermostat_time and barostat_time must be at least two timesteps ({2 * self.timestep:g} fs)"
            )
        if self.quench_steps < 10:
            raise ValueError(
                f"rate {self.rate:g} K/s cools by {self.melt_temperature - self.final_temperature:g} K in "
                f"{self.quench_steps} timesteps; give a lower rate or a shorter timestep"
            )
        return self

    @property
    def edge(self) -> float:
        """Edge of the cube at the density, Å."""
        return cube_edge(self.n_atoms, self.element, self.density)

    @property
    def min_distance(self) -> float:
        """Two atoms begin no nearer than this, Å."""
        return float(NEAREST * 2 * covalent_radii[self.number])

    @property
    def max_density(self) -> float:
        """Random atoms cannot be pushed apart above this, g/cm³."""
        sphere = 3.141592653589793 / 6 * self.min_distance**3
        return DENSEST * mass_density(1, self.element, sphere)

    @property
    def melt_steps(self) -> int:
        """Timesteps of the melt at least."""
        return max(1, round(1e3 * self.melt_time / self.timestep))

    @property
    def quench_steps(self) -> int:
        """Timesteps of the quench."""
        return round((self.melt_temperature - self.final_temperature) / self.rate * 1e15 / self.timestep)
