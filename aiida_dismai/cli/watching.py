"""A study that makes no progress: seen by when its processes last changed, whatever is to blame for it.

A PostgreSQL or RabbitMQ server that was restarted can leave a daemon that looks well and does nothing. Processes change
when they are submitted, queued, started, retrieved and ended; a job that computes or waits in a queue changes nothing,
so only processes that wait for something else are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

#: Without a change for so long, a study is looked at, seconds.
PATIENCE = 1800.0


def active_processes() -> list[Any]:
    """Return the jobs and WorkChains of the profile that have not ended."""
    from aiida.orm import CalcJobNode, QueryBuilder, WorkChainNode

    ended = ("finished", "excepted", "killed")
    query = QueryBuilder()
    query.append((CalcJobNode, WorkChainNode), filters={"attributes.process_state": {"!in": list(ended)}}, project="*")
    return query.all(flat=True)


def idle_for(active: Sequence[Any], now: datetime | None = None) -> float | None:
    """Return for how long nothing has changed among processes of which no job is in a queue or runs; else None.

    Args:
        active: processes that have not ended.
        now: the time to compare with.

    Returns:
        Seconds, at least :data:`PATIENCE`.
    """
    from aiida.common.datastructures import CalcJobState
    from aiida.orm import CalcJobNode

    if not active or any(
        isinstance(node, CalcJobNode) and node.get_state() == CalcJobState.WITHSCHEDULER for node in active
    ):
        return None
    now = now or datetime.now(UTC)
    idle = min((now - node.mtime for node in active), default=timedelta()).total_seconds()
    return idle if idle >= PATIENCE else None
