"""Work over many structures is cut into chunks, one job each, at most so many at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext
from aiida.orm import AbstractCode, Float, Int, to_aiida_type

from ..calculations.functions.sets import concatenate_structures
from ..data import StructureSetData
from ..exit_codes import CHUNKS, declare
from .bounds import positive
from .checked import CheckedSpec, CheckedWorkChain, while_
from .jobs import fill_job
from .reasons import failed_with, reason_of
from .restart import RestartTaskWorkChain


def chunk_bounds(count: int, size: int) -> list[tuple[int, int]]:
    """Return ``(start, stop)`` of the chunks of ``count`` things, ``size`` each (the last may be smaller)."""
    return [(start, min(start + size, count)) for start in range(0, count, size)]


class ChunkedWorkChain(CheckedWorkChain):
    """Run one job for each chunk, at most ``max_concurrent`` at once.

    A subclass names the WorkChain of a chunk, says into which chunks the work is cut (:meth:`chunks`), and gives the
    inputs of each; its outline has :meth:`setup`, ``while_(has_more)(run_batch)`` and what is done with the outputs.
    """

    _chunk_class: ClassVar[type[RestartTaskWorkChain]]
    #: The default of the input ``chunk_size``.
    _chunk_size: ClassVar[int] = 100

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports and exit code."""
        super().define(spec)
        for name, default, text in (
            ("chunk_size", cls._chunk_size, "Number of structures per job."),
            ("max_concurrent", 10, "Maximum number of concurrent jobs."),
        ):
            spec.input(
                name,
                valid_type=Int,
                serializer=to_aiida_type,
                validator=positive,
                default=lambda value=default: Int(value),
                help=text,
            )
        declare(spec, CHUNKS)

    def chunks(self) -> list[tuple[Any, ...]]:
        """Return what tells the chunks apart: the arguments of :meth:`chunk_inputs`, plain values."""
        raise NotImplementedError

    def chunk_inputs(self, *chunk: Any) -> AttributeDict:
        """Return the inputs of a chunk."""
        raise NotImplementedError

    def setup(self) -> None:
        """Cut the work into chunks."""
        self.ctx.chunks = self.chunks()
        self.ctx.launched = 0

    def by_name(self) -> dict[str, tuple[Any, ...]]:
        """Return the chunks by the names that their jobs have, in order."""
        return {f"chunk_{index:04d}": chunk for index, chunk in enumerate(self.ctx.chunks)}

    def has_more(self) -> bool:
        """Whether there are chunks that were not launched."""
        return bool(self.ctx.launched < len(self.ctx.chunks))

    def run_batch(self) -> ToContext:
        """Launch the next chunks."""
        jobs = {}
        last = min(self.ctx.launched + self.inputs.max_concurrent.value, len(self.ctx.chunks))
        for name, chunk in list(self.by_name().items())[self.ctx.launched : last]:
            inputs = self.chunk_inputs(*chunk)
            inputs.metadata.call_link_label = name
            jobs[name] = self.submit(self._chunk_class, **inputs)
        self.ctx.launched = last
        self.report(f"launched chunks up to {last} of {len(self.ctx.chunks)}")
        return ToContext(**jobs)

    def gather(self, output: str) -> tuple[dict[str, Any], ExitCode | None]:
        """Return an output of the chunks that ended well, by name, and the exit code if not all did."""
        names = self.by_name()
        failed = [name for name in names if not self.ctx[name].is_finished_ok]
        good = {name: self.ctx[name].outputs[output] for name in names if name not in failed}
        for name in failed:
            self.report(f"{name}: {failed_with(self.ctx[name])}")
        if failed:
            message = f"{failed[0]}: {reason_of(self.ctx[failed[0]])}"
            return good, self.exit_codes.ERROR_CHUNKS_FAILED.format(
                failed=len(failed), total=len(names), message=message
            )
        return good, None


class ChunkedStructuresWorkChain(ChunkedWorkChain):
    """Join the structures that the chunks give, also when some chunks have failed."""

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare outline and output."""
        super().define(spec)
        spec.outline(cls.setup, while_(cls.has_more)(cls.run_batch), cls.finish)
        spec.output(
            "structures",
            valid_type=StructureSetData,
            help="The structures of all successful chunks, in order.",
        )

    def count(self) -> int:
        """Return how many structures there are in all."""
        raise NotImplementedError

    def chunks(self) -> list[tuple[Any, ...]]:
        """Return the first structure, and one past the last, of each chunk."""
        return list(chunk_bounds(self.count(), self.inputs.chunk_size.value))

    def finish(self) -> ExitCode | None:
        """Join what the chunks gave."""
        good, failure = self.gather("structures")
        self.join(good)
        return failure

    def join(self, good: Mapping[str, StructureSetData]) -> None:
        """Give out the structures of chunks, by their names, as one set."""
        if good:
            self.out("structures", next(iter(good.values())) if len(good) == 1 else concatenate_structures(**good))


def fill_chunks(port: Any, code: AbstractCode, inputs: Mapping[str, Any], options: Mapping[str, Any] | None) -> None:
    """Fill a builder, or the namespace of one, with the job and the chunks of a protocol."""
    fill_job(port["job"], code, inputs, options)
    port["chunk_size"] = Int(inputs["chunk_size"])
    port["max_concurrent"] = Int(inputs["max_concurrent"])
    if "max_lost_share" in inputs:
        port["max_lost_share"] = Float(inputs["max_lost_share"])
