"""Processes that nobody works on: left behind by a `--run` that was ended, or by a daemon that was stopped too early.

They stay "created", "running" or "waiting" for ever, and an archive of them is refused. What mends it was tried with
aiida-core 2.9: `verdi process repair` gives each of them a task for the daemon again, and the daemon resumes from where
they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: What takes up again whatever nobody works on.
RECIPE = "verdi daemon stop; verdi process repair; verdi daemon start"
#: Unless somebody does: a process in two hands would be run twice.
UNLESS = "unless a `--run` in another terminal is at work on it"
#: How many processes the daemon is asked about, and how long for an answer, seconds.
ASKED = 12
PATIENCE = 3.0


def hint(node: Any) -> str | None:
    """Return what to do about a process that nobody seems to work on; None where all is well, or it has ended."""
    if node.is_terminated:
        return None
    running = daemon_runs()
    if running is None:
        return None
    if not running:
        return (
            f"the daemon is not running: processes make no progress here {UNLESS}. Start it with `verdi daemon start`; "
            f"resume what a dead --run or daemon has left behind with `{RECIPE}`"
        )
    lost = unreachable(node)
    if not lost:
        return idle_hint(node)
    listed = ", ".join(str(pk) for pk in lost[:5]) + (", …" if len(lost) > 5 else "")
    return (
        f"the daemon runs, but none of its workers has {listed}: still in the queue (`verdi daemon status`), or left "
        f"behind. If it stays so, {UNLESS}: `{RECIPE}`"
    )


def idle_hint(node: Any) -> str | None:
    """Return what to do about a study in which nothing changes although no job is in a queue or runs; None if not so.

    A server that was restarted may leave workers that answer and do nothing.
    """
    from .watching import idle_for

    idle = idle_for(_active_nodes(node))
    if idle is None:
        return None
    return (
        f"nothing has changed for {idle / 60:.0f} minutes, and no job is in a queue or runs. If it stays so, {UNLESS}: "
        f"`{RECIPE}`"
    )


def daemon_runs() -> bool | None:
    """Whether the daemon of the profile runs; None for a profile without a broker, whose processes run in terminals."""
    from aiida.common.exceptions import ConfigurationError
    from aiida.engine.daemon.client import get_daemon_client
    from aiida.manage import get_manager

    profile = get_manager().get_profile()
    if profile is None or profile.process_control_backend is None:
        return None
    try:
        return bool(get_daemon_client().is_daemon_running)
    except ConfigurationError:
        return None


def unreachable(node: Any) -> list[int]:
    """Return the active processes at and below ``node`` that answer to nobody; empty where the broker cannot be asked.

    The broker passes a question on to the worker that holds the process, and says if there is none. The deepest are
    asked first: what they do is what the others wait for.
    """
    try:
        controller = _controller()
    except Exception:  # brokers raise what they like; a hint is not worth failing for
        return []
    lost = []
    for pk in sorted(active(node), reverse=True)[:ASKED]:
        if not _answers(controller, pk):
            lost.append(pk)
    return sorted(lost)


def _controller() -> Any:
    from aiida.manage import get_manager

    return get_manager().get_process_controller()


def _answers(controller: Any, pk: int) -> bool:
    """Whether a process answers; True also where it takes too long, for then somebody has it."""
    from kiwipy import UnroutableError

    try:
        future = controller.get_status(pk)
        while hasattr(future, "result"):
            future = future.result(timeout=PATIENCE)
    except UnroutableError:
        return False
    except Exception as error:
        return "not found" not in str(error).lower()
    return True


def active(node: Any) -> Sequence[Any]:
    """Return the PKs of the jobs and WorkChains at and below ``node`` that have not ended."""
    return [one.pk for one in _active_nodes(node)]


def _active_nodes(node: Any) -> list[Any]:
    from aiida.orm import CalcJobNode, WorkChainNode

    from ..provenance import walk

    # a function runs within its caller
    kinds = (CalcJobNode, WorkChainNode)
    found = (called.node for called in walk(node, lambda one: not one.is_terminated))
    return [one for one in found if isinstance(one, kinds) and not one.is_terminated]
