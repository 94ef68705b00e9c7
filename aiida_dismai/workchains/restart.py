"""Jobs that resume from their checkpoints: wall time, memory, divergence, and what happens to machines.

Each handler names the exit codes of the job that it answers; docs/reference/exit_codes.md lists them, made from here.

A run that is repeated with another parameter resumes from its checkpoint where the task's parameter model says that
this parameter may change (:meth:`~aiida_dismai.engine.parameters.Parameters.free`), and starts from the beginning where
it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar, cast

from aiida.common import AttributeDict
from aiida.engine import (
    BaseRestartWorkChain,
    CalcJob,
    ExitCode,
    ProcessHandlerReport,
    process_handler,
)
from aiida.manage import enable_caching
from aiida.orm import CalcJobNode, Dict, to_aiida_type

from ..calculations.base import TaskCalculation
from ..calculations.checkpoints import has_checkpoint
from ..calculations.cleaning import clean_folders, with_cleaning
from ..calculations.cores import with_cores
from ..calculations.gpus import with_gpus
from ..calculations.monitors import stopped_by, with_monitors
from ..calculations.progress import progress_lines, progress_size
from ..calculations.relax import RelaxCalculation
from ..engine.errors import BadInput
from ..exit_codes import RESTART, declare
from .checked import CheckedSpec, CheckedWorkChain, together, while_
from .checks import validate_job, validate_options
from .earlier import earlier_folder, earlier_runs
from .reasons import failed_with, reason_of, traceback_of, warnings_of

#: Those of any of our jobs: all have the same.
JOB = RelaxCalculation.exit_codes
SCHEDULER = CalcJob.exit_codes
Handler = Callable[[Any, CalcJobNode], ProcessHandlerReport | None]


def answers(priority: int, *codes: ExitCode) -> Callable[[Handler], Handler]:
    """Return the decorator of a process handler of these exit codes, which keeps them for the reference."""

    def register(method: Handler) -> Handler:
        method.answers = codes  # type: ignore[attr-defined]
        handler: Handler = process_handler(cast(Any, method), priority=priority, exit_codes=list(codes))
        return handler

    return register


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
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Expose the CalcJob's ports as they are, and declare what can go wrong."""
        super().define(spec)
        spec.expose_inputs(cls._process_class, exclude=("metadata",))
        spec.input(
            "options",
            valid_type=Dict,
            serializer=to_aiida_type,
            validator=validate_options,
            help="Scheduler options of the jobs: resources, max_wallclock_seconds, queue_name, account, "
            "custom_scheduler_commands, …, and `gpus`, a number, for the tasks that can use one (with a `device`), "
            "`monitors`, and `clean_workdir`, to remove the working directories after success.",
        )
        spec.inputs.validator = together(spec.inputs.validator, validate_job)
        spec.expose_outputs(cls._process_class)
        spec.outline(
            cls.setup,
            while_(cls.should_run_process)(cls.run_process, cls.inspect_process),
            cls.results,
            cls.clean_up,
        )
        declare(spec, RESTART)

    def inspect_process(self) -> ExitCode | None:
        """Let the handlers look at the job; a failure that none of them knows carries up what the job said of it."""
        node = self.ctx.children[self.ctx.iteration - 1]
        for line in warnings_of(node):
            self.report(f"{node.process_label}<{node.pk}> warns: {line}")
        result = super().inspect_process()
        code = self.exit_codes.ERROR_UNHANDLED_FAILURE
        if not isinstance(result, ExitCode) or result.status != code.status:
            return result
        lines = traceback_of(node)
        if lines:
            self.report("the end of the traceback:\n  " + "\n  ".join(lines))
        return ExitCode(code.status, failed_with(node), code.invalidates_cache)

    def setup(self) -> None:
        """Collect the inputs of the first job."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(self._process_class))
        # with the defaults written out: the handlers change what the user may not have named
        task = self._process_class.task()
        self.ctx.parameters = task.validate(self.ctx.inputs.parameters.get_dict()).model_dump(mode="json")
        options, monitors = with_monitors(self.inputs.options.get_dict())
        options, self.ctx.clean = with_cleaning(options)
        if monitors:
            self.ctx.inputs.monitors = {**monitors, **self.ctx.inputs.get("monitors", {})}
        if isinstance(options.get("resources"), dict):
            options["resources"] = with_cores(options["resources"], self.ctx.parameters)
        self.ctx.inputs.metadata = {"options": with_gpus(options, self.ctx.parameters, self.ctx.inputs.code)}
        self.ctx.progress = 0
        self.ctx.halved = self.ctx.full = self.ctx.lost = False
        self._take_up()

    def _take_up(self) -> None:
        """Resume from the checkpoint that an earlier run of the same workflow has left, if this is a relaunch."""
        runs = earlier_runs(self.node)
        self.ctx.relaunched = bool(runs)
        folder = earlier_folder(runs, self._process_class, self.ctx.inputs)
        if folder is not None:
            self.ctx.inputs.parent_folder = folder
            self.report(f"resuming from RemoteData<{folder.pk}>, of an earlier run")

    def clean_up(self) -> None:
        """Remove the working directories, if the options say so: all outputs are there by now."""
        if self.ctx.clean:
            self.report(clean_folders(self.node))

    def run_process(self) -> Any:
        """Submit the next job; in a relaunch, what an earlier run has finished is taken from the cache."""
        if not self.ctx.get("relaunched"):
            return super().run_process()
        with enable_caching(identifier="aiida.calculations:dismai.*"):
            return super().run_process()

    def _got_on(self, node: CalcJobNode) -> bool:
        """Whether a job wrote more progress than those before it, whose lines it has."""
        return progress_size(node) > int(self.ctx.progress)

    def _uncounted(self, node: CalcJobNode) -> None:
        """Leave a job out of `max_iterations`."""
        # BaseRestartWorkChain finds the next job at children[iteration - 1]: what is not counted must not be there
        self.ctx.iteration -= 1
        self.ctx.children.remove(node)

    def _resume(self, node: CalcJobNode) -> str:
        """Let the next job start from the checkpoint of this one, if there is one; returns how it starts, in words."""
        there = has_checkpoint(node)
        if there is False:
            if "parent_folder" in self.ctx.inputs:
                return "it left no checkpoint, resuming from the one before"
            self.ctx.progress = 0
            return "it left no checkpoint, starting from the beginning"
        self.ctx.progress = max(progress_size(node), self.ctx.progress)
        self.ctx.inputs.parent_folder = node.outputs.remote_folder
        return "resuming from its checkpoint" if there else "resuming from its checkpoint, if it wrote one"

    def _stop(self, node: CalcJobNode, label: str) -> ProcessHandlerReport:
        return ProcessHandlerReport(True, getattr(self.exit_codes, label).format(message=reason_of(node)))

    @answers(600, JOB.ERROR_INPUT_REFUSED, JOB.ERROR_WEIGHTS_REFUSED)
    def handle_bad_input(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Stop: the same job would fail again."""
        return self._stop(node, "ERROR_INPUT")

    @answers(500, JOB.ERROR_UNFINISHED, SCHEDULER.ERROR_SCHEDULER_OUT_OF_WALLTIME)
    def handle_unfinished(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Resume from the checkpoint, not counted in `max_iterations`; stop if the job made no progress."""
        if not self._got_on(node) or has_checkpoint(node) is False:
            return self._stop(node, "ERROR_NO_PROGRESS")
        self._uncounted(node)
        self.report(f"{node.process_label}<{node.pk}> used up its wall time; {self._resume(node)}")
        return ProcessHandlerReport(True)

    @answers(470, JOB.ERROR_PREEMPTED)
    def handle_preempted(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Run again, from the checkpoint if there is one; counted only if the job made no progress."""
        if self._got_on(node) and has_checkpoint(node):
            self._uncounted(node)
        self.report(f"{node.process_label}<{node.pk}> was preempted; {self._resume(node)}")
        return ProcessHandlerReport(True)

    @answers(450, JOB.ERROR_KILLED, JOB.ERROR_CANCELLED, SCHEDULER.ERROR_SCHEDULER_NODE_FAILURE)
    def handle_interrupted(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Run again, from the checkpoint if there is one; counted in `max_iterations`."""
        return self._again(node)

    @answers(440, JOB.ERROR_DISK_FULL)
    def handle_full_disk(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Run again, from the checkpoint if there is one, counted; stop if the job after made no progress."""
        return self._after_full_disk(node)

    @answers(
        430,
        JOB.ERROR_RESULTS_UNREADABLE,
        JOB.ERROR_OUTPUT_MISSING,
        JOB.ERROR_OUTPUT_UNREADABLE,
        SCHEDULER.ERROR_NO_RETRIEVED_FOLDER,
    )
    def handle_lost_files(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Run again once, from the checkpoint if there is one: files were lost on their way; then it is a failure."""
        if self.ctx.get("lost"):
            return None
        self.ctx.lost = True
        self.report(f"{failed_with(node)}; {self._resume(node)}")
        return ProcessHandlerReport(True)

    @answers(400, JOB.ERROR_OUT_OF_MEMORY, SCHEDULER.ERROR_SCHEDULER_OUT_OF_MEMORY)
    def handle_out_of_memory(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Halve the batch, given or found by `auto`, and run again; stop where there is none or it is one."""
        path = self._memory_parameter
        value = get_parameter(self.ctx.parameters, path) if path else None
        if value == "auto":
            value = found_batch_size(node)
        if path is None or not isinstance(value, int) or value < 2:
            return self._stop(node, "ERROR_MEMORY")
        self._repeat(node, "ran out of memory", path, value // 2)
        return ProcessHandlerReport(True)

    @answers(300, JOB.ERROR_DIVERGED)
    def handle_divergence(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Halve the learning rate and run again, once; then stop."""
        return self._after_divergence(node)

    @answers(460, SCHEDULER.STOPPED_BY_MONITOR)
    def handle_monitor(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """As for a killed job (`stalled`), a full disk (`disk`) or a divergence (`diverging`); other monitors: stop."""
        answer = {"stalled": self._again, "disk": self._after_full_disk, "diverging": self._after_divergence}
        name = stopped_by(node)
        return answer[name](node) if name in answer else None

    def _again(self, node: CalcJobNode) -> ProcessHandlerReport:
        self.report(f"{failed_with(node)}; {self._resume(node)}")
        return ProcessHandlerReport(True)

    def _after_full_disk(self, node: CalcJobNode) -> ProcessHandlerReport:
        if self.ctx.get("full") and not self._got_on(node):
            return self._stop(node, "ERROR_DISK_FULL")
        self.ctx.full = True
        return self._again(node)

    def _after_divergence(self, node: CalcJobNode) -> ProcessHandlerReport:
        path = self._rate_parameter
        value = get_parameter(self.ctx.parameters, path) if path else None
        if path is None or not value or self.ctx.halved:
            return self._stop(node, "ERROR_DIVERGED")
        changed = deepcopy(self.ctx.parameters)
        set_parameter(changed, path, value / 2)
        try:
            self._process_class.task().validate(changed)
        except BadInput:  # below the lower bound of its schedule
            return self._stop(node, "ERROR_DIVERGED")
        self.ctx.halved = True
        self._repeat(node, "diverged", path, value / 2)
        return ProcessHandlerReport(True)

    def _repeat(self, node: CalcJobNode, why: str, path: str, value: float) -> None:
        """Change one parameter; resume from the checkpoint where the task says that this parameter may change."""
        free = self._process_class.task().validate(self.ctx.parameters).free()
        set_parameter(self.ctx.parameters, path, value)
        self.ctx.inputs.parameters = Dict(self.ctx.parameters)
        if path in free and has_checkpoint(node):
            how = self._resume(node)
        else:
            self.ctx.inputs.pop("parent_folder", None)
            self.ctx.progress = 0
            how = "starting from the beginning"
        self.report(f"{node.process_label}<{node.pk}> {why}; {how} with {path} = {value:g}")
