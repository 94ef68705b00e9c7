"""CalcJobs of the tasks ``potential.train`` and ``potential.evaluate``."""

from __future__ import annotations

from typing import Any

from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData

from ..data import PotentialData, StructureSetData
from ..engine.methods import methods_of, mixed
from .base import TaskCalculation, validate_not_empty

LABELS = ("energy", "forces", "stress")


def validate_labelled(node: StructureSetData | None, port: Any) -> str | None:
    """Refuse an empty set, or one without energy, forces and stress."""
    missing = [name for name in LABELS if node is not None and name not in node.property_names]
    if missing:
        return f"the structures have no {', '.join(missing)}: label them with `dismai.label` first"
    return validate_not_empty(node, port)


def validate_elements(inputs: dict[str, Any], _: Any) -> str | None:
    """Refuse structures with elements that the potential does not know."""
    potential, structures = inputs.get("potential"), inputs.get("structures")
    if potential is None or structures is None:
        return None
    unknown = sorted(set(structures.elements) - set(potential.elements))
    if unknown:
        return f"the potential does not know {', '.join(unknown)}; it was trained for {', '.join(potential.elements)}"
    return None


def validate_one_method(inputs: dict[str, Any], _: Any) -> str | None:
    """Refuse labels of several methods, unless the parameters allow them."""
    structures, parameters = inputs.get("structures"), inputs.get("parameters")
    if structures is None or parameters is None or parameters.get_dict().get("mixed_labels"):
        return None
    found = mixed(methods_of(structures.structures))
    return f"{found}; train on one of them, or set the parameter mixed_labels to true" if found else None


class TrainPotentialCalculation(TaskCalculation):
    """Train an M3GNet potential on labelled structures."""

    TASK = "potential.train"
    INPUT_PORTS = ("structures",)
    OUTPUT_FILES = {
        "potential": "potential",
        "potential_last": "potential_last",
        "curves": "curves.npz",
        "parity": "parity.npz",
    }

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the labelled structures and what training gives."""
        super().define(spec)
        spec.input(
            "structures",
            valid_type=StructureSetData,
            validator=validate_labelled,
            help="Structures with energy (eV), forces (eV/Å), stress (GPa) and trajectory.",
        )
        spec.inputs.validator = validate_one_method
        spec.output("potential", valid_type=PotentialData, help="Weights of the epoch with the best validation error.")
        spec.output("potential_last", valid_type=PotentialData, help="Weights of the last epoch.")
        spec.output("curves", valid_type=ArrayData, help="Losses and errors by epoch.")
        spec.output("parity", valid_type=ArrayData, help="Predicted and reference labels, and their set.")


class EvaluatePotentialCalculation(TaskCalculation):
    """Errors of a potential on labelled structures, or against DFT relaxations (Table 5 of the paper)."""

    TASK = "potential.evaluate"
    INPUT_PORTS = ("potential", "structures", "relaxed")
    OUTPUT_FILES = {"parity": "parity.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the potential and what it is compared with."""
        super().define(spec)
        spec.input("potential", valid_type=PotentialData, help="The potential.")
        spec.input("structures", valid_type=StructureSetData, validator=validate_labelled, help="Labelled structures.")
        spec.input(
            "relaxed",
            valid_type=StructureSetData,
            required=False,
            help="Structures relaxed with the potential; `trajectory` names the DFT relaxation that started from each.",
        )
        spec.inputs.validator = validate_elements
        spec.output("parity", valid_type=ArrayData, help="Predicted and reference labels.")
