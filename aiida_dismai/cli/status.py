"""`aiida-dismai status`: where a run is, from the process tree and the progress files of its jobs."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from ..engine.text import visible
from ..workchains.reasons import LIMIT, reason_of
from .profiles import load_node, load_profile

if TYPE_CHECKING:
    from ..provenance import Calls

#: Entries of a progress line that the words before the numbers already give.
IN_WORDS = ("time", "stage", "done", "total")
#: Finished children of one kind beyond this number are summed up in one line.
SHOWN_FINISHED = 4
#: Characters of a name that are shown, and numbers of a progress line.
NAME = 60
NUMBERS = 12
COLOURS = {
    "finished": "green",
    "failed": "red",
    "excepted": "red",
    "killed": "red",
    "running": "cyan",
    "waiting": "yellow",
}


@click.command()
@click.argument("pk")
@click.option(
    "--watch", is_flag=True, help="Refresh until the process has ended; without a terminal, print each change."
)
@click.option(
    "--interval", type=click.FloatRange(min=0.5), default=5.0, show_default=True, help="Seconds between looks."
)
@click.option("--all", "everything", is_flag=True, help="Also show every finished child process.")
def status(pk: str, watch: bool, interval: float, everything: bool) -> None:
    """Show the stages of process PK, how far its running jobs are, and why others failed."""
    from aiida.orm import ProcessNode

    load_profile()
    node = load_node(pk, ProcessNode, what="status")
    if not watch:
        _print(node, everything)
    elif sys.stdout.isatty():
        _live(node, interval, everything)
    else:
        _follow(node, interval, everything)


def _print(node: Any, everything: bool) -> None:
    from ..terminal import console

    console().print(process_tree(node, everything))
    _hint(node)


def _hint(node: Any) -> None:
    """Say what to do where nobody works on a process."""
    from .stuck import hint

    text = hint(node)
    if text is not None:
        click.echo(f"! {text}")


def _live(node: Any, interval: float, everything: bool) -> None:
    from rich.live import Live

    from ..terminal import console

    _hint(node)
    with Live(process_tree(node, everything), console=console(), auto_refresh=False) as live:
        while not node.is_terminated:
            time.sleep(interval)
            live.update(process_tree(node, everything), refresh=True)


def _follow(node: Any, interval: float, everything: bool) -> None:
    _hint(node)
    last = ""
    while True:
        ended = node.is_terminated
        lines = summary_lines(node, everything)
        if lines != last:
            click.echo(f"--- {time.strftime('%H:%M:%S')}")
            click.echo(lines, nl=False)
            last = lines
        if ended:
            return
        time.sleep(interval)


def summary_lines(node: Any, everything: bool) -> str:
    """Return the tree as plain text."""
    from ..terminal import console

    screen = console()
    with screen.capture() as captured:
        screen.print(process_tree(node, everything))
    return str(captured.get())


def process_tree(node: Any, everything: bool = False) -> Any:
    """Return the rich tree of a process and all it called."""
    from rich.tree import Tree

    from ..provenance import calls_under

    tree = Tree(_line(node, ""), guide_style="dim")
    _add_children(tree, node, calls_under(node), everything)
    return tree


def _add_children(branch: Any, node: Any, calls: Calls, everything: bool) -> None:
    from rich.text import Text

    children = calls.get(node.pk, [])
    finished = Counter(child.process_label for child, _ in children if child.is_finished_ok)
    hidden: dict[str, list[int]] = {}
    for child, stage in children:
        label = child.process_label or "?"
        if child.is_finished_ok and finished[child.process_label] > SHOWN_FINISHED and not everything:
            hidden.setdefault(label, []).append(child.pk)
            continue
        _add_children(branch.add(_line(child, stage)), child, calls, everything)
    for label, pks in hidden.items():
        branch.add(Text(f"{len(pks)} × {visible(label, NAME)} finished <{pks[0]} … {pks[-1]}>", style="dim"))


def _line(node: Any, stage: str) -> Any:
    from rich.text import Text

    state = state_of(node)
    text = Text()
    if stage and stage != "CALL":
        text.append(f"{visible(stage)}: ", style="bold")
    text.append(f"{visible(node.process_label or type(node).__name__)}<{node.pk}> ")
    text.append(state, style=COLOURS.get(state.split()[0], ""))
    if node.is_terminated and not node.is_finished_ok and not node.is_killed:
        text.append(f" {visible(reason_of(node), LIMIT)}", style="red")
    if not node.is_terminated and hasattr(node, "get_remote_workdir"):
        line = last_progress(node)
        text.append(f"  {visible(describe_progress(line))}" if line else f"  {_job_state(node)}", style="cyan")
    return text


def state_of(node: Any) -> str:
    """Return the state in a word: created, running, waiting, finished, ``failed [410]``, excepted, killed."""
    if node.is_failed:
        return f"failed [{node.exit_status}]"
    state = node.process_state
    return "created" if state is None else str(state.value)


def _job_state(node: Any) -> str:
    state = node.get_state()
    return "" if state is None else f"({state.value})"


def last_progress(node: Any) -> dict[str, Any] | None:
    """Return the last line of a job's progress file (while it runs, from its folder there); None without one."""
    from ..calculations.progress import progress_lines

    lines = progress_lines(node)
    return lines[-1] if lines else None


def describe_progress(line: dict[str, Any]) -> str:
    """Return a progress line in words.

    Example:
        >>> describe_progress({"stage": "train", "done": 3, "total": 10, "loss": 0.51234, "time": 0})
        'train 3/10, loss 0.5123'
    """
    numbers = [
        f"{visible(key, NAME)} {value:.4g}"
        if isinstance(value, (int, float))
        else f"{visible(key, NAME)} {visible(value, NAME)}"
        for key, value in line.items()
        if key not in IN_WORDS and value is not None
    ]
    stage, done, total = (visible(line.get(name, "?"), NAME) for name in ("stage", "done", "total"))
    return ", ".join([f"{stage} {done}/{total}", *numbers[:NUMBERS]])
