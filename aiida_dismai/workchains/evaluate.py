"""From generated structures to metrics: push apart, relax, measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ProcessSpec, ToContext, WorkChain, if_
from aiida.orm import AbstractCode, ArrayData, Dict, FolderData, SinglefileData

from ..calculations.base import validate_not_empty
from ..calculations.evaluation import PostprocessCalculation
from ..calculations.potentials import validate_elements
from ..calculations.relax import validate_calculator
from ..data import PotentialData, StructureSetData
from ..engine.metrics.parameters import DescribeParameters, Kind
from .chunks import fill_chunks
from .jobs import fill_calculation
from .metrics import SETS, MetricsWorkChain
from .protocols import ProtocolMixin, merge
from .relax import RelaxWorkChain, relax_inputs

#: Kinds that are measured as they were generated: the clean-up of alloys is part of their metrics.
NOT_RELAXED = ("alloy",)
#: What comes before the metrics of all others.
STEPS = ("postprocess", "relax")


def kind_of(parameters: Mapping[str, Any]) -> str:
    """Return the family of metrics that parameters of the task ``metrics`` ask for."""
    return str(parameters.get("kind", DescribeParameters.model_fields["kind"].default))


def validate_steps(inputs: Mapping[str, Any], potential: PotentialData | None) -> str | None:
    """Refuse what a kind of structures has no use for, and what it needs and has not got.

    Args:
        inputs: those of an :class:`EvaluateWorkChain`, which another may have exposed.
        potential: what relaxes the structures.
    """
    parameters = inputs.get("metrics", {}).get("job", {}).get("parameters")
    if parameters is None:
        return None  # refused as missing by its port
    kind = kind_of(parameters.get_dict())
    steps = [name for name in STEPS if inputs.get(name)]
    if kind in NOT_RELAXED:
        given = steps + ([] if potential is None else ["potential"])
        return (
            f"structures of the kind '{kind}' are put on their lattice by the metrics, neither pushed apart nor "
            f"relaxed: leave out {' and '.join(given)}"
            if given
            else None
        )
    if len(steps) < len(STEPS):
        missing = " and ".join(step for step in STEPS if step not in steps)
        return f"structures of the kind '{kind}' need the inputs {missing}"
    relaxation = inputs["relax"].get("job", {}).get("parameters")
    return None if relaxation is None else validate_calculator(relaxation.get_dict(), potential)


def validate_inputs(inputs: Mapping[str, Any], port: Any) -> str | None:
    """Refuse steps that do not fit the kind of structures, and elements that the potential does not know."""
    if "structures" not in port:
        return None  # exposed by a WorkChain that brings the structures, and checks
    return validate_steps(inputs, inputs.get("potential")) or validate_elements(dict(inputs), port)


class EvaluateWorkChain(ProtocolMixin, WorkChain):
    """Post-process and relax generated structures and compare them with a data set.

    Alloys are compared as they were generated: putting them on their lattice is part of their metrics. A model whose
    structures all fail has no distances; that is a result (``failed_percent`` 100), no error.
    """

    _protocol_file = "evaluate.yaml"

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.input(
            "structures", valid_type=StructureSetData, validator=validate_not_empty, help="Generated structures."
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
            help="Validation structures of the same data set, whose distance is shown beside the noise floor.",
        )
        spec.input("potential", valid_type=PotentialData, required=False, help="Relaxes the structures ('m3gnet').")
        optional = {"required": False, "populate_defaults": False}
        spec.expose_inputs(
            PostprocessCalculation,
            namespace="postprocess",
            exclude=("structures", "parent_folder"),
            namespace_options=optional | {"help": "Pushing atoms apart; not for alloys."},
        )
        spec.expose_inputs(
            RelaxWorkChain,
            namespace="relax",
            exclude=("structures", "potential"),
            namespace_options=optional | {"help": "The relaxation; not for alloys."},
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
        spec.output("reference", valid_type=SinglefileData, help="The training set's side, for the next time.")
        spec.exit_code(540, "ERROR_POSTPROCESS", message="post-processing failed: {message}")
        spec.exit_code(541, "ERROR_RELAX", message="relaxation failed: {message}")
        spec.exit_code(542, "ERROR_METRICS", message="the metrics failed: {message}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        structures: StructureSetData,
        reference: StructureSetData | SinglefileData | FolderData,
        potential: PotentialData | None = None,
        kind: Kind | None = None,
        validation: StructureSetData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            structures: generated structures, as the model made them.
            reference: training structures, an earlier reference, or the authors' published csv files.
            potential: the data set's potential; none for alloys, which are not relaxed.
            kind: ``interface``, ``amorphous`` or ``alloy``; without it that of the overrides, else ``interface``.
            validation: validation structures of the data set.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``postprocess``, ``relax``, ``metrics``).
            options: scheduler options of all jobs.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()
        fill_evaluate(builder, code, inputs, kind, potential, protocol, options)
        builder.structures = structures
        builder.reference = reference
        if potential is not None:
            builder.potential = potential
        if validation is not None:
            builder.validation = validation
        return builder

    def setup(self) -> None:
        """Begin with what was generated."""
        self.ctx.structures = self.inputs.structures

    def is_relaxed(self) -> bool:
        """Whether structures of this kind are pushed apart and relaxed before they are measured."""
        return kind_of(self.inputs.metrics.job.parameters.get_dict()) not in NOT_RELAXED

    def run_postprocess(self) -> ToContext:
        """Push atoms apart."""
        inputs = AttributeDict(self.exposed_inputs(PostprocessCalculation, namespace="postprocess"))
        inputs.structures = self.ctx.structures
        inputs.metadata.call_link_label = "postprocess"
        return ToContext(postprocess=self.submit(PostprocessCalculation, **inputs))

    def inspect_postprocess(self) -> ExitCode | None:
        """Check that it ran."""
        node = self.ctx.postprocess
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_POSTPROCESS.format(message=node.exit_message)
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
            return self.exit_codes.ERROR_RELAX.format(message=node.exit_message)
        self.ctx.structures = node.outputs.structures
        self.out("relaxed", node.outputs.structures)
        return None

    def run_metrics(self) -> ToContext:
        """Compare with the data set; the number generated counts, not the number left."""
        inputs = AttributeDict(self.exposed_inputs(MetricsWorkChain, namespace="metrics"))
        inputs.structures = self.ctx.structures
        inputs.reference = self.inputs.reference
        if "validation" in self.inputs:
            inputs.validation = self.inputs.validation
        total = {"generated_total": len(self.inputs.structures)}
        inputs.job.parameters = Dict(inputs.job.parameters.get_dict() | total)
        inputs.metadata.call_link_label = "metrics"
        return ToContext(metrics=self.submit(MetricsWorkChain, **inputs))

    def finish(self) -> ExitCode | None:
        """Give out the metrics."""
        node = self.ctx.metrics
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_METRICS.format(message=node.exit_message)
        self.out("metrics", node.outputs.results)
        self.out("per_structure", node.outputs.per_structure)
        self.out("reference", node.outputs.reference)
        return None


def fill_evaluate(
    port: Any,
    code: AbstractCode,
    inputs: Mapping[str, Any],
    kind: Kind | None,
    potential: PotentialData | None,
    protocol: str | None,
    options: Mapping[str, Any] | None,
) -> None:
    """Fill a builder's namespace of :class:`EvaluateWorkChain` from its protocol, with the steps that the kind has."""
    metrics = merge(inputs["metrics"], {"parameters": {"kind": kind}} if kind else {})
    fill_chunks(port["metrics"], code, metrics, options)
    kind_asked = kind_of(metrics["parameters"])
    if kind_asked not in NOT_RELAXED:
        fill_calculation(port["postprocess"], code, inputs["postprocess"], options)
        fill_chunks(port["relax"], code, relax_inputs(protocol, inputs["relax"], kind_asked, potential), options)
