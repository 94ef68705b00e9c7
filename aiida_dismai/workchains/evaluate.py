"""From generated structures to metrics: push apart, relax, measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext
from aiida.orm import AbstractCode, ArrayData, Dict, FolderData, SinglefileData

from ..calculations.base import validate_not_empty
from ..data import PotentialData, StructureSetData
from ..engine.families.contract import FamilySpec
from ..engine.families.registry import find
from ..exit_codes import EVALUATE, declare
from .checked import CheckedSpec, CheckedWorkChain, if_
from .checks import (
    below,
    composition_problems,
    elements_of,
    family_of,
    ion_problems,
    kind_of,
    potential_problems,
    relaxation_problems,
)
from .chunks import fill_chunks
from .ions import Ions, note_few
from .jobs import PostprocessWorkChain, fill_job
from .metrics import SETS, MetricsWorkChain
from .problems import Problem, answer
from .protocols import ProtocolMixin, merge
from .protocols.names import Names, Of, job
from .reasons import reason_of
from .relax import RelaxWorkChain, relax_inputs
from .request import Request

#: What comes before the metrics, except for families that are measured as they were generated.
STEPS = ("postprocess", "relax")


def family_in(inputs: Mapping[str, Any]) -> FamilySpec | None:
    """Return the family in the inputs of an :class:`EvaluateWorkChain`; None where their ports will refuse them."""
    parameters = inputs.get("metrics", {}).get("job", {}).get("parameters")
    return None if parameters is None else family_of(parameters.get_dict())


def step_problems(
    inputs: Mapping[str, Any], potential: PotentialData | None, elements: Sequence[str], trained: bool = False
) -> list[Problem]:
    """Return what a kind of structures has no use for, what it needs and has not got, and what does not know it.

    Args:
        inputs: those of an :class:`EvaluateWorkChain`, which another may have exposed.
        potential: what relaxes the structures.
        elements: of the structures, none where they are not known.
        trained: whether a potential is trained for them before.
    """
    family = family_in(inputs)
    if family is None:
        return []
    steps = [name for name in STEPS if inputs.get(name)]
    if not family.relaxed:
        given = steps + ([] if potential is None else ["potential"])
        text = (
            f"structures of the kind '{family.name}' are measured as they were generated, neither pushed apart nor "
            f"relaxed: leave out {' and '.join(given)}"
        )
        return [Problem("", text)] if given else []
    found = below("metrics.job.parameters", ion_problems(inputs["metrics"]["job"]["parameters"].get_dict(), elements))
    if len(steps) < len(STEPS):
        missing = " and ".join(step for step in STEPS if step not in steps)
        found.append(Problem("", f"structures of the kind '{family.name}' need the inputs {missing}"))
    job = inputs.get("relax", {}).get("job", {})
    if "parameters" in job:
        found += relaxation_problems(job["parameters"].get_dict(), potential, elements, trained)
    return found


def validate_inputs(inputs: Mapping[str, Any], port: Any) -> str | None:
    """Refuse steps that do not fit the kind of structures, and elements that are not known."""
    if "structures" not in port:
        return None  # exposed by a WorkChain that brings the structures, and checks
    structures, reference, potential = (inputs.get(name) for name in ("structures", "reference", "potential"))
    elements = elements_of(reference if isinstance(reference, StructureSetData) else structures)
    found = step_problems(inputs, potential, elements)
    found += potential_problems(potential, elements_of(structures))
    family = family_in(inputs)
    if family is not None and family.same_composition:
        found += composition_problems(reference, structures)
    return answer(found)


class EvaluateWorkChain(ProtocolMixin, CheckedWorkChain):
    """Post-process and relax generated structures and compare them with a data set.

    Alloys are compared as they were generated: putting them on their lattice is part of their metrics. A model whose
    structures all fail has no distances; that is a result (``failed_percent`` 100), no error.
    """

    _protocol_file = "evaluate.yaml"
    _override_names = {
        "postprocess": Names(job("postprocess")),
        "relax": Of(lambda: RelaxWorkChain),
        "metrics": Names(job("metrics")),
    }

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.input(
            "structures",
            valid_type=StructureSetData,
            validator=validate_not_empty,
            help="Generated structures; those that could not be read with them count as failed.",
        )
        spec.input(
            "reference",
            valid_type=(StructureSetData, SinglefileData, FolderData),
            validator=validate_not_empty,
            help="Training structures, the `reference` output of an earlier evaluation against them, or the authors' "
            "published csv files.",
        )
        spec.input(
            "validation",
            valid_type=StructureSetData,
            required=False,
            validator=validate_not_empty,
            help="Validation structures of the same data set, whose distance is shown next to the noise floor.",
        )
        spec.input(
            "potential",
            valid_type=PotentialData,
            required=False,
            help="Potential that relaxes the structures (calculator 'm3gnet').",
        )
        optional = {"required": False, "populate_defaults": False}
        spec.expose_inputs(
            PostprocessWorkChain,
            namespace="postprocess",
            exclude=("structures", "parent_folder"),
            namespace_options=optional
            | {"help": "Pushing atoms apart; not for families that are measured as generated."},
        )
        spec.expose_inputs(
            RelaxWorkChain,
            namespace="relax",
            exclude=("structures", "potential"),
            namespace_options=optional | {"help": "The relaxation; not for families that are measured as generated."},
        )
        spec.expose_inputs(MetricsWorkChain, namespace="metrics", exclude=SETS)
        spec.inputs.validator = validate_inputs
        spec.outline(
            cls.setup,
            if_(cls.is_relaxed)(
                cls.run_postprocess,
                cls.inspect_postprocess,
                if_(cls.has_structures)(cls.run_relax, cls.inspect_relax),
            ),
            cls.run_metrics,
            cls.finish,
        )
        spec.output(
            "postprocessed",
            valid_type=StructureSetData,
            required=False,
            help="Structures that could be pushed apart.",
        )
        spec.output("relaxed", valid_type=StructureSetData, required=False, help="Relaxed structures, failed ones too.")
        spec.output("metrics", valid_type=Dict, help="Distances, failed share, intervals, noise floor.")
        spec.output("per_structure", valid_type=ArrayData, help="Measures of every structure.")
        spec.output(
            "reference",
            valid_type=SinglefileData,
            help="Records of the training set, as input `reference` of later runs.",
        )
        declare(spec, EVALUATE)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        structures: StructureSetData,
        reference: StructureSetData | SinglefileData | FolderData,
        potential: PotentialData | None = None,
        kind: str | None = None,
        validation: StructureSetData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        oxidation_states: Mapping[str, float] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            structures: generated structures, as the model made them.
            reference: training structures, an earlier reference, or the authors' published csv files.
            potential: the data set's potential; none for families that are measured as generated, such as alloys.
            kind: family of structures; without it that of the overrides, else ``interface``.
            validation: validation structures of the data set.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``postprocess``, ``relax``, ``metrics``).
            options: scheduler options of all jobs.
            oxidation_states: of the elements of interfaces; without them those of the overrides, the paper's for its
                elements, else a guess.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides)
        builder, options = request.draft, request.options
        known = (reference,) if isinstance(reference, StructureSetData) else (reference, structures)
        ions = Ions(request, oxidation_states, known)
        fill_evaluate(builder, code, inputs, kind, potential, protocol, options, ions)
        note_few(request, reference)
        builder.structures = structures
        builder.reference = reference
        if potential is not None:
            builder.potential = potential
        if validation is not None:
            builder.validation = validation
        return request.finish()

    def setup(self) -> None:
        """Begin with what was generated."""
        self.ctx.structures = self.inputs.structures

    def is_relaxed(self) -> bool:
        """Whether structures of this kind are pushed apart and relaxed before they are measured."""
        return find(kind_of(self.inputs.metrics.job.parameters.get_dict())).relaxed

    def run_postprocess(self) -> ToContext:
        """Push atoms apart."""
        inputs = AttributeDict(self.exposed_inputs(PostprocessWorkChain, namespace="postprocess"))
        inputs.structures = self.ctx.structures
        inputs.metadata.call_link_label = "postprocess"
        return ToContext(postprocess=self.submit(PostprocessWorkChain, **inputs))

    def inspect_postprocess(self) -> ExitCode | None:
        """Check that it ran."""
        node = self.ctx.postprocess
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_POSTPROCESS.format(message=reason_of(node))
        self.ctx.structures = node.outputs.structures
        self.out("postprocessed", node.outputs.structures)
        return None

    def has_structures(self) -> bool:
        """Whether any structure is left to be relaxed."""
        return len(self.ctx.structures) > 0

    def run_relax(self) -> ToContext:
        """Relax what is left."""
        inputs = AttributeDict(self.exposed_inputs(RelaxWorkChain, namespace="relax"))
        inputs.structures = self.ctx.structures
        if "potential" in self.inputs:
            inputs.potential = self.inputs.potential
        inputs.metadata.call_link_label = "relax"
        return ToContext(relax=self.submit(RelaxWorkChain, **inputs))

    def inspect_relax(self) -> ExitCode | None:
        """Check that all chunks were relaxed."""
        node = self.ctx.relax
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_RELAX.format(message=reason_of(node))
        self.ctx.structures = node.outputs.structures
        self.out("relaxed", node.outputs.structures)
        return None

    def run_metrics(self) -> ToContext:
        """Compare with the data set; the number generated counts (what could not be read, too), not the number left."""
        inputs = AttributeDict(self.exposed_inputs(MetricsWorkChain, namespace="metrics"))
        inputs.structures = self.ctx.structures
        inputs.reference = self.inputs.reference
        if "validation" in self.inputs:
            inputs.validation = self.inputs.validation
        total = {"generated_total": len(self.inputs.structures) + self.inputs.structures.n_unread}
        inputs.job.parameters = Dict(inputs.job.parameters.get_dict() | total)
        inputs.metadata.call_link_label = "metrics"
        return ToContext(metrics=self.submit(MetricsWorkChain, **inputs))

    def finish(self) -> ExitCode | None:
        """Give out the metrics."""
        node = self.ctx.metrics
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_METRICS.format(message=reason_of(node))
        self.out("metrics", node.outputs.results)
        self.out("per_structure", node.outputs.per_structure)
        self.out("reference", node.outputs.reference)
        return None


def fill_evaluate(
    port: Any,
    code: AbstractCode,
    inputs: Mapping[str, Any],
    kind: str | None,
    potential: PotentialData | None,
    protocol: str | None,
    options: Mapping[str, Any] | None,
    ions: Ions,
) -> None:
    """Fill a builder's namespace of :class:`EvaluateWorkChain` from its protocol, with the steps that the kind has."""
    metrics = merge(inputs["metrics"], {"parameters": {"kind": kind}} if kind else {})
    metrics["parameters"] = ions.complete(metrics["parameters"])
    fill_chunks(port["metrics"], code, metrics, options)
    kind_asked = kind_of(metrics["parameters"])
    if find(kind_asked).relaxed:
        fill_job(port["postprocess"], code, inputs["postprocess"], options)
        fill_chunks(port["relax"], code, relax_inputs(protocol, inputs["relax"], kind_asked, potential), options)
