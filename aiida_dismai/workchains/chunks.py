"""Work over many structures is cut into chunks, one job each, at most so many at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessSpec, ToContext, WorkChain, while_
from aiida.orm import AbstractCode, Int, to_aiida_type

from ..calculations.functions.sets import concatenate_structures
from ..data import StructureSetData
from .jobs import fill_job
from .restart import RestartTaskWorkChain


def positive(node: Int | None, _: Any) -> str | None:
    """Refuse a number below one."""
    return "must be at least 1" if node is not None and node.value < 1 else None


def chunk_bounds(count: int, size: int) -> list[tuple[int, int]]:
    """Return ``(start, stop)`` of the chunks of ``count`` things, ``size`` each (the last may be smaller)."""
    return [(start, min(start + size, count)) for start in range(0, count, size)]


class ChunkedWorkChain(WorkChain):
    """Run one job for each chunk, at most ``max_concurrent`` at once, and join the structures that they give.

    A subclass names the WorkChain of a chunk, says how many structures there are, and gives the inputs of
    a chunk. What some chunks gave is given out also when others have failed.
    """

    _chunk_class: ClassVar[type[RestartTaskWorkChain]]

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports, outline and exit code."""
        super().define(spec)
        for name, default, text in (
            ("chunk_size", 100, "Structures of one job."),
            ("max_concurrent", 10, "Jobs that run at the same time."),
        ):
            spec.input(
                name,
                valid_type=Int,
                serializer=to_aiida_type,
                validator=positive,
                default=lambda value=default: Int(value),
                help=text,
            )
        spec.outline(cls.setup, while_(cls.has_more)(cls.run_batch), cls.finish)
        spec.output("structures", valid_type=StructureSetData, help="The structures of all chunks, in order.")
        spec.exit_code(
            520, "ERROR_CHUNKS_FAILED", message="{failed} of {total} chunks failed; `structures` holds the others"
        )

    def count(self) -> int:
        """Return how many structures there are in all."""
        raise NotImplementedError

    def chunk_inputs(self, start: int, stop: int) -> AttributeDict:
        """Return the inputs of the chunk of structures ``start`` up to, and without, ``stop``."""
        raise NotImplementedError

    def setup(self) -> None:
        """Cut the work into chunks."""
        self.ctx.bounds = chunk_bounds(self.count(), self.inputs.chunk_size.value)
        self.ctx.launched = 0

    def has_more(self) -> bool:
        """Whether there are chunks that were not launched."""
        return bool(self.ctx.launched < len(self.ctx.bounds))

    def run_batch(self) -> ToContext:
        """Launch the next chunks."""
        jobs = {}
        last = min(self.ctx.launched + self.inputs.max_concurrent.value, len(self.ctx.bounds))
        for index in range(self.ctx.launched, last):
            name = f"chunk_{index:04d}"
            inputs = self.chunk_inputs(*self.ctx.bounds[index])
            inputs.metadata.call_link_label = name
            jobs[name] = self.submit(self._chunk_class, **inputs)
        self.ctx.launched = last
        self.report(f"launched chunks up to {last} of {len(self.ctx.bounds)}")
        return ToContext(**jobs)

    def finish(self) -> ExitCode | None:
        """Join what the chunks gave; say which gave nothing."""
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


def fill_chunks(port: Any, code: AbstractCode, inputs: Mapping[str, Any], options: Mapping[str, Any] | None) -> None:
    """Fill a builder, or the namespace of one, with the job and the chunks of a protocol."""
    fill_job(port["job"], code, inputs, options)
    port["chunk_size"] = Int(inputs["chunk_size"])
    port["max_concurrent"] = Int(inputs["max_concurrent"])
