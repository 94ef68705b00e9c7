"""Relax any number of structures, in chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder
from aiida.orm import AbstractCode, Float, Int, Str, to_aiida_type

from ..calculations.functions.sets import count_as_failed, slice_structures
from ..calculations.relax import OWN_CALCULATOR, validate_inputs, validate_periodic
from ..data import PotentialData, StructureSetData
from ..engine.families.registry import find
from .bounds import share_below_one
from .checked import CheckedSpec
from .checks import below, calculator_problems, elements_of
from .chunks import ChunkedStructuresWorkChain, fill_chunks
from .jobs import RelaxChunkWorkChain
from .problems import Problem, answer
from .protocols import ProtocolMixin
from .protocols.names import job
from .reasons import reason_of
from .request import Request


def _validate(inputs: dict[str, Any], port: Any) -> str | None:
    if "structures" not in port or "parameters" not in inputs.get("job", {}):
        return None  # another WorkChain brings the structures, or the port says what is missing
    parameters = inputs["job"]["parameters"]
    refused = validate_inputs({**inputs, "parameters": parameters}, port)
    found = [] if refused is None else [Problem("", refused)]
    found += below("job", calculator_problems(parameters.get_dict(), elements_of(inputs.get("structures"))))
    return answer(found)


class RelaxWorkChain(ProtocolMixin, ChunkedStructuresWorkChain):
    """Relax a set of structures chunk by chunk, at most ``max_concurrent`` chunks at once.

    The structures of a chunk whose job has failed for good, restarts included, are given out unrelaxed, with the reason
    as ``failure``, as long as they are no more than ``max_lost_share`` of all.
    """

    _protocol_file = "relax.yaml"
    _override_names = job("relax")
    _chunk_class = RelaxChunkWorkChain

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare the structures and what relaxes them."""
        super().define(spec)
        spec.input("structures", valid_type=StructureSetData, validator=validate_periodic, help="Structures to relax.")
        spec.input("potential", valid_type=PotentialData, required=False, help="For the calculator 'm3gnet'.")
        spec.expose_inputs(RelaxChunkWorkChain, namespace="job", exclude=("structures", "potential", "parent_folder"))
        spec.input(
            "max_lost_share",
            valid_type=Float,
            serializer=to_aiida_type,
            validator=share_below_one,
            default=lambda: Float(0.1),
            help="Largest share of the structures that may be lost with failed jobs and count as failed; above it the "
            "process fails.",
        )
        spec.inputs.validator = _validate

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        structures: StructureSetData,
        potential: PotentialData | None = None,
        kind: str | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            structures: what to relax.
            potential: needed for the calculator ``m3gnet``.
            kind: family of the structures, which may name a calculator.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``parameters``, ``chunk_size``, ``max_concurrent``, ``options``).
            options: scheduler options of all jobs.
        """
        request = Request(cls, overrides, options)
        inputs = relax_inputs(protocol, request.overrides, kind, potential)
        builder = request.draft
        builder.structures = structures
        if potential is not None:
            builder.potential = potential
        fill_chunks(builder, code, inputs, request.options)
        return request.finish()

    def count(self) -> int:
        """Return how many structures are to be relaxed."""
        return len(self.inputs.structures)

    def chunk_inputs(self, start: int, stop: int) -> AttributeDict:
        """Return the inputs of a job that relaxes structures ``start`` to ``stop``."""
        inputs = AttributeDict(self.exposed_inputs(RelaxChunkWorkChain, namespace="job"))
        structures = self.inputs.structures
        whole = stop - start == len(structures)
        inputs.structures = structures if whole else slice_structures(structures, Int(start), Int(stop))
        if "potential" in self.inputs:
            inputs.potential = self.inputs.potential
        return inputs

    def finish(self) -> ExitCode | None:
        """Join the chunks; structures that were lost with their jobs are counted as failed, up to a share."""
        good, failure = self.gather("structures")
        lost = {name: bounds for name, bounds in self.by_name().items() if name not in good}
        number = sum(stop - start for start, stop in lost.values())
        if good and lost and number <= self.inputs.max_lost_share.value * self.count():
            for name, (start, stop) in lost.items():
                reason = Str(f"job failed: {name}: {reason_of(self.ctx[name])}")
                good[name] = count_as_failed(self.inputs.structures, Int(start), Int(stop), reason)
            self.report(f"{number} of {self.count()} structures were lost with failed jobs and are counted as failed")
            failure = None
        self.join(good)
        return failure


def relax_inputs(
    protocol: str | None, overrides: Mapping[str, Any], kind: str | None, potential: PotentialData | None
) -> dict[str, Any]:
    """Return the plain inputs of a relaxation; a trained potential that is given takes the place of the protocol's.

    Args:
        protocol: ``paper``, ``moderate`` or ``demo``.
        overrides: laid over it.
        kind: of the structures.
        potential: a trained M3GNet, if there is one.
    """
    inputs = RelaxWorkChain.get_protocol_inputs(protocol, overrides)
    given = overrides.get("parameters", {})
    of_family = (None if kind is None else find(kind).relaxation) or {}
    inputs["parameters"] |= {name: value for name, value in of_family.items() if name not in given}
    if potential is not None and "calculator" not in given:
        parameters = {**inputs["parameters"], "calculator": OWN_CALCULATOR}
        parameters.pop("calculator_kwargs", None)
        inputs["parameters"] = parameters
    return inputs
