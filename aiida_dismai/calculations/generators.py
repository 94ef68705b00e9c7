"""CalcJobs of the tasks ``generator.train`` and ``generator.sample``."""

from __future__ import annotations

from typing import Any

from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData

from ..data import GeneratorData, StructureSetData
from ..engine.generators.registry import find, registered
from .base import TaskCalculation, validate_not_empty


def validate_atoms(inputs: dict[str, Any], _: Any) -> str | None:
    """Refuse structures with different atoms for a model that generates one set of atoms."""
    if "parameters" not in inputs or "structures" not in inputs:
        return None
    model = inputs["parameters"].get_dict().get("model")
    if model not in registered() or not find(model).same_atoms:
        return None
    formulas = inputs["structures"].formulas
    if len(formulas) > 1:
        return f"the model '{model}' needs the same atoms in all structures; these have {', '.join(formulas[:3])}" + (
            ", …" if len(formulas) > 3 else ""
        )
    return None


class TrainGeneratorCalculation(TaskCalculation):
    """Train a generative model."""

    TASK = "generator.train"
    INPUT_PORTS = ("structures", "validation")
    OUTPUT_FILES = {"generator": "generator", "curves": "curves.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the data and the trained model."""
        super().define(spec)
        spec.input("structures", valid_type=StructureSetData, validator=validate_not_empty, help="Training structures.")
        spec.input("validation", valid_type=StructureSetData, required=False, help="Validation structures.")
        spec.inputs.validator = validate_atoms
        spec.output("generator", valid_type=GeneratorData, help="The trained model.")
        spec.output("curves", valid_type=ArrayData, help="Losses by epoch.")


class SampleGeneratorCalculation(TaskCalculation):
    """Generate structures with a trained model."""

    TASK = "generator.sample"
    INPUT_PORTS = ("generator",)
    OUTPUT_FILES = {"structures": "structures.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the model and its structures."""
        super().define(spec)
        spec.input("generator", valid_type=GeneratorData, help="The trained model.")
        spec.output("structures", valid_type=StructureSetData, help="The generated structures, as the model made them.")
