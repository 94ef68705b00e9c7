"""Why a job ended without results: what the scheduler, the shell and the system wrote of it, wherever it stands.

AiiDA's Slurm plugin asks the accounting, which many clusters keep from users or have not, and else looks at the first
line of stderr only. Slurm writes its message behind whatever the job has written. The words are those of Slurm's
``slurmstepd``, of PBS's and LSF's notices, of ``bash`` and of ``strerror``.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..calculations.progress import ends
from ..engine.text import visible

#: Characters of a line that is quoted.
QUOTED = 200

#: Label of the exit code, and what a line says that stands for it; the first that is found anywhere counts.
MESSAGES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (label, re.compile(pattern, re.IGNORECASE))
    for label, pattern in (
        (
            "ERROR_SCHEDULER_OUT_OF_WALLTIME",
            r"cancelled at .* due to time limit|pbs: job killed: walltime|\bTERM_RUNLIMIT\b",
        ),
        (
            "ERROR_SCHEDULER_OUT_OF_MEMORY",
            r"exceeded .*memory limit|\boom[-_ ]kill|pbs: job killed: v?mem |\bTERM_MEMLIMIT\b",
        ),
        ("ERROR_SCHEDULER_NODE_FAILURE", r"cancelled at .* due to node failure"),
        ("ERROR_PREEMPTED", r"cancelled at .* due to (preemption|job requeue)|\bTERM_PREEMPT\b"),
        ("ERROR_CANCELLED", r"cancelled at |\bTERM_(OWNER|ADMIN|FORCE_ADMIN|FORCE_OWNER)\b"),
        ("ERROR_DISK_FULL", r"no space left on device|disk quota exceeded"),
        ("ERROR_KILLED", r": line \d+: +\d+ +(killed|bus error|segmentation fault|terminated|aborted)\b"),
    )
)
#: The same from the state in Slurm's accounting.
STATES = {
    "TIMEOUT": "ERROR_SCHEDULER_OUT_OF_WALLTIME",
    "DEADLINE": "ERROR_SCHEDULER_OUT_OF_WALLTIME",
    "OUT_OF_MEMORY": "ERROR_SCHEDULER_OUT_OF_MEMORY",
    "NODE_FAIL": "ERROR_SCHEDULER_NODE_FAILURE",
    "BOOT_FAIL": "ERROR_SCHEDULER_NODE_FAILURE",
    "PREEMPTED": "ERROR_PREEMPTED",
    "REQUEUED": "ERROR_PREEMPTED",
    "CANCELLED": "ERROR_CANCELLED",
}
#: Where the codes of the project's jobs write.
STDERR = "dismai.err"


class Ending(NamedTuple):
    """Why a job ended.

    Attributes:
        label: of the exit code, of ours or of AiiDA's.
        message: what was written of it, one line.
    """

    label: str
    message: str


def ending_of(node: Any, retrieved: Any) -> Ending | None:
    """Return why a job ended without results; None where nothing says it.

    Args:
        node: the job.
        retrieved: its retrieved files.
    """
    texts = {name: text for name in _files(node) if (text := _text(retrieved, name)) is not None}
    lines = [line for text in texts.values() for line in text.splitlines()]
    for label, pattern in MESSAGES:
        for line in lines:
            if pattern.search(line):
                return Ending(label, _quoted(line))
    state = _state(node)
    if state.split(" ")[0] in STATES:
        return Ending(STATES[state.split(" ")[0]], f"Slurm's accounting says {visible(state, QUOTED)}")
    if not texts:
        return Ending("ERROR_CANCELLED", "it never began: it was taken out of the queue, or its node failed before")
    return None


def last_words(retrieved: Any) -> str:
    """Return the last line that a job wrote to its stderr, or that it wrote none."""
    for name in (STDERR, "_scheduler-stderr.txt"):
        lines = [line for line in (_text(retrieved, name) or "").splitlines() if line.strip()]
        if lines:
            return f"{name}: {_quoted(lines[-1])}"
    return "its stderr is empty"


def _files(node: Any) -> list[str]:
    """Return the files in which something may stand; the scheduler's are there as soon as the job has begun."""
    names = [node.get_option(name) for name in ("scheduler_stderr", "scheduler_stdout")]
    return [name for name in names if name] + [STDERR]


def _text(retrieved: Any, name: str) -> str | None:
    """Return beginning and end of a retrieved file, whatever bytes are in it; None where there is none."""
    try:
        with retrieved.base.repository.open(name, "rb") as handle:
            head, tail, _ = ends(handle)
    except OSError:
        return None
    return str((head + b"\n" + tail).decode(errors="replace"))


def _state(node: Any) -> str:
    """Return the state of a job in Slurm's accounting; empty where it is not known."""
    found = node.get_detailed_job_info() or {}
    lines = str(found.get("stdout") or "").splitlines()
    if found.get("retval") != 0 or len(lines) < 2:
        return ""
    fields = dict(zip(lines[0].split("|"), lines[1].split("|"), strict=False))
    return fields.get("State", "").strip()


def _quoted(line: str) -> str:
    return visible(" ".join(line.split()), QUOTED)
