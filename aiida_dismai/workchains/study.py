"""Compare models: a benchmark for every model, data set and seed, and one table with ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ExitCode, ProcessBuilder
from aiida.orm import AbstractCode, Bool, Dict, Int, List, ProcessNode, Str, to_aiida_type

from ..calculations.functions.study import tabulate_study
from ..data import PotentialData, StructureSetData
from ..engine.errors import BadInput
from ..engine.families.registry import find
from ..engine.methods import mixed
from ..exit_codes import STUDY, declare
from .benchmark import BenchmarkWorkChain
from .bounds import positive
from .checked import CheckedSpec, CheckedWorkChain
from .problems import Problem, answer
from .protocols import ProtocolMixin
from .protocols.names import Of
from .reasons import reason_of
from .request import Request
from .study_lane import SHARED, StudyLaneWorkChain, define_inputs
from .study_plan import LENGTHS, Cell, builder_of, cells_of, models_of, of_equal_time

#: The family of a data set that does not say its own.
DEFAULT_KIND = "interface"
#: Parts of a data set, and whether they are needed.
PARTS = {"train": True, "validation": True, "potential": False, "kind": False, "overrides": False}


def dataset_problems(datasets: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the namespaces of data sets."""
    if not datasets:
        return [Problem("datasets", "give at least one data set")]
    found = []
    for name, parts in datasets.items():
        path = f"datasets.{name}"
        if not isinstance(parts, Mapping):
            found.append(Problem(path, f"must be a namespace of {', '.join(PARTS)}"))
            continue
        missing = [part for part, needed in PARTS.items() if needed and part not in parts]
        found += [Problem(f"{path}.{part}", "missing") for part in missing]
        found += [Problem(f"{path}.{part}", "no such input") for part in parts if part not in PARTS]
        for part in ("train", "validation"):
            if part in parts and not isinstance(parts[part], StructureSetData):
                found.append(Problem(f"{path}.{part}", "must be a StructureSetData"))
        if isinstance(parts.get("kind"), Str):
            try:
                find(parts["kind"].value)
            except BadInput as error:
                found.append(Problem(f"{path}.kind", str(error)))
    return found


def methods_of_potentials(datasets: Mapping[str, Any]) -> list[str]:
    """Return the methods of the labels that the potentials of data sets were trained on."""
    potentials = [parts["potential"] for parts in datasets.values() if "potential" in parts]
    return [
        str(text)
        for node in potentials
        if isinstance(node, PotentialData)
        for text in (node.base.attributes.get("trained_on", None) or {}).get("methods") or []
    ]


def refused_cells(cells: Sequence[Cell], inputs: Mapping[str, Any]) -> dict[str, str]:
    """Return why benchmarks do not apply, by key: a model that needs the same atoms everywhere, for example."""
    refused = {}
    for cell in cells:
        try:
            builder_of(cell, inputs)
        except (BadInput, ValueError, TypeError) as error:
            refused[cell.key] = " ".join(str(error).split())
    return refused


def validate_inputs(inputs: Mapping[str, Any], port: Any) -> str | None:
    """Refuse a study of which a whole row or column cannot run; single cells that do not apply are left out."""
    found = dataset_problems(inputs.get("datasets", {}))
    if not found and not inputs["mixed_labels"].value:
        several = mixed(methods_of_potentials(inputs.get("datasets", {})))
        if several:
            found.append(Problem("datasets", f"potentials: {several}; compare within one, or set mixed_labels to true"))
    if found or not {"code", "models", "seeds", "baselines"} <= set(inputs):
        return answer(found)
    try:
        cells = cells_of(inputs)
    except BadInput as error:
        return answer([Problem("", str(error))])
    refused = refused_cells(cells, inputs)
    models = [cell for cell in cells if not cell.baseline]
    lines = {("models", cell.label) for cell in models} | {("datasets", cell.dataset) for cell in models}
    for kind, name in sorted(lines):
        of_line = [cell for cell in models if name == (cell.label if kind == "models" else cell.dataset)]
        if all(cell.key in refused for cell in of_line):
            reasons = dict.fromkeys(refused[cell.key] for cell in of_line)
            found += [Problem(f"{kind}.{name}", reason) for reason in reasons]
    given = set(inputs.get("finished", {})) - {cell.key for cell in cells}
    found += [Problem(f"finished.{key}", "no benchmark of this study has that name") for key in sorted(given)]
    if "axis" not in inputs and inputs.get("equal_time") is not None and inputs["equal_time"].value:
        found.append(Problem("equal_time", "needs an axis whose values are compared"))
    return answer(found)


