"""Why a process failed, said once: what the task said, without the words that each level puts in front of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine.text import visible

#: Of a message that comes from a results file, characters.
LIMIT = 1200


def reason_of(node: Any) -> str:
    """Return why a process failed.

    Of a job it is what its task wrote into ``results.json``: the exit message says the kind once more, and so does that
    of the WorkChain above. Of a process that raised, it is the last line of the traceback.
    """
    error = _task_error(node)
    if error is not None and error.get("message"):
        return visible(" ".join(str(error["message"]).split()), LIMIT)
    if node.exit_message:
        return str(node.exit_message)
    lines = [line for line in str(getattr(node, "exception", None) or "").splitlines() if line.strip()]
    if lines:
        return visible(lines[-1].strip(), LIMIT)
    state = node.process_state
    return f"exit status {node.exit_status}" if node.exit_status else f"it is {state.value if state else 'created'}"


def traceback_of(node: Any) -> list[str]:
    """Return the end of the traceback that a crashed job has written down; empty without one."""
    error = _task_error(node)
    lines = None if error is None else error.get("traceback")
    return [visible(line, LIMIT) for line in lines[-20:]] if isinstance(lines, list) else []


def warnings_of(node: Any) -> list[str]:
    """Return what a job's results warn of; empty without a warning."""
    lines = _results(node).get("warnings")
    return [visible(line, LIMIT) for line in lines[:20]] if isinstance(lines, list) else []


def failed_with(node: Any) -> str:
    """Return process, exit status and reason: ``TrainGeneratorCalculation<12> [360]: KeyError: …``."""
    status = f" [{node.exit_status}]" if node.exit_status else ""
    return f"{node.process_label}<{node.pk}>{status}: {reason_of(node)}"


def _task_error(node: Any) -> dict[str, Any] | None:
    """Return ``error`` of a job's results; None where there is none."""
    error = _results(node).get("error")
    return error if isinstance(error, dict) else None


def _results(node: Any) -> Mapping[str, Any]:
    """Return what a job's task wrote into ``results.json``; nothing for another process, or where there is none."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import CalcJobNode

    if not isinstance(node, CalcJobNode):
        return {}
    try:
        attributes = node.outputs.results.base.attributes
    except (NotExistent, AttributeError):
        return {}
    return {name: attributes.get(name, None) for name in ("error", "warnings")}
