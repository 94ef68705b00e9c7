"""``results.json`` as a job left it: what the contract allows is read, everything else is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.errors import BadInput
from ..engine.task import RESULTS
from ..engine.text import visible
from ..engine.untrusted import kind_of, read_object

STATUSES = ("finished", "failed", "unfinished")
#: Characters of a message of the job in an exit message.
MESSAGE = 400


@dataclass(frozen=True)
class Record:
    """A record that keeps the contract.

    Attributes:
        content: all of it; can be stored as a ``Dict``.
        finished: whether the task says that it has finished.
        kind: of the error; empty without one.
        message: of the error, in one line and not longer than :data:`MESSAGE`.
    """

    content: dict[str, Any]
    finished: bool
    kind: str
    message: str


def read_record(content: bytes, task: str) -> Record:
    """Read the record of a task.

    Args:
        content: of the file; one byte more than is read at most will do.
        task: whose record it should be.

    Raises:
        BadInput: it is not one.
    """
    record = read_object(content, RESULTS)
    for name in record:
        if "." in name:  # the separator of paths in AiiDA's database
            raise BadInput(f"the name '{visible(name, 60)}' has a dot in it")
    if "status" not in record or record.get("task") not in (task, None):
        raise BadInput(f"not a record of the task '{task}'")
    status = record["status"]
    if status not in STATUSES:
        raise BadInput(f"the status is {_shown(status)}, not one of {', '.join(STATUSES)}")
    for name, check in CHECKS.items():
        if record.get(name) is not None and not check(record[name]):
            raise BadInput(f"'{name}' is {_shown(record[name])}, which no task writes")
    finished = status == "finished"
    error = record.get("error")
    if finished and error is not None:
        raise BadInput("it says that it finished, and has an error")
    if not isinstance(error, (dict, type(None))):
        raise BadInput(f"'error' is {kind_of(error)}, not an object")
    error = error or {}
    for name in ("kind", "message"):
        if not isinstance(error.get(name, ""), str):
            raise BadInput(f"'error': '{name}' is {kind_of(error[name])}, not a text")
    return Record(record, finished, error.get("kind", ""), visible(error.get("message") or "no message", MESSAGE))


def _shown(value: Any) -> str:
    return f"'{visible(value, 40)}'" if isinstance(value, (str, int, float)) else kind_of(value)


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_versions(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())


def _are_numbers(value: Any) -> bool:
    """Whether it is an object of numbers, in levels; NaN is written as null."""
    return isinstance(value, Mapping) and all(
        item is None or (isinstance(item, (int, float)) and not isinstance(item, bool)) or _are_numbers(item)
        for item in value.values()
    )


#: What the entries of the contract are, where they are there and not null.
CHECKS = {"seed": _is_seed, "device": _is_text, "versions": _are_versions, "timings": _are_numbers}
