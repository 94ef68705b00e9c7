"""From generated structures to metrics: push apart, relax, measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ProcessSpec, ToContext, WorkChain, if_
from aiida.orm import AbstractCode, ArrayData, Dict, SinglefileData

from ..calculations.base import validate_not_empty
from ..calculations.evaluation import PostprocessCalculation
from ..calculations.potentials import validate_elements
from ..data import PotentialData, StructureSetData
from .chunks import fill_chunks
from .jobs import MetricsWorkChain, fill_calculation, fill_job
from .protocols import ProtocolMixin
from .relax import RelaxWorkChain


class EvaluateWorkChain(ProtocolMixin, WorkChain):
    """Post-process and relax generated structures and compare them with a data set.

    A model whose structures all fail has no distances; that is a result (``failed_percent`` 100), no error.
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
            valid_type=(StructureSetData, SinglefileData),
            validator=validate_not_empty,
            help="Training structures, or the `reference` output of an earlier evaluation against them.",
        )
        spec.input("potential", valid_type=PotentialData, required=False, help="Relaxes the structures ('m3gnet').")
        spec.expose_inputs(PostprocessCalculation, namespace="postprocess", exclude=("structures", "parent_folder"))
        spec.expose_inputs(RelaxWorkChain, namespace="relax", exclude=("structures", "potential"))
        spec.expose_inputs(MetricsWorkChain, namespace="metrics", exclude=("structures", "reference", "parent_folder"))
        spec.inputs.validator = validate_elements
        spec.outline(
            cls.run_postprocess,
            cls.inspect_postprocess,
            if_(cls.has_structures)(cls.run_relax, cls.inspect_relax),
            cls.run_metrics,
            cls.finish,
        )
        spec.output("postprocessed", valid_type=StructureSetData, help="Structures that could be pushed apart.")
        spec.output("relaxed", valid_type=StructureSetData, required=False, help="Relaxed structures, failed ones too.")
        spec.output("metrics", valid_type=Dict, help="Distances, failed share, intervals.")
        spec.output("per_structure", valid_type=ArrayData, help="Measures of every structure.")
        spec.output("reference", valid_type=SinglefileData, help="Averages of the training set, for the next time.")
        spec.exit_code(540, "ERROR_POSTPROCESS", message="post-processing failed: {message}")
        spec.exit_code(541, "ERROR_RELAX", message="relaxation failed: {message}")
        spec.exit_code(542, "ERROR_METRICS", message="the metrics failed: {message}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        structures: StructureSetData,
        reference: StructureSetData | SinglefileData,
        potential: PotentialData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            structures: generated structures, as the model made them.
            reference: training structures or an earlier reference.
            potential: the data set's potential.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``postprocess``, ``relax``, ``metrics``).
            options: scheduler options of all jobs.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()
        fill_evaluate(builder, code, inputs, protocol, options)
        builder.structures = structures
        builder.reference = reference
        if potential is not None:
            builder.potential = potential
        return builder

    def run_postprocess(self) -> ToContext:
        """Push atoms apart."""
        inputs = AttributeDict(self.exposed_inputs(PostprocessCalculation, namespace="postprocess"))
        inputs.structures = self.inputs.structures
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
        inputs.parameters = Dict(inputs.parameters.get_dict() | {"generated_total": len(self.inputs.structures)})
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
    protocol: str | None,
    options: Mapping[str, Any] | None,
) -> None:
    """Fill a builder's namespace of :class:`EvaluateWorkChain` from its protocol."""
    fill_calculation(port["postprocess"], code, inputs["postprocess"], options)
    fill_chunks(port["relax"], code, RelaxWorkChain.get_protocol_inputs(protocol, inputs["relax"]), options)
    fill_job(port["metrics"], code, inputs["metrics"], options)
