"""Generate any number of structures with a trained model, in chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessSpec, ToContext, WorkChain, while_
from aiida.orm import AbstractCode, Dict, Int, to_aiida_type

from ..calculations.functions.sets import concatenate_structures
from ..data import GeneratorData, StructureSetData
from .chunks import chunk_bounds
from .jobs import SampleChunkWorkChain, fill_job
from .relax import positive


class SampleWorkChain(WorkChain):
    """Sample ``n_structures`` from a model; structure i is the same however the work is cut."""

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.input(
            "n_structures", valid_type=Int, serializer=to_aiida_type, validator=positive, help="How many in all."
        )
        spec.input(
            "chunk_size",
            valid_type=Int,
            serializer=to_aiida_type,
            validator=positive,
            default=lambda: Int(1000),
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
        spec.input("generator", valid_type=GeneratorData, help="The trained model.")
        spec.input("seed", valid_type=Int, serializer=to_aiida_type, help="Seed of the noise.")
        spec.expose_inputs(SampleChunkWorkChain, namespace="job", exclude=("generator", "seed", "parent_folder"))
        spec.outline(cls.setup, while_(cls.has_more)(cls.run_batch), cls.finish)
        spec.output("structures", valid_type=StructureSetData, help="The generated structures, in order.")
        spec.exit_code(520, "ERROR_CHUNKS_FAILED", message="{failed} of {total} chunks failed")

    def setup(self) -> None:
        """Cut the number of structures into chunks."""
        self.ctx.bounds = chunk_bounds(self.inputs.n_structures.value, self.inputs.chunk_size.value)
        self.ctx.launched = 0

    def has_more(self) -> bool:
        """Whether there are chunks that were not launched."""
        return bool(self.ctx.launched < len(self.ctx.bounds))

    def run_batch(self) -> ToContext:
        """Launch the next chunks."""
        jobs = {}
        last = min(self.ctx.launched + self.inputs.max_concurrent.value, len(self.ctx.bounds))
        for index in range(self.ctx.launched, last):
            start, stop = self.ctx.bounds[index]
            inputs = AttributeDict(self.exposed_inputs(SampleChunkWorkChain, namespace="job"))
            inputs.generator, inputs.seed = self.inputs.generator, self.inputs.seed
            inputs.parameters = Dict(inputs.parameters.get_dict() | {"n_structures": stop - start, "first": start})
            inputs.metadata.call_link_label = f"chunk_{index:04d}"
            jobs[f"chunk_{index:04d}"] = self.submit(SampleChunkWorkChain, **inputs)
        self.ctx.launched = last
        return ToContext(**jobs)

    def finish(self) -> ExitCode | None:
        """Join the chunks."""
        names = [f"chunk_{index:04d}" for index in range(len(self.ctx.bounds))]
        failed = [name for name in names if not self.ctx[name].is_finished_ok]
        for name in failed:
            self.report(f"{name}: {self.ctx[name].exit_status} {self.ctx[name].exit_message}")
        if failed:
            return self.exit_codes.ERROR_CHUNKS_FAILED.format(failed=len(failed), total=len(names))
        sets = {name: self.ctx[name].outputs.structures for name in names}
        self.out("structures", sets[names[0]] if len(sets) == 1 else concatenate_structures(**sets))
        return None


def fill_sample(port: Any, code: AbstractCode, inputs: Mapping[str, Any], options: Mapping[str, Any] | None) -> None:
    """Fill a builder's namespace of :class:`SampleWorkChain` from a protocol."""
    fill_job(port["job"], code, inputs, options)
    port["n_structures"] = Int(inputs["n_structures"])
    port["chunk_size"] = Int(inputs["chunk_size"])
    port["max_concurrent"] = Int(inputs["max_concurrent"])
