"""CalcJobs of the tasks ``postprocess``, ``describe``, ``metrics`` and ``compare``."""

from __future__ import annotations

from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData, FolderData, SinglefileData

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
        spec.output(
            "structures",
            valid_type=StructureSetData,
            help="Structures whose atoms could be pushed apart (may be none).",
        )


class DescribeCalculation(TaskCalculation):
    """Compute what the metrics average, structure by structure: what takes time of them, for a chunk of a set."""

    TASK = "describe"
    INPUT_PORTS = ("structures",)
    OUTPUT_FILES = {"records": "records.bin"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the structures and their records."""
        super().define(spec)
        spec.input(
            "structures",
            valid_type=StructureSetData,
            validator=validate_not_empty,
            help="Generated or training structures, of which at least one has converged.",
        )
        spec.output("records", valid_type=SinglefileData, help="The input `records` of `dismai.metrics`.")


class MetricsCalculation(TaskCalculation):
    """Compare generated structures with training structures."""

    TASK = "metrics"
    INPUT_PORTS = ("structures", "reference", "validation", "records")
    OUTPUT_FILES = {"per_structure": "per_structure.npz", "reference": "reference.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the sets and the measures."""
        super().define(spec)
        spec.input(
            "structures",
            valid_type=StructureSetData,
            help="Generated structures after post-processing and relaxation (an empty set means that all failed).",
        )
        spec.input(
            "reference",
            valid_type=(StructureSetData, SinglefileData, FolderData),
            validator=validate_not_empty,
            help="Training structures, the reference of an earlier run, or the authors' published csv files.",
        )
        spec.input(
            "validation",
            valid_type=StructureSetData,
            required=False,
            validator=validate_not_empty,
            help="Validation structures of the same data set, whose distance is shown next to the noise floor.",
        )
        spec.input(
            "records",
            valid_type=SinglefileData,
            required=False,
            help="Records of some of the structures, from `dismai.describe`, which are then not computed again.",
        )
        spec.output("per_structure", valid_type=ArrayData, help="The measures of every structure.")
        spec.output(
            "reference",
            valid_type=SinglefileData,
            help="Records of the training set, as input `reference` of later runs.",
        )


class CompareCalculation(TaskCalculation):
    """Compare the surroundings of cations in the region of the interface, set beside set."""

    TASK = "compare"
    INPUT_PORTS = ("reference", "structures", "other")
    OUTPUT_FILES = {"comparison": "comparison.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the sets and what is drawn of them."""
        super().define(spec)
        spec.input(
            "reference",
            valid_type=StructureSetData,
            validator=validate_not_empty,
            help="Training structures, with regions.",
        )
        spec.input(
            "structures",
            valid_type=StructureSetData,
            validator=validate_not_empty,
            help="Structures to compare with them, relaxed, such as generated ones of low energy.",
        )
        spec.input(
            "other",
            valid_type=StructureSetData,
            required=False,
            validator=validate_not_empty,
            help="Another set to compare with them, such as random structures of high energy.",
        )
        spec.output("comparison", valid_type=ArrayData, help="Average fingerprints and radial distributions.")
