"""CalcJobs of the tasks that make amorphous structures, and of the one that measures them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData

from ..data import StructureSetData
from ..engine.amorphous.carve.geometry import shapes_of
from ..engine.amorphous.carve.parameters import CarveParameters
from ..engine.amorphous.quench.estimate import check_cost
from ..engine.amorphous.quench.parameters import QuenchParameters
from ..engine.errors import BadInput
from .base import TaskCalculation, validate_not_empty


class MakeAmorphousCalculation(TaskCalculation):
    """What the three ways to amorphous structures have in common."""

    OUTPUT_FILES = {"structures": "structures.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the structures."""
        super().define(spec)
        spec.output(
            "structures",
            valid_type=StructureSetData,
            help="Structures that passed the gate, with index, attempts, energy and details of how they were made.",
        )


class NetworkCalculation(MakeAmorphousCalculation):
    """Make continuous random networks by bond switching."""

    TASK = "amorphous.network"


def validate_quench(inputs: Mapping[str, Any], _: Any = None) -> str | None:
    """Refuse a quench that would take longer than its ``max_hours``; says the estimate."""
    if "parameters" not in inputs:
        return None
    try:
        check_cost(QuenchParameters(**inputs["parameters"].get_dict()))
    except BadInput as error:
        return str(error)
    except ValueError:
        return None  # said by the validator of the parameters
    return None


class QuenchCalculation(MakeAmorphousCalculation):
    """Quench amorphous structures from the melt by molecular dynamics."""

    TASK = "amorphous.quench"

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Refuse what would take days."""
        super().define(spec)
        spec.inputs.validator = validate_quench


def validate_carving(inputs: Mapping[str, Any], _: Any = None) -> str | None:
    """Refuse a large cell that is too small to carve, not periodic, of another element or of quite another density."""
    if "parameters" not in inputs or "structures" not in inputs:
        return None
    try:
        shapes_of(inputs["structures"].structures, CarveParameters(**inputs["parameters"].get_dict()))
    except BadInput as error:
        return str(error)
    except ValueError:
        return None  # said by the validator of the parameters
    return None


class CarveCalculation(MakeAmorphousCalculation):
    """Carve cells out of a large amorphous one."""

    TASK = "amorphous.carve"
    INPUT_PORTS = ("structures",)

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the large cell."""
        super().define(spec)
        spec.input(
            "structures",
            valid_type=StructureSetData,
            validator=validate_not_empty,
            help="The large periodic cell (or several) to carve from.",
        )
        spec.inputs.validator = validate_carving


class MeasureAmorphousCalculation(TaskCalculation):
    """Measure amorphous structures: coordination, angles, radial distribution, rings, crystallinity, density."""

    TASK = "amorphous.measure"
    INPUT_PORTS = ("structures",)
    OUTPUT_FILES = {"measures": "measures.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the structures and their measures."""
        super().define(spec)
        spec.input(
            "structures", valid_type=StructureSetData, validator=validate_not_empty, help="Structures to measure."
        )
        spec.output(
            "measures",
            valid_type=ArrayData,
            help="Averaged radial distribution and bond angles, rings, and every structure's measures and `accepted`.",
        )