class StudyWorkChain(ProtocolMixin, CheckedWorkChain):
    """Benchmark every model on every data set with every seed, ``max_concurrent`` at once, and rank the models."""

    _protocol_file = "study.yaml"
    _override_names = {"benchmark": Of(lambda: BenchmarkWorkChain)}

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        define_inputs(spec)
        spec.input(
            "equal_time",
            valid_type=Bool,
            serializer=to_aiida_type,
            default=lambda: Bool(False),
            help="Train each value of the axis again, for as long as the slowest took.",
        )
        spec.input(
            "mixed_labels",
            valid_type=Bool,
            serializer=to_aiida_type,
            default=lambda: Bool(False),
            help="Allow data sets whose potentials were trained on labels of different DFT engines, functionals, U or "
            "pseudopotentials.",
        )
        spec.input(
            "max_concurrent",
            valid_type=Int,
            serializer=to_aiida_type,
            validator=positive,
            default=lambda: Int(4),
            help="Maximum number of concurrent benchmarks.",
        )
        spec.input_namespace(
            "finished",
            dynamic=True,
            valid_type=Dict,
            required=False,
            help="Output `summary` of benchmarks that are finished, by their name in the study; they do not run again.",
        )
        spec.inputs.validator = validate_inputs
        spec.outline(cls.setup, cls.run_lanes, cls.plan_equal_time, cls.run_lanes, cls.collect)
        spec.output("table", valid_type=Dict, help="Mean (min, max) of every measure, intervals, floors, and ranks.")
        spec.output_namespace(
            "summaries", valid_type=Dict, dynamic=True, required=False, help="Summaries of the benchmarks."
        )
        declare(spec, STUDY)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        datasets: Mapping[str, Mapping[str, Any]],
        models: Mapping[str, Mapping[str, Any] | None],
        seeds: Sequence[int],
        axis: Mapping[str, Any] | None = None,
        equal_time: bool = False,
        finished: Mapping[str, Dict] | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            datasets: by name: ``train``, ``validation``, and where needed ``potential``, ``kind`` and ``overrides``
                of the benchmark.
            models: overrides of the benchmark by name of the model; ``model`` among them names the plug-in.
            seeds: a benchmark for each.
            axis: ``name`` of a hyper-parameter and its ``values``.
            equal_time: whether each value is trained again for the time of the slowest.
            finished: summaries of benchmarks that need not run, by their name in the study.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``benchmark``, ``baselines``, ``max_concurrent``).
            options: scheduler options of all jobs.

        Raises:
            BadInput: what is refused; benchmarks that do not apply are a note instead.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides)
        builder = request.draft
        builder.code = code
        for name, parts in datasets.items():
            for part, value in parts.items():
                builder.datasets[name][part] = to_aiida_type(value) if isinstance(value, str | dict) else value
        models_of(models)
        builder.models, builder.seeds = Dict(dict(models)), List(list(seeds))
        builder.mixed_labels = Bool(inputs["mixed_labels"])
        several = mixed(methods_of_potentials(datasets))
        if several:
            request.notes.append(f"warning: potentials of the data sets: {several}")
        builder.baselines, builder.max_concurrent = Bool(inputs["baselines"]), Int(inputs["max_concurrent"])
        builder.protocol = Str(protocol or cls.get_default_protocol())
        if inputs["benchmark"]:
            builder.overrides = Dict(inputs["benchmark"])
        if request.options:
            builder.options = Dict(request.options)
        if axis is not None:
            builder.axis, builder.equal_time = Dict(dict(axis)), Bool(equal_time)
        elif equal_time:
            builder.equal_time = Bool(True)
        for key, summary in (finished or {}).items():
            builder.finished[key] = summary
        made: Any = request.finish(whole=True)
        plain = made._inputs(prune=True)
        refused = refused_cells(cells_of(plain), plain)
        made._notes = (*made._notes, *(f"left out: {key}: {reason}" for key, reason in refused.items()))
        return made

    def setup(self) -> None:
        """Find out which benchmarks there are."""
        cells = cells_of(self.inputs)
        self.ctx.refused = refused_cells(cells, self.inputs)
        finished = self.inputs.get("finished", {})
        self.ctx.waiting = [cell.key for cell in cells if cell.key not in self.ctx.refused and cell.key not in finished]
        self.ctx.epochs = {}
        self.ctx.lanes = 0
        for key, reason in self.ctx.refused.items():
            self.report(f"left out: {key}: {reason}")

    def run_lanes(self) -> None:
        """Deal the benchmarks that wait out to lanes, and launch these."""
        waiting, self.ctx.waiting = self.ctx.waiting, []
        number = min(self.inputs.max_concurrent.value, len(waiting))
        shared = {name: self.inputs[name] for name in SHARED if name in self.inputs}
        if self.ctx.epochs:
            shared["epochs"] = Dict(self.ctx.epochs)
        for lane in range(number):
            name = f"lane_{self.ctx.lanes:03d}"
            self.ctx.lanes += 1
            keys = List(waiting[lane::number])
            lane_inputs = {**shared, "keys": keys, "metadata": {"call_link_label": name}}
            self.to_context(**{name: self.submit(StudyLaneWorkChain, **lane_inputs)})
        if number:
            self.report(f"running {len(waiting)} benchmarks in {number} lanes")

    def plan_equal_time(self) -> None:
        """Choose the epochs with which each value of the axis trains as long as the slowest."""
        if not self.inputs.equal_time.value:
            return
        varied = [cell for cell in cells_of(self.inputs) if cell.value is not None]
        nodes = self._benchmarks()
        rates = {cell.key: _rate(nodes.get(cell.key)) for cell in varied}
        for cell in varied:
            alike = [other for other in varied if (other.dataset, other.label) == (cell.dataset, cell.label)]
            known = [rate for other in alike if (rate := rates[other.key]) is not None]
            if (own := rates[cell.key]) is None:
                self.report(f"{cell.key}: no training time is known, so it is not trained for equal time")
                continue
            budget = max(seconds for seconds, _ in known)
            seconds, epochs = own
            self.ctx.epochs[cell.key] = max(1, round(epochs * budget / seconds))
        self.ctx.waiting = list(self.ctx.epochs)

    def collect(self) -> ExitCode | None:
        """Make the table."""
        nodes = self._benchmarks()
        cells = cells_of(self.inputs)
        cells += [of_equal_time(cell, self.ctx.epochs[cell.key]) for cell in cells if cell.key in self.ctx.epochs]
        finished = self.inputs.get("finished", {})
        entries, summaries, failed = [], {}, []
        for cell in cells:
            reason = self.ctx.refused.get(cell.key, "")
            if cell.key in finished:
                summaries[cell.key] = finished[cell.key]
            elif not reason:
                node = nodes.get(cell.key)
                if node is not None and "summary" in node.outputs:
                    summaries[cell.key] = node.outputs.summary
                else:
                    reason = "never started: its lane was stopped" if node is None else reason_of(node)
                    failed.append(f"{cell.key}: {reason}")
            entries.append(_entry(cell, reason))
        kinds = {name: _kind(parts) for name, parts in self.inputs.datasets.items()}
        ranked = {kind: list(find(kind).ranked) for kind in sorted(set(kinds.values()))}
        several = mixed(methods_of_potentials(self.inputs.datasets))
        plan = Dict({"cells": entries, "families": kinds, "ranked": ranked, "mixed_labels": several}).store()
        self.out("summaries", summaries)
        self.out("table", tabulate_study(plan=plan, **summaries))
        if not summaries:
            return self.exit_codes.ERROR_ALL_BENCHMARKS_FAILED.format(total=len(failed), message=failed[0])
        if failed:
            return self.exit_codes.ERROR_SOME_BENCHMARKS_FAILED.format(
                failed=len(failed), total=len(failed) + len(summaries), message=failed[0]
            )
        return None

    def _benchmarks(self) -> dict[str, ProcessNode]:
        """Return the benchmarks that have begun, by name."""
        lanes = [self.ctx[f"lane_{lane:03d}"] for lane in range(self.ctx.lanes)]
        return {call.label: call for lane in lanes for call in lane.called}


def _kind(parts: Mapping[str, Any]) -> str:
    return str(parts["kind"].value) if "kind" in parts else DEFAULT_KIND


def _entry(cell: Cell, reason: str) -> dict[str, Any]:
    """Return a cell as the calcfunction of the table takes it."""
    timed = cell.key.endswith("_time")
    return {
        "dataset": cell.dataset,
        "model": f"{cell.label}, equal time" if timed else cell.label,
        "value": cell.value,
        "baseline": cell.baseline,
        "reason": reason,
        "run": cell.key,
    }


def _rate(node: ProcessNode | None) -> tuple[float, int] | None:
    """Return the seconds and epochs (or steps) of the trainings of a benchmark, means over its models.

    None if they are unknown, or if the model says neither.
    """
    trainings = [] if node is None or "training" not in node.outputs else list(node.outputs.training.values())
    found: list[tuple[float, int]] = []
    for one in trainings:
        length = next((one[name] for name in LENGTHS if name in one), None)
        if length is not None and "train" in one.get("timings", {}):
            found.append((one["timings"]["train"], length))
    if not found:
        return None
    return sum(seconds for seconds, _ in found) / len(found), found[0][1]
