"""Benchmark one kind of model on one data set: train it several times, sample, evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext
from aiida.orm import AbstractCode, ArrayData, Dict, Int, SinglefileData, to_aiida_type

from ..calculations.base import validate_not_empty
from ..calculations.functions.result import job_of, nodes_of, reference_of, write_result
from ..calculations.functions.statistics import aggregate_metrics
from ..calculations.generators import validate_atoms
from ..data import GeneratorData, PotentialData, StructureSetData
from ..dft.origin import origin_of_data
from ..engine.errors import BadInput
from ..exit_codes import BENCHMARK, declare
from .bounds import positive
from .checked import CheckedSpec, CheckedWorkChain
from .checks import below, composition_problems, elements_of, kind_of, potential_problems
from .evaluate import EvaluateWorkChain, family_in, fill_evaluate, step_problems
from .generator import GeneratorWorkChain, fill_generator
from .ions import Ions, note_few
from .problems import Problem, answer
from .protocols import ProtocolMixin
from .protocols.names import Names, Of, job
from .reasons import reason_of
from .request import Request
from .sample import SampleWorkChain, fill_sample
from .seeds import derive_seed


def evaluation_problems(
    inputs: Mapping[str, Any], potential: PotentialData | None, elements: Sequence[str], trained: bool = False
) -> list[Problem]:
    """Return what the evaluations of a benchmark would refuse: before anything is trained.

    Args:
        inputs: those of the benchmark.
        potential: what relaxes the structures, None without or where it is not there yet.
        elements: of the structures, none where they are not known.
        trained: whether a potential will be trained for them.
    """
    return below("evaluate", step_problems(inputs.get("evaluate", {}), potential, elements, trained))


def validate_inputs(inputs: Mapping[str, Any], port: Any) -> str | None:
    """Refuse steps of the evaluation that do not fit the kind of structures: before anything is trained."""
    if "potential" not in port:
        return None  # exposed by a WorkChain that brings the potential, and checks
    train, potential = inputs.get("train"), inputs.get("potential")
    elements = elements_of(train)
    found = evaluation_problems(inputs, potential, elements) + potential_problems(potential, elements)
    parameters = inputs.get("generator", {}).get("parameters")
    if train is not None and parameters is not None:
        refused = validate_atoms({"parameters": parameters, "structures": train}, None)
        found += [] if refused is None else [Problem("train", refused)]
    family = family_in(inputs.get("evaluate", {}))
    if family is not None and family.same_composition:
        found += [replace(problem, path="train") for problem in composition_problems(train)]
    return answer(found)


class BenchmarkWorkChain(ProtocolMixin, CheckedWorkChain):
    """Train ``n_models`` models from different seeds, sample and evaluate each; mean (min, max)."""

    _protocol_file = "benchmark.yaml"
    _override_names = {
        "generator": Of(lambda: GeneratorWorkChain),
        "sample": Names(job("generator.sample")),
        "evaluate": Of(lambda: EvaluateWorkChain),
    }

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.input("train", valid_type=StructureSetData, validator=validate_not_empty, help="Training structures.")
        spec.input(
            "validation", valid_type=StructureSetData, validator=validate_not_empty, help="Validation structures."
        )
        spec.input(
            "potential",
            valid_type=PotentialData,
            required=False,
            help="Potential that relaxes the generated structures.",
        )
        spec.input(
            "seed", valid_type=Int, serializer=to_aiida_type, help="Seed from which the models' seeds are derived."
        )
        spec.input(
            "n_models",
            valid_type=Int,
            serializer=to_aiida_type,
            validator=positive,
            default=lambda: Int(3),
            help="Independently trained models (3 in the paper).",
        )
        spec.expose_inputs(
            GeneratorWorkChain, namespace="generator", exclude=("structures", "validation", "seed", "parent_folder")
        )
        spec.expose_inputs(SampleWorkChain, namespace="sample", exclude=("generator", "seed"))
        spec.expose_inputs(
            EvaluateWorkChain, namespace="evaluate", exclude=("structures", "reference", "validation", "potential")
        )
        spec.inputs.validator = validate_inputs
        spec.outline(cls.run_models, cls.run_samples, cls.run_evaluations, cls.finish)
        spec.output(
            "summary",
            valid_type=Dict,
            help="Mean, minimum and maximum of every measure over the models, and its noise floor.",
        )
        spec.output(
            "result",
            valid_type=SinglefileData,
            required=False,
            help="`result.json`: the measures of all models with checksums of structures and reference, for sharing.",
        )
        for name, kind, text in (
            ("generators", GeneratorData, "The trained models."),
            ("curves", ArrayData, "Their losses."),
            ("training", Dict, "Their training results."),
            ("generated", StructureSetData, "What each generated."),
            ("relaxed", StructureSetData, "The generated structures, post-processed and relaxed."),
            ("metrics", Dict, "The metrics of each."),
            ("per_structure", ArrayData, "The measures of every structure."),
        ):
            spec.output_namespace(name, valid_type=kind, dynamic=True, required=False, help=text)
        declare(spec, BENCHMARK)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        train: StructureSetData,
        validation: StructureSetData,
        model: str,
        seed: int,
        potential: PotentialData | None = None,
        kind: str | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        oxidation_states: Mapping[str, float] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            train: training structures.
            validation: validation structures.
            model: name in the entry-point group ``dismai.generators``.
            seed: of the benchmark.
            potential: the data set's potential; none for families that are measured as generated, such as alloys.
            kind: family of structures; without it that of the overrides, else ``interface``.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol.
            options: scheduler options of all jobs.
            oxidation_states: as for :class:`~.evaluate.EvaluateWorkChain`.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides)
        builder, options = request.draft, request.options
        builder.train, builder.validation, builder.seed = train, validation, Int(seed)
        if potential is not None:
            builder.potential = potential
        ions = Ions(request, oxidation_states, (train,))
        fill_benchmark(builder, code, model, inputs, kind, potential, protocol, options, ions)
        note_few(request, train)
        return request.finish()

    def _names(self) -> list[str]:
        return [f"model_{index}" for index in range(self.inputs.n_models.value)]

    def _good(self, stage: str) -> list[str]:
        """Return the models that came through a stage; report the others once."""
        good = []
        for name in self._names():
            node = self.ctx.get(f"{stage}_{name}")
            if node is None:
                continue
            if node.is_finished_ok:
                good.append(name)
            else:
                self.ctx.message = f"{name}: {stage}: {reason_of(node)}"
                self.report(self.ctx.message)
        return good

    def run_models(self) -> ToContext:
        """Train all models."""
        self.ctx.message = ""
        jobs = {}
        for name in self._names():
            inputs = AttributeDict(self.exposed_inputs(GeneratorWorkChain, namespace="generator"))
            inputs.structures, inputs.validation = self.inputs.train, self.inputs.validation
            inputs.seed = derive_seed(self.inputs.seed, name)
            inputs.metadata.call_link_label = f"train_{name}"
            jobs[f"train_{name}"] = self.submit(GeneratorWorkChain, **inputs)
        return ToContext(**jobs)

    def run_samples(self) -> ExitCode | ToContext:
        """Sample every trained model."""
        good = self._good("train")
        for name in good:  # before anything can go wrong: training is what costs most
            trained = self.ctx[f"train_{name}"].outputs
            self.out(f"generators.{name}", trained.generator)
            self.out(f"curves.{name}", trained.curves)
            self.out(f"training.{name}", trained.results)
        jobs = {}
        for name in good:
            inputs = AttributeDict(self.exposed_inputs(SampleWorkChain, namespace="sample"))
            inputs.generator = self.ctx[f"train_{name}"].outputs.generator
            inputs.seed = derive_seed(self.inputs.seed, f"sample_{name}")
            inputs.metadata.call_link_label = f"sample_{name}"
            jobs[f"sample_{name}"] = self.submit(SampleWorkChain, **inputs)
        if not jobs:
            return self._all_failed()
        return ToContext(**jobs)

    def run_evaluations(self) -> ExitCode | ToContext:
        """Evaluate what every model generated."""
        jobs = {}
        for name in self._good("sample"):
            generated = self.ctx[f"sample_{name}"].outputs.structures
            self.out(f"generated.{name}", generated)
            inputs = AttributeDict(self.exposed_inputs(EvaluateWorkChain, namespace="evaluate"))
            inputs.structures, inputs.reference = generated, self.inputs.train
            inputs.validation = self.inputs.validation
            if "potential" in self.inputs:
                inputs.potential = self.inputs.potential
            inputs.metadata.call_link_label = f"evaluate_{name}"
            jobs[f"evaluate_{name}"] = self.submit(EvaluateWorkChain, **inputs)
        if not jobs:
            return self._all_failed()
        return ToContext(**jobs)

    def finish(self) -> ExitCode | None:
        """Bring the models together."""
        good = self._good("evaluate")
        if not good:
            return self._all_failed()
        for name in good:
            node = self.ctx[f"evaluate_{name}"]
            self.out(f"metrics.{name}", node.outputs.metrics)
            self.out(f"per_structure.{name}", node.outputs.per_structure)
            if "relaxed" in node.outputs:
                self.out(f"relaxed.{name}", node.outputs.relaxed)
        self.out("summary", aggregate_metrics(**{name: self.ctx[f"evaluate_{name}"].outputs.metrics for name in good}))
        self._give_result(good)
        total = self.inputs.n_models.value
        if len(good) < total:
            return self.exit_codes.ERROR_SOME_MODELS_FAILED.format(
                failed=total - len(good), total=total, message=self.ctx.message
            )
        return None

    def _give_result(self, good: Sequence[str]) -> None:
        """Give out the result file; what does not fit into its format is reported, and ends nothing."""
        metrics = {name: self.ctx[f"evaluate_{name}"].outputs.metrics for name in good}
        try:
            parts = {
                f"{name}_{role}": node
                for name in good
                for role, node in nodes_of(metrics[name], self.ctx[f"train_{name}"].outputs.results).items()
            }
            reference = reference_of(job_of(metrics[min(good)]))
        except BadInput as error:
            self.report(f"no result file: {error}")
            return
        about = Dict(self._about([node.pk for node in parts.values()], len(good))).store()
        made, node = write_result.run_get_node(about=about, reference=reference, train=self.inputs.train, **parts)
        if node.is_finished_ok:
            self.out("result", made)
        else:
            self.report(f"no result file: {reason_of(node)}")

    def _about(self, pks: Sequence[int], n_models: int) -> dict[str, Any]:
        """Return what the result file says beside its numbers: who, when, of which process, and what to mind.

        Args:
            pks: of what it is made from.
            n_models: models in it.
        """
        user, notes, total = self.node.user, origin_of_data(pks).notes(), self.inputs.n_models.value
        if n_models < total:
            notes.append(f"{total - n_models} of {total} models failed and are not in this result.")
        # the name that people have chosen for themselves in this profile, never their address
        person = {"given": user.first_name, "family": user.last_name, "affiliation": user.institution or None}
        return {
            "authors": [person] if user.last_name else [],
            "date": datetime.now(UTC).date().isoformat(),
            "origin": {"uuid": self.node.uuid, "type": self.node.process_label},
            "notes": notes,
        }

    def _all_failed(self) -> ExitCode:
        return self.exit_codes.ERROR_ALL_MODELS_FAILED.format(
            total=self.inputs.n_models.value, message=self.ctx.message
        )


def fill_benchmark(
    port: Any,
    code: AbstractCode,
    model: str,
    inputs: Mapping[str, Any],
    kind: str | None,
    potential: PotentialData | None,
    protocol: str | None,
    options: Mapping[str, Any] | None,
    ions: Ions,
) -> None:
    """Fill a builder's namespace of :class:`BenchmarkWorkChain` (all but data, potential and seed)."""
    evaluate = EvaluateWorkChain.get_protocol_inputs(protocol, inputs["evaluate"])
    of_kind = kind or kind_of(evaluate["metrics"]["parameters"])
    port["n_models"] = Int(inputs["n_models"])
    fill_generator(
        port["generator"],
        code,
        model,
        GeneratorWorkChain.get_protocol_inputs(protocol, inputs["generator"], of_kind),
        options,
    )
    fill_sample(port["sample"], code, inputs["sample"], options)
    fill_evaluate(port["evaluate"], code, evaluate, kind, potential, protocol, options, ions)
