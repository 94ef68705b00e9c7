"""Parameters of the task ``amorphous.measure``; imports no torch, no LAMMPS."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ...parameters import Parameters
from ...workers import WORKERS, Workers
from ..parameters import EnergyParameters, GateParameters, MeasureParameters


class MeasureTaskParameters(Parameters):
    """Measuring a set of structures; nothing is changed or left out, the gate only says what would be."""

    FREE: ClassVar[frozenset[str]] = frozenset({"gate", "workers"})  # the gate judges afterwards

    measures: MeasureParameters = Field(MeasureParameters.model_validate({}), description="how structures are measured")
    gate: GateParameters = Field(GateParameters.model_validate({}), description="criteria that a structure must meet")
    energies: EnergyParameters | None = Field(
        None,
        description="potential for the energies of structures without a property 'energy' (eV); null: no energies",
    )
    workers: Workers = Field(1, description=WORKERS)
