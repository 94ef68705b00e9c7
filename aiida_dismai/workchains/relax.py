"""Relax any number of structures, in chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ProcessSpec, ToContext, WorkChain, while_
from aiida.orm import AbstractCode, Int, to_aiida_type

from ..calculations.base import validate_not_empty
from ..calculations.functions.sets import concatenate_structures, slice_structures
from ..calculations.relax import validate_inputs
from ..data import PotentialData, StructureSetData
from .chunks import chunk_bounds
from .jobs import RelaxChunkWorkChain, fill_job
from .protocols import ProtocolMixin


def positive(node: Int | None, _: Any) -> str | None:
    """Refuse a number below one."""
    return "must be at least 1" if node is not None and node.value < 1 else None


def _validate(inputs: dict[str, Any], port: Any) -> str | None:
    job = inputs.get("job", {})
    return validate_inputs({**inputs, **({"parameters": job["parameters"]} if "parameters" in job else {})}, port)


class RelaxWorkChain(ProtocolMixin, WorkChain):
    """Relax a set of structures chunk by chunk, at most ``max_concurrent`` chunks at once."""

    _protocol_file = "relax.yaml"

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.input("structures", valid_type=StructureSetData, validator=validate_not_empty, help="Structures to relax.")
        spec.input("potential", valid_type=PotentialData, required=False, help="For the calculator 'm3gnet'.")
        spec.input(
            "chunk_size",
            valid_type=Int,
            serializer=to_aiida_type,
            validator=positive,
            default=lambda: Int(100),
            help="Structures of one job.",
        )
        spec.input(
            "max_concurrent",
            valid_type=Int,
            serializer=to_aiida_type,
            validator=positive,
            default=lambda: Int(10),
            help="Jobs that run at the same time.",
        )
        spec.expose_inputs(RelaxChunkWorkChain, namespace="job", exclude=("structures", "potential", "parent_folder"))
        spec.inputs.validator = _validate
        spec.outline(cls.setup, while_(cls.has_more)(cls.run_batch), cls.finish)
        spec.output("structures", valid_type=StructureSetData, help="All relaxed structures, in order.")
        spec.exit_code(
            520, "ERROR_CHUNKS_FAILED", message="{failed} of {total} chunks failed; `structures` holds the others"
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        structures: StructureSetData,
        potential: PotentialData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            structures: what to relax.
            potential: needed for the calculator ``m3gnet``.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``parameters``, ``chunk_size``, ``max_concurrent``, ``options``).
            options: scheduler options of all jobs.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()
        builder.structures = structures
        if potential is not None:
            builder.potential = potential
        fill_relax(builder, code, inputs, options)
        return builder

    def setup(self) -> None:
        """Cut the set into chunks."""
        self.ctx.bounds = chunk_bounds(len(self.inputs.structures), self.inputs.chunk_size.value)
        self.ctx.launched = 0

    def has_more(self) -> bool:
        """Whether there are chunks that were not launched."""
        return bool(self.ctx.launched < len(self.ctx.bounds))

    def run_batch(self) -> ToContext:
        """Launch the next chunks."""
        jobs = {}
        last = min(self.ctx.launched + self.inputs.max_concurrent.value, len(self.ctx.bounds))
        for index in range(self.ctx.launched, last):
            inputs = AttributeDict(self.exposed_inputs(RelaxChunkWorkChain, namespace="job"))
            start, stop = self.ctx.bounds[index]
            whole = len(self.ctx.bounds) == 1
            structures = self.inputs.structures
            inputs.structures = structures if whole else slice_structures(structures, Int(start), Int(stop))
            if "potential" in self.inputs:
                inputs.potential = self.inputs.potential
            inputs.metadata.call_link_label = f"chunk_{index:04d}"
            jobs[f"chunk_{index:04d}"] = self.submit(RelaxChunkWorkChain, **inputs)
        self.ctx.launched = last
        self.report(f"relaxing chunks up to {last} of {len(self.ctx.bounds)}")
        return ToContext(**jobs)

    def finish(self) -> ExitCode | None:
        """Join what was relaxed; say which chunks were not."""
        names = [f"chunk_{index:04d}" for index in range(len(self.ctx.bounds))]
        failed = [name for name in names if not self.ctx[name].is_finished_ok]
        good = {name: self.ctx[name].outputs.structures for name in names if name not in failed}
        if good:
            self.out("structures", next(iter(good.values())) if len(good) == 1 else concatenate_structures(**good))
        for name in failed:
            self.report(f"{name}: {self.ctx[name].exit_status} {self.ctx[name].exit_message}")
        if failed:
            return self.exit_codes.ERROR_CHUNKS_FAILED.format(failed=len(failed), total=len(names))
        return None


def fill_relax(port: Any, code: AbstractCode, inputs: Mapping[str, Any], options: Mapping[str, Any] | None) -> None:
    """Fill a builder's namespace of :class:`RelaxWorkChain` from its protocol."""
    fill_job(port["job"], code, inputs, options)
    port["chunk_size"] = Int(inputs["chunk_size"])
    port["max_concurrent"] = Int(inputs["max_concurrent"])
