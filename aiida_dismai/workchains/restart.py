"""Jobs that go on from their checkpoints: wall time, memory, divergence.

Decision table (highest priority first):

| exit code of the job            | what is done                                                      |
| ------------------------------- | ----------------------------------------------------------------- |
| 300, 310 input refused          | stop: another try cannot help                                     |
| 400 unfinished, 120 wall time   | go on from the checkpoint; not counted while it makes progress    |
| 351 no results: it was killed   | go on from the checkpoint, counted; stop if it had not got on     |
| 410 / 110 out of memory         | halve ``_memory_parameter`` and run again; at 1 stop              |
| 450 diverged                    | once: halve ``_rate_parameter`` and run again; then stop          |
| anything else                   | stop (``on_unhandled_failure`` of BaseRestartWorkChain)           |

A run that is repeated with another parameter resumes from its checkpoint where the task's parameter model says that
this parameter may change (``FREE``), and starts from the beginning where it does not.
"""

from __future__ import annotations

from typing import Any, ClassVar

from aiida.common import AttributeDict
from aiida.engine import BaseRestartWorkChain, ExitCode, ProcessHandlerReport, ProcessSpec, process_handler, while_
from aiida.orm import CalcJobNode, Dict, to_aiida_type

from ..calculations.base import TaskCalculation
from ..report.progress import progress_lines, progress_size
from .checked import CheckedWorkChain, together
from .checks import validate_job, validate_options
from .reasons import failed_with, reason_of, traceback_of


