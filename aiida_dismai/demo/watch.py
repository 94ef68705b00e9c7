"""Following a process in the terminal: one line whenever something has changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..calculations.progress import progress_lines

POLL = 3.0


def follow(node: Any, say: Callable[[str], None], started: float) -> None:
    """Print what happens below ``node`` until it ends.

    Args:
        node: the process.
        say: prints one line.
        started: ``time.monotonic()`` of the begin, for the clock in front of each line.
    """
    from aiida.manage import get_manager
    from sqlalchemy.exc import OperationalError

    seen: dict[int, str] = {}
    while True:
        try:
            ended = node.is_terminated
            for job in _jobs(node):
                line = _describe(job)
                if line is not None and seen.get(job.pk) != line:
                    seen[job.pk] = line
                    say(f"{_clock(time.monotonic() - started)}  {line}")
        except OperationalError:  # SQLite was busy for longer than one waits: the next look will do
            get_manager().get_profile_storage().get_session().rollback()  # type: ignore[attr-defined]
            ended = False
        if ended:
            return
        time.sleep(POLL)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:3d}:{int(seconds) % 60:02d}"


def _jobs(node: Any) -> list[Any]:
    from aiida.orm import CalcJobNode

    from ..provenance import walk

    return sorted((one.node for one in walk(node) if isinstance(one.node, CalcJobNode)), key=lambda job: job.pk)


def _describe(job: Any) -> str | None:
    name = f"{job.process_label.removesuffix('Calculation')}<{job.pk}>"
    if job.is_terminated:
        if job.is_finished_ok:
            cached = " (from the cache)" if job.base.caching.is_created_from_cache else ""
            return f"{name} done{cached}"
        return f"{name} ended with {job.exit_status}: {job.exit_message}"
    lines = progress_lines(job)
    if not lines:
        state = job.get_state()
        return f"{name} running" if state is not None and state.value == "withscheduler" else None
    last = lines[-1]
    numbers = ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in last.items()
        if key not in ("time", "stage", "done", "total") and value is not None
    )
    return f"{name} {last['stage']} {last['done']}/{last['total']}{'  ' + numbers if numbers else ''}"
