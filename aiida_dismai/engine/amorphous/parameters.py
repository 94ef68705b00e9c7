"""What the tasks that make amorphous structures have in common; imports no torch, no LAMMPS."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from ase.data import atomic_numbers, chemical_symbols
from pydantic import Field, field_validator, model_validator

from ..errors import nearest
from ..parameters import Parameters
from ..potentials.registry import require_calculator
from ..workers import WORKERS, Workers


class MeasureParameters(Parameters):
    """How structures are measured.

    Coordination and bond angles are those of the benchmark's metrics (CrystalNN, [code]). Rings and crystallinity take
    as bonds all pairs within ``bond_cutoff``, the usual first minimum of the radial distribution of a-Si [own].
    """

    bond_cutoff: float = Field(2.85, gt=0.5, le=5.0, description="pairs closer than this are bonds of the rings, Å")
    largest_ring: int = Field(8, ge=3, le=12, description="rings up to this many atoms are counted")


class GateParameters(Parameters):
    """What is good enough; a limit that is not given rejects nothing.

    The coordination is that of the metrics, the bond-angle deviation that of all bond angles of the structure.
    """

    min_fourfold_percent: float | None = Field(
        None, ge=0, le=100, description="lower bound on the share of atoms with four neighbours, percent"
    )
    min_angle_sigma: float | None = Field(
        None, ge=0, le=90, description="lower bound on the standard deviation of the bond angles, degrees"
    )
    max_angle_sigma: float | None = Field(
        None, ge=0, le=90, description="upper bound on the standard deviation of the bond angles, degrees"
    )
    max_crystalline_percent: float | None = Field(
        None, ge=0, le=100, description="upper bound on the share of atoms in a crystalline environment, percent"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = self.min_angle_sigma, self.max_angle_sigma
        if low is not None and high is not None and low > high:
            raise ValueError(f"min_angle_sigma ({low}°) must not exceed max_angle_sigma ({high}°)")
        return self


class EnergyParameters(Parameters):
    """The potential that gives the energies of structures."""

    calculator: str = Field(
        "edip", description="name of a calculator, as in the task relax; not one that needs a trained potential"
    )
    calculator_kwargs: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the calculator")

    @model_validator(mode="after")
    def _known(self) -> Self:
        require_calculator(self.calculator, self.calculator_kwargs)
        if self.calculator == "m3gnet":
            raise ValueError("calculator 'm3gnet' needs a trained potential: relax the structures with it instead")
        return self


class MakeParameters(Parameters):
    """Of every task that makes amorphous structures."""

    # more structures may be asked for of the same
    FREE: ClassVar[frozenset[str]] = frozenset({"n_structures", "first", "workers"})

    element: str = Field("Si", description="chemical symbol of the atoms; potentials and large cells have to know it")
    n_structures: int = Field(1, ge=1, le=1_000_000, description="number of structures to make")
    first: int = Field(
        0,
        ge=0,
        description="index of the first structure: jobs over 0–49 and 50–99 together give what one over 0–99 gives",
    )
    max_attempts: int = Field(
        10,
        ge=1,
        le=10_000,
        description="maximum number of attempts to pass the gate; after that the structure is left out and counted",
    )
    gate: GateParameters = Field(
        default_factory=lambda: GateParameters.model_validate({}), description="criteria that a structure must meet"
    )
    measures: MeasureParameters = Field(
        default_factory=lambda: MeasureParameters.model_validate({}), description="how structures are measured"
    )
    energies: EnergyParameters | None = Field(
        default_factory=lambda: EnergyParameters.model_validate({}),
        description="potential of the energies per atom; null computes none",
    )
    workers: Workers = Field(1, description=WORKERS)

    @field_validator("element")
    @classmethod
    def _known_element(cls, symbol: str) -> str:
        if symbol not in chemical_symbols[1:]:
            raise ValueError(f"'{symbol}' is not a chemical symbol{nearest(symbol, chemical_symbols[1:])}")
        return symbol

    @property
    def number(self) -> int:
        """Atomic number."""
        return int(atomic_numbers[self.element])
