"""Relax one structure with density-functional theory and keep every ionic step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, WorkChain
from aiida.orm import AbstractCode, Data, Dict, Int, ProcessNode, Str, to_aiida_type
from aiida.plugins import WorkflowFactory
from numpy.typing import NDArray

from ..calculations.cleaning import clean_folders, with_cleaning
from ..calculations.functions.labels import collect_steps, grouped_order, take_structure
from ..calculations.monitors import with_monitors
from ..data import StructureSetData
from ..dft import DftEngine, StageSettings, engine_for
from ..exit_codes import LABEL_STRUCTURE, declare
from .checked import CheckedSpec, CheckedWorkChain, if_
from .label_inputs import STAGES, define_inputs, fill_label, read_potentials, read_settings, validate_inputs
from .label_protocol import LabelProtocolMixin
from .request import Request


def _validate(inputs: Mapping[str, Any], port: Any) -> str | None:
    if "index" in inputs and "structures" in inputs and not 0 <= inputs["index"].value < len(inputs["structures"]):
        return f"index {inputs['index'].value} is outside of the set of {len(inputs['structures'])} structures"
    return validate_inputs(inputs, port)


class LabelStructureWorkChain(LabelProtocolMixin, CheckedWorkChain):
    """Stage 1 (the interface region, if asked for), stage 2, and all ionic steps of both as labels.

    When a stage fails, the steps done until then are still collected, and the exit code says which one.
    """

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        define_inputs(spec)
        spec.input(
            "index",
            valid_type=Int,
            serializer=to_aiida_type,
            default=lambda: Int(0),
            help="Which structure of the set.",
        )
        spec.inputs.validator = _validate
        spec.outline(
            cls.setup,
            if_(cls.should_run_stage_1)(cls.run_stage_1, cls.inspect_stage_1),
            if_(cls.should_run_stage_2)(cls.run_stage_2, cls.inspect_stage_2),
            cls.collect,
        )
        spec.output(
            "labelled",
            valid_type=StructureSetData,
            required=False,
            help="All ionic steps of both stages with energy, forces and stress; `trajectory` is the index.",
        )
        spec.output("relaxed", valid_type=StructureSetData, required=False, help="The last ionic step of stage 2.")
        spec.output("summary", valid_type=Dict, required=False, help="Numbers of jobs and steps, converged or not.")
        declare(spec, LABEL_STRUCTURE)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        structures: StructureSetData,
        index: int = 0,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol and checked.

        Args:
            code: the DFT code; its plugin chooses the engine.
            structures: a set that holds the structure.
            index: which of them.
            protocol: ``paper``, ``moderate``, ``demo``; ``bulk_lco``, ``bulk_lsc`` for the crystals.
            overrides: laid over the protocol.
            options: scheduler options of all jobs.

        Raises:
            BadInput: what :func:`~aiida_dismai.workchains.label_inputs.label_problems` finds.
        """
        request = Request(cls, overrides, options)
        builder = request.draft
        builder.structures = structures
        builder.index = Int(index)
        inputs = cls.get_protocol_inputs(protocol, request.overrides, engine=engine_for(code))
        fill_label(builder, code, inputs, request.options)
        return request.finish(whole=True)

    def setup(self) -> None:
        """Take the structure out of the set."""
        self.ctx.failure = None
        self.ctx.structure = take_structure(self.inputs.structures, self.inputs.index)

    @property
    def engine(self) -> DftEngine:
        """The engine of the code."""
        return engine_for(self.inputs.dft.code)

    def should_run_stage_1(self) -> bool:
        """Whether there is a first stage."""
        return "stage_1" in self.inputs and "settings" in self.inputs.stage_1

    def should_run_stage_2(self) -> bool:
        """Whether the first stage left something to resume from."""
        return self.ctx.failure is None

    def run_stage_1(self) -> None:
        """Relax the atoms of the chosen regions."""
        self._run("stage_1")

    def inspect_stage_1(self) -> None:
        """Hand the structure on, or remember why there is none."""
        self._inspect("stage_1", self.exit_codes.ERROR_STAGE_1_FAILED)

    def run_stage_2(self) -> None:
        """Relax all atoms."""
        self._run("stage_2")

    def inspect_stage_2(self) -> None:
        """Remember why the stage failed, if it did."""
        self._inspect("stage_2", self.exit_codes.ERROR_STAGE_2_FAILED)

    def collect(self) -> ExitCode | None:
        """Collect the ionic steps of all jobs, also of a stage that failed."""
        nodes: dict[str, Data] = {}
        reasons: list[str] = []
        for number, stage in enumerate(("stage_1", "stage_2"), 1):
            if stage not in self.ctx:
                continue
            for index, run in enumerate(self.engine.runs(self.ctx[stage])):
                nodes |= {f"stage_{number}_run_{index:02d}_{name}": node for name, node in run.nodes.items()}
                if run.reason:
                    reasons.append(run.reason)
                    self.report(f"no labels from {run.reason}")
        if nodes:
            code = self.inputs.dft.code
            outputs = collect_steps(
                Str(self.engine.name),
                Str(code.full_label),
                Dict(self._methods()),
                self.inputs.structures,
                self.inputs.index,
                self.inputs.index,
                **nodes,
            )
            self.out_many(outputs)
            reasons += [f"{count} × {why}" for why, count in outputs["summary"]["dropped_because"].items()]
            reasons += outputs["summary"]["remarks"]
        if self.ctx.failure is not None:
            return self.ctx.failure
        if "labelled" in self.outputs:
            if self.ctx.get("clean", False):
                self.report(clean_folders(self.node))
            return None
        return self.exit_codes.ERROR_NO_LABELS.format(reason="; ".join(reasons) or "no job left any")

    # ------------------------------------------------------------------ one stage
    def _run(self, stage: str) -> None:
        namespace = self.inputs[stage]
        settings = read_settings(namespace.settings, stage)
        options, monitors = with_monitors(namespace.options.get_dict())
        options, clean = with_cleaning(options)
        self.ctx.clean = clean or self.ctx.get("clean", False)
        inputs = AttributeDict(
            self.engine.inputs(
                self.inputs.dft.code,
                self.ctx.structure,
                self._movable(settings),
                settings,
                read_potentials(self.inputs.dft),
                options,
            )
        )
        if monitors and self.engine.job_namespace is not None:
            (inputs[self.engine.job_namespace] if self.engine.job_namespace else inputs)["monitors"] = monitors
        workflow = cast(type[WorkChain], WorkflowFactory(self.engine.workflow))
        inputs.metadata = {"call_link_label": stage, "label": f"structure {self.inputs.index.value} {stage}"}
        self.to_context(**{stage: self.submit(workflow, **inputs)})

    def _methods(self) -> dict[str, Any]:
        """Return what the labels of each stage that ran were computed with."""
        elements = self.ctx.structure.get_kind_names()
        potentials = read_potentials(self.inputs.dft)
        found: dict[str, Any] = {}
        for stage in (stage for stage in STAGES if stage in self.ctx):
            settings = read_settings(self.inputs[stage].settings, stage)
            found[stage] = {
                "method": str(self.engine.method(settings, elements, potentials)),
                "cutoff": self.engine.cutoff(settings, elements, potentials),
            }
        return found

    def _movable(self, settings: StageSettings) -> NDArray[np.bool_]:
        """Return which sites move, in the order of the sites."""
        chosen = self.inputs.structures.structures[self.inputs.index.value]
        if settings.moves is None:
            return np.ones(len(chosen.numbers), dtype=bool)
        return np.isin(chosen.values("region"), settings.moves)[grouped_order(chosen.numbers)]

    def _inspect(self, stage: str, exit_code: ExitCode) -> None:
        node: ProcessNode = self.ctx[stage]
        if node.is_finished_ok:
            # A stage without ionic movement (a single point) hands on what it was given.
            self.ctx.structure = self.engine.relaxed_structure(node) or self.ctx.structure
            return
        what = node.exit_message or f"the process is {node.process_state}"
        self.ctx.failure = exit_code.format(reason=f"{node.process_label}<{node.pk}> [{node.exit_status}] {what}")
        self.report(self.ctx.failure.message)