def get_parameter(parameters: dict[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where there is none."""
    current: Any = parameters
    for part in path.split("."):
        if not isinstance(current, dict) or part not in current:
            return None
        current = current[part]
    return current


def set_parameter(parameters: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path whose namespaces exist."""
    *parents, last = path.split(".")
    current = parameters
    for part in parents:
        current = current[part]
    current[last] = value


def found_batch_size(node: CalcJobNode) -> int | None:
    """Return the batch size that the dry run of a job found (``auto``); None where it found none."""
    found = [line.get("batch_size") for line in progress_lines(node)]
    sizes = [size for size in found if isinstance(size, int) and size > 0]
    return sizes[-1] if sizes else None


class RestartTaskWorkChain(CheckedWorkChain, BaseRestartWorkChain):
    """Run one task until it is finished, from checkpoint to checkpoint.

    A subclass sets ``_process_class`` to a :class:`~aiida_dismai.calculations.base.TaskCalculation`, and the
    dotted paths of the parameters that the handlers may change.
    """

    _process_class: type[TaskCalculation]
    #: How many structures are in memory at once; None where no parameter says it.
    _memory_parameter: ClassVar[str | None] = None
    #: The learning rate; None where nothing is learnt.
    _rate_parameter: ClassVar[str | None] = None

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Expose the CalcJob's ports as they are, and declare what can go wrong."""
        super().define(spec)
        spec.expose_inputs(cls._process_class, exclude=("metadata",))
        spec.input(
            "options",
            valid_type=Dict,
            serializer=to_aiida_type,
            validator=validate_options,
            help="Scheduler options of the jobs: resources, max_wallclock_seconds, queue_name, account, "
            "custom_scheduler_commands (to request GPUs), …",
        )
        spec.inputs.validator = together(spec.inputs.validator, validate_job)
        spec.expose_outputs(cls._process_class)
        spec.outline(
            cls.setup,
            while_(cls.should_run_process)(cls.run_process, cls.inspect_process),
            cls.results,
        )
        spec.exit_code(500, "ERROR_INPUT", message="the job rejected its input: {message}")
        spec.exit_code(501, "ERROR_MEMORY", message="out of memory even with the smallest batch: {message}")
        spec.exit_code(502, "ERROR_DIVERGED", message="diverged again with half the learning rate: {message}")
        spec.exit_code(503, "ERROR_NO_PROGRESS", message="no progress within a whole wall time: {message}")

    def inspect_process(self) -> ExitCode | None:
        """Let the handlers look at the job; a failure that none of them knows carries up what the job said of it."""
        result = super().inspect_process()
        code = self.exit_codes.ERROR_UNHANDLED_FAILURE
        if not isinstance(result, ExitCode) or result.status != code.status:
            return result
        node = self.ctx.children[self.ctx.iteration - 1]
        lines = traceback_of(node)
        if lines:
            self.report("the end of the traceback:\n  " + "\n  ".join(lines))
        return ExitCode(code.status, failed_with(node), code.invalidates_cache)

    def setup(self) -> None:
        """Collect the inputs of the first job."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(self._process_class))
        self.ctx.inputs.metadata = {"options": self.inputs.options.get_dict()}
        # with the defaults written out: the handlers change what the user may not have named
        task = self._process_class.task()
        self.ctx.parameters = task.validate(self.ctx.inputs.parameters.get_dict()).model_dump(mode="json")
        self.ctx.progress = 0
        self.ctx.halved = False

    def _stop(self, node: CalcJobNode, label: str) -> ProcessHandlerReport:
        return ProcessHandlerReport(True, getattr(self.exit_codes, label).format(message=reason_of(node)))

    @process_handler(priority=600)
    def handle_bad_input(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Stop at once where the input is wrong; the same job would fail again."""
        if node.exit_status in (300, 310):
            return self._stop(node, "ERROR_INPUT")
        return None

    @process_handler(priority=500)
    def handle_unfinished(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Go on from the checkpoint; a wall time with progress does not count against ``max_iterations``."""
        if node.exit_status not in (400, 120):
            return None
        size = progress_size(node)
        if size <= self.ctx.progress:
            return self._stop(node, "ERROR_NO_PROGRESS")
        self.ctx.progress = size
        # BaseRestartWorkChain finds the next job at children[iteration - 1]: what is not counted must not be there
        self.ctx.iteration -= 1
        self.ctx.children.remove(node)
        self.ctx.inputs.parent_folder = node.outputs.remote_folder
        self.report(f"{node.process_label}<{node.pk}> used up its wall time; resuming from its checkpoint")
        return ProcessHandlerReport(True)

    @process_handler(priority=450)
    def handle_killed(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Go on after a kill from outside; it counts, so that a job that always dies comes to an end.

        A job without results that had not got on either never ran: that is left to be a failure.
        """
        if node.exit_status != 351:
            return None
        size = progress_size(node)
        if size <= self.ctx.progress:
            return None
        self.ctx.progress = size
        self.ctx.inputs.parent_folder = node.outputs.remote_folder
        self.report(f"{node.process_label}<{node.pk}> was killed; resuming from its checkpoint")
        return ProcessHandlerReport(True)

    @process_handler(priority=400)
    def handle_out_of_memory(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Halve what fills the memory: the parameter, or what the dry run of ``auto`` had found."""
        if node.exit_status not in (410, 110):
            return None
        path = self._memory_parameter
        value = get_parameter(self.ctx.parameters, path) if path else None
        if value == "auto":
            value = found_batch_size(node)
        if path is None or not isinstance(value, int) or value < 2:
            return self._stop(node, "ERROR_MEMORY")
        self._begin_again(node, "ran out of memory", path, value // 2)
        return ProcessHandlerReport(True)

    @process_handler(priority=300)
    def handle_divergence(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Run again with half the learning rate, once."""
        if node.exit_status != 450:
            return None
        path = self._rate_parameter
        value = get_parameter(self.ctx.parameters, path) if path else None
        if path is None or not value or self.ctx.halved:
            return self._stop(node, "ERROR_DIVERGED")
        self.ctx.halved = True
        self._begin_again(node, "diverged", path, value / 2)
        return ProcessHandlerReport(True)

    def _begin_again(self, node: CalcJobNode, why: str, path: str, value: float) -> None:
        """Change one parameter; the checkpoint is resumed where the task says that this parameter may change."""
        set_parameter(self.ctx.parameters, path, value)
        self.ctx.inputs.parameters = Dict(self.ctx.parameters)
        size = progress_size(node)
        if path in self._process_class.task().model().FREE and size and "remote_folder" in node.outputs:
            self.ctx.inputs.parent_folder = node.outputs.remote_folder
            self.ctx.progress = size
            how = "resuming from its checkpoint"
        else:
            self.ctx.inputs.pop("parent_folder", None)
            self.ctx.progress = 0
            how = "again"
        self.report(f"{node.process_label}<{node.pk}> {why}; {how} with {path} = {value:g}")
