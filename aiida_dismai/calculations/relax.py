"""CalcJob of the task ``relax``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import CalcJobProcessSpec

from ..data import PotentialData, StructureSetData
from ..engine.errors import BadInput
from .base import TaskCalculation, validate_not_empty
from .cores import refuse_mismatch
from .potentials import validate_elements

OWN_CALCULATOR = "m3gnet"


def validate_periodic(node: StructureSetData | None, port: Any) -> str | None:
    """Refuse an empty set, and structures that are not periodic along all three lattice vectors."""
    try:
        if isinstance(node, StructureSetData) and len(node):
            node.structures.require_periodic(getattr(port, "name", "structures"))
    except BadInput as error:
        return str(error)
    return validate_not_empty(node, port)


def validate_calculator(parameters: Mapping[str, Any], potential: PotentialData | None) -> str | None:
    """Refuse a potential where none is used, and none where one is needed."""
    calculator = parameters.get("calculator", OWN_CALCULATOR)
    if calculator == OWN_CALCULATOR and potential is None:
        return f"the calculator '{OWN_CALCULATOR}' needs a `potential`; give one, or name another calculator"
    if calculator != OWN_CALCULATOR and potential is not None:
        return f"a `potential` is given but the calculator is '{calculator}': it would not be used"
    return None


def validate_inputs(inputs: dict[str, Any], port: Any) -> str | None:
    """Refuse a potential where none is used, none where one is needed, unknown elements, and too few cores."""
    if "parameters" not in inputs or "potential" not in port:
        return None  # where a WorkChain exposes the ports without the potential, it brings its own
    parameters = inputs["parameters"].get_dict()
    refused = validate_calculator(parameters, inputs.get("potential"))
    resources = inputs.get("metadata", {}).get("options", {}).get("resources", {})
    return refused or refuse_mismatch(parameters, resources) or validate_elements(inputs, port)


class RelaxCalculation(TaskCalculation):
    """Relax structures with a potential."""

    TASK = "relax"
    INPUT_PORTS = ("structures", "potential")
    OUTPUT_FILES = {"structures": "structures.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the structures before and after."""
        super().define(spec)
        spec.input("structures", valid_type=StructureSetData, validator=validate_periodic, help="Structures to relax.")
        spec.input(
            "potential",
            valid_type=PotentialData,
            required=False,
            help="The trained potential, for the calculator 'm3gnet'.",
        )
        spec.inputs.validator = validate_inputs
        spec.output(
            "structures",
            valid_type=StructureSetData,
            help="All structures, in order, with energy, energy_initial, steps, converged, fmax and failure.",
        )
