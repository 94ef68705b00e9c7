"""CalcJob of the task ``interfaces.build``."""

from __future__ import annotations

from aiida.engine import CalcJobProcessSpec
from aiida.orm import StructureData

from ..data import StructureSetData
from .base import TaskCalculation


class BuildInterfacesCalculation(TaskCalculation):
    """Build random interfaces between two bulk crystals."""

    TASK = "interfaces.build"
    INPUT_PORTS = ("slab_a", "slab_b")
    OUTPUT_FILES = {"structures": "structures.npz"}

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the bulk crystals and the set of interfaces."""
        super().define(spec)
        spec.input("slab_a", valid_type=StructureData, help="Bulk crystal of the lower slab, conventional cell.")
        spec.input("slab_b", valid_type=StructureData, help="Bulk crystal of the upper slab, conventional cell.")
        spec.output("structures", valid_type=StructureSetData, help="The interfaces, with their regions per atom.")
