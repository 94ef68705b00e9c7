"""CalcJobs of the tasks ``postprocess`` and ``metrics``."""

from __future__ import annotations

from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData, SinglefileData

from ..data import StructureSetData
from .base import TaskCalculation, validate_not_empty


class PostprocessCalculation(TaskCalculation):
    """Push atoms apart that are too close."""

    TASK = "postprocess"
    INPUT_PORTS = ("structures",)
    OUTPUT_FILES = {"structures": "structures.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the structures before and after."""
        super().define(spec)
        spec.input(
            "structures", valid_type=StructureSetData, validator=validate_not_empty, help="Generated structures."
        )
        spec.output("structures", valid_type=StructureSetData, help="Those that could be mended (may be none).")


class MetricsCalculation(TaskCalculation):
    """Compare generated structures with training structures."""

    TASK = "metrics"
    INPUT_PORTS = ("structures", "reference")
    OUTPUT_FILES = {"per_structure": "per_structure.npz", "reference": "reference.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the two sets and the measures."""
        super().define(spec)
        spec.input(
            "structures",
            valid_type=StructureSetData,
            help="Generated structures after post-processing and relaxation (an empty set means that all failed).",
        )
        spec.input(
            "reference",
            valid_type=(StructureSetData, SinglefileData),
            validator=validate_not_empty,
            help="Training structures, or the reference that an earlier run has written.",
        )
        spec.output("per_structure", valid_type=ArrayData, help="The measures of every structure.")
        spec.output("reference", valid_type=SinglefileData, help="Averages of the training set, for the next run.")
