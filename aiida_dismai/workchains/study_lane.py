"""Run some benchmarks of a study one after the other.

As the lanes of :class:`~aiida_dismai.workchains.label.LabelWorkChain`: benchmarks differ in length, and a WorkChain
wakes only when everything that it waits for has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiida.orm import AbstractCode, Bool, Data, Dict, List, Str, to_aiida_type

from ..engine.errors import BadInput
from .checked import CheckedSpec, CheckedWorkChain, while_
from .study_plan import Cell, builder_of, cells_of, of_equal_time

#: Inputs of a study that its lanes get.
SHARED = ("code", "datasets", "models", "seeds", "axis", "baselines", "protocol", "overrides", "options")


def define_inputs(spec: CheckedSpec) -> None:
    """Declare what a study and its lanes share."""
    spec.input("code", valid_type=AbstractCode, help="The `dismai` code.")
    spec.input_namespace(
        "datasets",
        dynamic=True,
        valid_type=Data,
        help="Data sets by name; each a namespace of `train`, `validation`, `potential` (where structures are relaxed "
        "with a trained one), `kind` (family of structures; default: interface) and `overrides` of the benchmark.",
    )
    spec.input(
        "models",
        valid_type=Dict,
        serializer=to_aiida_type,
        help="Models by name: overrides of the benchmark for each, and `model`, if the name is not the plug-in's.",
    )
    spec.input("seeds", valid_type=List, serializer=to_aiida_type, help="Seeds: a benchmark for each.")
    spec.input(
        "axis",
        valid_type=Dict,
        serializer=to_aiida_type,
        required=False,
        help="Hyper-parameter to vary (`name`) and its `values`, for all models that have it.",
    )
    spec.input(
        "baselines",
        valid_type=Bool,
        serializer=to_aiida_type,
        default=lambda: Bool(True),
        help="Benchmark also `random` and `resample`, which learn nothing.",
    )
    spec.input("protocol", valid_type=Str, serializer=to_aiida_type, required=False, help="Protocol of the benchmarks.")
    spec.input(
        "overrides",
        valid_type=Dict,
        serializer=to_aiida_type,
        required=False,
        help="Overrides of the benchmarks' protocol, for all models.",
    )
    spec.input(
        "options",
        valid_type=Dict,
        serializer=to_aiida_type,
        required=False,
        help="Scheduler options of all jobs.",
    )


class StudyLaneWorkChain(CheckedWorkChain):
    """One of the lanes of :class:`~aiida_dismai.workchains.study.StudyWorkChain`; it never fails itself."""

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports and outline."""
        super().define(spec)
        define_inputs(spec)
        spec.input("keys", valid_type=List, serializer=to_aiida_type, help="Which benchmarks, in this order.")
        spec.input(
            "epochs",
            valid_type=Dict,
            serializer=to_aiida_type,
            required=False,
            help="Epochs of each, if other than those of the protocol.",
        )
        spec.outline(cls.setup, while_(cls.has_more)(cls.run_next))

    def setup(self) -> None:
        """Choose the benchmarks of this lane from those of the study."""
        cells = {cell.key: cell for cell in cells_of(self.inputs)}
        epochs: Mapping[str, Any] = self.inputs.epochs.get_dict() if "epochs" in self.inputs else {}
        chosen = [cells[key] for key in self.inputs["keys"]]
        chosen = [of_equal_time(cell, epochs[cell.key]) if cell.key in epochs else cell for cell in chosen]
        self.ctx.waiting = [asdict(cell) for cell in chosen]  # a checkpoint of AiiDA holds plain values

    def has_more(self) -> bool:
        """Whether there are benchmarks left."""
        return bool(self.ctx.waiting)

    def run_next(self) -> None:
        """Run the next benchmark; whether it succeeds is for the parent to look at."""
        cell = Cell(**self.ctx.waiting.pop(0))
        try:
            node = self.submit(builder_of(cell, self.inputs))
        except (BadInput, ValueError, TypeError) as error:  # what was registered at submission may be gone
            self.report(f"{cell.key}: {error}")
            return
        self.to_context(**{cell.key: node})
