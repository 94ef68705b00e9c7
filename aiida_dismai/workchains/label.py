"""Relax many structures with density-functional theory and collect all their ionic steps as labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ExitCode, ProcessBuilder
from aiida.orm import AbstractCode, Bool, Dict, Float, Int, List, ProcessNode, to_aiida_type

from ..calculations.functions.labels import summarise_labels
from ..calculations.functions.sets import concatenate_structures
from ..data import StructureSetData
from ..dft import engine_for
from ..exit_codes import LABEL, declare
from .bounds import positive, share
from .checked import CheckedSpec, CheckedWorkChain
from .label_inputs import define_inputs, fill_label_many, validate_inputs
from .label_lane import LabelLaneWorkChain
from .label_protocol import LabelProtocolMixin
from .request import Request


class LabelWorkChain(LabelProtocolMixin, CheckedWorkChain):
    """Relax every structure of a set, ``max_concurrent`` at once; those that fail are counted and named."""

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        define_inputs(spec)
        spec.input(
            "pre_relaxed",
            valid_type=Bool,
            serializer=to_aiida_type,
            default=lambda: Bool(False),
            help="The structures were relaxed with a potential: leave stage 1 out.",
        )
        spec.input(
            "max_concurrent",
            valid_type=Int,
            serializer=to_aiida_type,
            validator=positive,
            default=lambda: Int(20),
            help="Maximum number of concurrent relaxations.",
        )
        spec.input(
            "max_failed_fraction",
            valid_type=Float,
            serializer=to_aiida_type,
            validator=share,
            default=lambda: Float(1.0),
            help="Largest allowed share of failed structures; above it the process fails (its outputs are kept).",
        )
        spec.inputs.validator = validate_inputs
        spec.outline(cls.setup, cls.run_lanes, cls.collect)
        spec.output(
            "labelled",
            valid_type=StructureSetData,
            required=False,
            help="All usable ionic steps with energy, forces, stress, trajectory (index in the input), step and stage; "
            "including the steps of structures that failed later.",
        )
        spec.output(
            "relaxed",
            valid_type=StructureSetData,
            required=False,
            help="Last step of the structures that did not fail, with trajectory, energy, energy_initial, steps, "
            "converged and fmax.",
        )
        spec.output("summary", valid_type=Dict, required=False, help="Numbers of structures, jobs and steps.")
        spec.output("failed", valid_type=Dict, help="How many structures failed, and for each index, uuid, why.")
        declare(spec, LABEL)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        structures: StructureSetData,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol and checked.

        Args:
            code: the DFT code; its plugin chooses the engine.
            structures: what to relax, with the property ``region`` where stage 1 is wanted.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``stage_1``, ``stage_2``, ``potential_family``, ``max_concurrent``, …).
            options: scheduler options of all jobs.

        Raises:
            BadInput: what :func:`~aiida_dismai.workchains.label_inputs.label_problems` finds.
        """
        request = Request(cls, overrides, options)
        builder = request.draft
        builder.structures = structures
        inputs = cls.get_protocol_inputs(protocol, request.overrides, engine=engine_for(code))
        fill_label_many(builder, code, inputs, request.options)
        return request.finish(whole=True)

    def setup(self) -> None:
        """Deal the structures out to the lanes."""
        total = len(self.inputs.structures)
        lanes = min(self.inputs.max_concurrent.value, total)
        self.ctx.lanes = [list(range(lane, total, lanes)) for lane in range(lanes)]

    def run_lanes(self) -> None:
        """Launch all lanes."""
        names = ["structures", "dft", "stage_2"] + ([] if self.inputs.pre_relaxed.value else ["stage_1"])
        shared = {name: self.inputs[name] for name in names if name in self.inputs}
        for lane, indices in enumerate(self.ctx.lanes):
            name = f"lane_{lane:03d}"
            inputs = {**shared, "indices": List(indices), "metadata": {"call_link_label": name}}
            self.to_context(**{name: self.submit(LabelLaneWorkChain, **inputs)})
        self.report(f"relaxing {len(self.inputs.structures)} structures in {len(self.ctx.lanes)} lanes")

    def collect(self) -> ExitCode | None:
        """Join what was labelled; count and name what failed."""
        total = len(self.inputs.structures)
        children = self._children()
        failed = Dict({"structures": total, **_failures(total, children)}).store()
        self.out("failed", failed)
        labelled = _outputs(children, "labelled")
        if labelled:
            whole = concatenate_structures(**labelled)
            self.out("labelled", whole)
            self.out("summary", summarise_labels(whole, failed, **_outputs(children, "summary")))
        relaxed = _outputs({index: child for index, child in children.items() if child.is_finished_ok}, "relaxed")
        if relaxed:
            self.out("relaxed", concatenate_structures(**relaxed))
        if not labelled:
            return self.exit_codes.ERROR_NOTHING_LABELLED.format(total=total)
        if failed["count"] > self.inputs.max_failed_fraction.value * total:
            return self.exit_codes.ERROR_TOO_MANY_FAILED.format(failed=failed["count"], total=total)
        return None

    def _children(self) -> dict[int, ProcessNode]:
        """Return the relaxation of each structure, as far as there is one."""
        lanes = [self.ctx[f"lane_{lane:03d}"] for lane in range(len(self.ctx.lanes))]
        found = {call.inputs.index.value: call for lane in lanes for call in lane.called}
        return dict(sorted(found.items()))


def _outputs(children: Mapping[int, ProcessNode], name: str) -> dict[str, Any]:
    return {f"structure_{index:05d}": child.outputs[name] for index, child in children.items() if name in child.outputs}


def _failures(total: int, children: Mapping[int, ProcessNode]) -> dict[str, Any]:
    """Say which structures failed, with the process, its exit status and the reason."""
    failures: list[dict[str, Any]] = []
    for index in range(total):
        child = children.get(index)
        if child is None:
            reason = "never started: its lane was stopped"
            failures.append({"index": index, "process": None, "exit_status": None, "reason": reason})
        elif not child.is_finished_ok:
            reason = child.exit_message or f"the process is {child.process_state}"
            failures.append({"index": index, "process": child.uuid, "exit_status": child.exit_status, "reason": reason})
    return {"count": len(failures), "failures": failures}
