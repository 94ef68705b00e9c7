"""Jobs that go on from their checkpoints: wall time, memory, divergence.

Decision table (highest priority first):

| exit code of the job            | what is done                                                      |
| ------------------------------- | ----------------------------------------------------------------- |
| 400 unfinished, 120 wall time   | go on from the checkpoint; not counted while it makes progress    |
| 410 / 110 out of memory         | halve the batch (``OOM_PARAMETERS``) and go on; else stop         |
| 450 diverged                    | once: half the learning rate, from the start; then stop           |
| below 400                       | stop: the input is wrong, another try cannot help                 |
| anything else                   | once more, then stop (BaseRestartWorkChain)                       |
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from aiida.common import AttributeDict
from aiida.engine import BaseRestartWorkChain, ProcessHandlerReport, ProcessSpec, process_handler, while_
from aiida.orm import CalcJobNode, Dict

from ..calculations.base import TaskCalculation
from ..engine.task import PROGRESS

#: Dotted paths of parameters that set how much memory a job takes, in the order in which to halve them.
MEMORY_PARAMETERS = ("micro_batch", "batch_size", "hyperparameters.batch_size")


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


def progress_lines(node: CalcJobNode) -> int:
    """Return how many lines the retrieved progress file has (0 where there is none)."""
    try:
        text = node.outputs.retrieved.base.repository.get_object_content(PROGRESS)
    except (AttributeError, FileNotFoundError, OSError, KeyError):
        return 0
    return sum(1 for line in text.splitlines() if _is_json(line))


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


class RestartTaskWorkChain(BaseRestartWorkChain):
    """Run one task until it is finished, from checkpoint to checkpoint.

    A subclass sets ``_process_class`` to a :class:`~aiida_dismai.calculations.base.TaskCalculation`.
    """

    _process_class: ClassVar[type[TaskCalculation]]

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Expose the CalcJob's ports as they are, and declare what can go wrong."""
        super().define(spec)
        spec.expose_inputs(cls._process_class)
        spec.expose_outputs(cls._process_class)
        spec.outline(
            cls.setup,
            while_(cls.should_run_process)(cls.run_process, cls.inspect_process),
            cls.results,
        )
        spec.exit_code(500, "ERROR_INPUT", message="the job refused its input: {message}")
        spec.exit_code(501, "ERROR_MEMORY", message="out of memory with the smallest batch: {message}")
        spec.exit_code(502, "ERROR_DIVERGED", message="diverged twice, also with half the learning rate: {message}")
        spec.exit_code(503, "ERROR_NO_PROGRESS", message="a whole wall time without progress: {message}")

    def setup(self) -> None:
        """Collect the inputs of the first job."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(self._process_class))
        self.ctx.parameters = self.ctx.inputs.parameters.get_dict()
        self.ctx.progress = 0
        self.ctx.halved = False

    def _stop(self, node: CalcJobNode, label: str) -> ProcessHandlerReport:
        return ProcessHandlerReport(True, getattr(self.exit_codes, label).format(message=node.exit_message or node.exit_status))

    def _set_parameters(self) -> None:
        self.ctx.inputs.parameters = Dict(self.ctx.parameters)

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
        lines = progress_lines(node)
        if lines <= self.ctx.progress:
            return self._stop(node, "ERROR_NO_PROGRESS")
        self.ctx.progress = lines
        self.ctx.iteration -= 1
        self.ctx.inputs.parent_folder = node.outputs.remote_folder
        self.report(f"{node.process_label}<{node.pk}> used up its wall time; going on from its checkpoint")
        return ProcessHandlerReport(True)

    @process_handler(priority=400)
    def handle_out_of_memory(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Halve what fills the memory and go on from the checkpoint."""
        if node.exit_status not in (410, 110):
            return None
        for path in MEMORY_PARAMETERS:
            value = get_parameter(self.ctx.parameters, path)
            if isinstance(value, int) and value > 1:
                set_parameter(self.ctx.parameters, path, value // 2)
                self._set_parameters()
                self.ctx.inputs.pop("parent_folder", None)
                self.report(f"{node.process_label}<{node.pk}> ran out of memory; again with {path} = {value // 2}")
                return ProcessHandlerReport(True)
        return self._stop(node, "ERROR_MEMORY")

    @process_handler(priority=300)
    def handle_divergence(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Begin again with half the learning rate, once."""
        if node.exit_status != 450:
            return None
        for path in ("learning_rate", "hyperparameters.learning_rate"):
            value = get_parameter(self.ctx.parameters, path)
            if value and not self.ctx.halved:
                self.ctx.halved = True
                set_parameter(self.ctx.parameters, path, value / 2)
                self._set_parameters()
                self.ctx.inputs.pop("parent_folder", None)
                self.report(f"{node.process_label}<{node.pk}> diverged; again with {path} = {value / 2:g}")
                return ProcessHandlerReport(True)
        return self._stop(node, "ERROR_DIVERGED")
