"""Monitors: what AiiDA looks at while a job runs, and stops it for.

They are functions of AiiDA's entry points ``aiida.calculations.monitors``, for the jobs of any plugin. Scheduler
options choose them by name, ``monitors: {stalled: {minutes: 240}}``; null leaves one out. A job that a monitor stops
ends with AiiDA's exit code 150 (``STOPPED_BY_MONITOR``) and a message that begins with the monitor's name.
"""

from __future__ import annotations

import inspect
import math
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

from ..engine.errors import BadInput
from ..engine.task import PROGRESS
from ..engine.text import visible
from ..engine.untrusted import LINE, read_object
from .progress import remote_end

if TYPE_CHECKING:  # the command line, which says what options there are, has not loaded AiiDA yet
    from aiida.orm import CalcJobNode, Dict

#: The option.
MONITORS = "monitors"
#: Prefix of the entry points.
PREFIX = "dismai."
#: Seconds between two looks at a job, if not given as ``every``.
EVERY = 300
#: The losses of a training that are positive, by their names in progress files.
LOSSES = ("loss", "train_loss", "validation_loss")
#: Values of a loss before one is compared with the others, and how many in a row have to be too large.
ENOUGH, IN_A_ROW = 10, 3
#: Characters of an answer that are read.
ANSWER = 20_000

Monitor = Callable[..., str | None]


def _of_running(monitor: Monitor) -> Monitor:
    """Return the monitor for jobs that run: in a queue nothing is written, and AiiDA looks once more after the end."""

    @wraps(monitor)
    def look(node: CalcJobNode, transport: Any, **kwargs: Any) -> str | None:
        from aiida.schedulers import JobState

        return monitor(node, transport, **kwargs) if node.get_scheduler_state() is JobState.RUNNING else None

    return look


@_of_running
def stalled(node: CalcJobNode, transport: Any, minutes: float = 240.0) -> str | None:
    """Stop a running job that has written nothing for a time.

    Args:
        node: the job.
        transport: to its computer.
        minutes: how long no file in its folder has changed, by the clock of that computer.
    """
    newest = r"find . -maxdepth 3 -type f -printf '%T@\n' 2>/dev/null | sort -n | tail -n 1"
    words = _ask(node, transport, f"{newest}; date +%s").split()
    try:
        last, now = (float(word) for word in words)
    except ValueError:  # the folder is not there yet, or `find` knows no -printf
        return None
    quiet = (now - last) / 60
    return f"stalled: no file has changed for {quiet:.4g} minutes (limit {minutes:g})" if quiet > minutes else None


@_of_running
def disk(node: CalcJobNode, transport: Any, gigabytes: float = 1.0) -> str | None:
    """Stop a job before the disk is full under its working directory: what it has written stays whole.

    Args:
        node: the job.
        transport: to its computer.
        gigabytes: least free space.
    """
    free = free_gigabytes(_ask(node, transport, "df -Pk ."))
    return f"disk: {free:.3g} GB are free (limit {gigabytes:g})" if free is not None and free < gigabytes else None


@_of_running
def diverging(node: CalcJobNode, transport: Any, factor: float = 1000.0) -> str | None:
    """Stop a training whose loss has become many times its smallest value; one that is no number ends the task itself.

    Args:
        node: the job, which writes a progress file.
        transport: to its computer.
        factor: that many times.
    """
    series: dict[str, list[float]] = {name: [] for name in LOSSES}
    for line in remote_end(node, transport).splitlines():
        try:
            found = read_object(line, PROGRESS, LINE)
        except BadInput:
            continue
        for name, values in series.items():
            if isinstance(value := found.get(name), (int, float)):
                values.append(float(value))
    for name, values in series.items():
        if len(values) < ENOUGH:
            continue
        least, last = min(values), values[-IN_A_ROW:]
        if least > 0 and min(last) > factor * least:
            return f"diverging: {name} is {last[-1]:.4g}, {last[-1] / least:.0f} times its smallest (limit {factor:g})"
    return None


@_of_running
def hopeless(node: CalcJobNode, transport: Any, rise: float = 1.0) -> str | None:
    """Stop a relaxation with DFT whose energy has risen far above that of its first step, or is no number.

    Args:
        node: a job of a DFT engine.
        transport: to its computer.
        rise: eV per atom.
    """
    from ..dft import engine_of_plugin

    engine = engine_of_plugin((node.process_type or "").rpartition(":")[2])
    printed = engine.printed_energies if engine is not None else None
    if engine is None or printed is None or "structure" not in node.inputs:
        return None
    file, mark = (shlex.quote(word) for word in (printed.file, printed.mark))
    lines = _ask(node, transport, f"grep -F -e {mark} {file} | sed -n '1p;$p'").splitlines()
    energies = [energy for energy in map(printed.read, lines) if energy is not None]
    if len(energies) < 2:
        return None
    higher = (energies[-1] - energies[0]) / len(node.inputs.structure.sites)
    if math.isfinite(higher) and higher <= rise:
        return None
    return f"hopeless: the energy has become {higher:.3g} eV/atom higher than at first (limit {rise:g})"


def free_gigabytes(table: str) -> float | None:
    """Return the free space that `df -Pk` of one folder prints, GB; None where it says nothing."""
    lines = table.strip().splitlines()
    words = lines[-1].split() if lines else []
    return int(words[3]) * 1024 / 1e9 if len(words) >= 6 and words[3].isdigit() else None


#: The monitors by their names in options.
BY_NAME: dict[str, Monitor] = {"stalled": stalled, "disk": disk, "diverging": diverging, "hopeless": hopeless}


def arguments_of(name: str) -> tuple[str, ...]:
    """Return the names of what a monitor can be given; ``every`` is the least number of seconds between two looks."""
    return (
        *(word for word in inspect.signature(BY_NAME[name]).parameters if word not in ("node", "transport")),
        "every",
    )


def monitor_problems(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the paths of wrong arguments of monitors in scheduler options, and what is wrong."""
    for name, given in (options.get(MONITORS) or {}).items():
        for word, value in (given or {}).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                yield f"{MONITORS}.{name}.{word}", f"must be a number above 0 (given: {visible(repr(value), 60)})"
            elif word == "every" and not isinstance(value, int):
                yield f"{MONITORS}.{name}.every", f"must be whole seconds (given: {value!r})"


def with_monitors(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Dict]]:
    """Divide scheduler options into those that AiiDA knows and the input ``monitors`` of a CalcJob."""
    from aiida.orm import Dict

    known = dict(options)
    monitors = {}
    for name, given in (known.pop(MONITORS, None) or {}).items():
        if given is not None:
            kwargs = dict(given)
            every = kwargs.pop("every", EVERY)
            monitors[name] = Dict({"entry_point": PREFIX + name, "kwargs": kwargs, "minimum_poll_interval": every})
    return known, monitors


def stopped_by(node: CalcJobNode) -> str | None:
    """Return the name of the monitor that stopped a job; None if none of ours did."""
    name = (node.exit_message or "").partition(":")[0]
    return name if name in BY_NAME else None


def _ask(node: CalcJobNode, transport: Any, command: str) -> str:
    """Return what a command prints in the folder of a job; nothing where the folder is not there."""
    folder = node.get_remote_workdir()
    if folder is None:
        return ""
    status, output, _ = transport.exec_command_wait(f"cd {shlex.quote(folder)} && {{ {command}; }} | head -c {ANSWER}")
    return str(output) if status == 0 else ""
