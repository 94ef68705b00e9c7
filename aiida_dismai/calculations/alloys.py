"""CalcJob of the task ``alloys.sample``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData

from ..data import ClusterExpansionData, StructureSetData
from ..engine.alloys.monte_carlo.parameters import SampleParameters
from ..engine.alloys.monte_carlo.system import build_system, find_file
from ..engine.errors import BadInput
from .base import TaskCalculation


def validate_system(inputs: Mapping[str, Any], _: Any = None) -> str | None:
    """Refuse a composition, supercell or expansion that do not fit each other, before anything is submitted."""
    if "parameters" not in inputs:
        return None
    try:
        parameters = SampleParameters(**inputs["parameters"].get_dict())
    except ValueError:
        return None  # said by the validator of the parameters
    try:
        given = inputs["expansion"].file if "expansion" in inputs else None
        build_system(parameters, find_file(parameters, given))
    except BadInput as error:
        return str(error)
    return None


class SampleAlloyCalculation(TaskCalculation):
    """Sample a lattice alloy by canonical Monte Carlo."""

    TASK = "alloys.sample"
    INPUT_PORTS = ("expansion",)
    OUTPUT_FILES = {"structures": "structures.npz", "snapshots": "snapshots.npz", "traces": "traces.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the expansion and what is sampled with it."""
        super().define(spec)
        spec.input(
            "expansion",
            valid_type=ClusterExpansionData,
            required=False,
            help="The cluster expansion; Fe–Ni–Cr as in the paper if none is given.",
        )
        spec.inputs.validator = validate_system
        spec.output("structures", valid_type=StructureSetData, help="Snapshots of all runs, with run, pass and energy.")
        spec.output(
            "snapshots", valid_type=ArrayData, help="All snapshots: species on the sites, run, pass, energy, order."
        )
        spec.output("traces", valid_type=ArrayData, help="Energy after every pass, and short-range order on the way.")
