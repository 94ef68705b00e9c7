"""The tasks of an evaluation, one after the other: push apart, relax, measure.

Each runs for a moment first, to say how long it will take. What is finished stays finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import compiling
from ..families.contract import FamilySpec
from ..steps import Steps

#: A task runs for so many seconds before it is said how long it will take; shorter ones are finished by then. If no
#: structure is, it runs for twice as many, and so on, for at most :data:`LONGEST` at once.
TRIAL, LONGEST = 20.0, 300.0
#: Seconds between two lines of progress where the output is no terminal.
SELDOM = 60.0


@dataclass
class Watch:
    """Notes how far a task is, and says it: in one line on a terminal, and seldom elsewhere.

    Attributes:
        say: called with a line and whether it is overwritten by the next.
        terminal: whether lines can be overwritten.
    """

    say: Callable[[str, bool], None]
    terminal: bool = False
    done: int = 0
    total: int = 0
    seen: int = 0
    began: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Begin again with the next task."""
        self.done = self.total = self.seen = 0
        self.began = self._said = time.monotonic()

    def __call__(self, line: Mapping[str, Any]) -> None:
        """Take a line of progress."""
        if line["stage"] == compiling.STAGE:
            self.say(compiling.MESSAGE, False)
            return
        self.done, self.total = int(line["done"]), int(line["total"])
        self.seen += 1
        now = time.monotonic()
        if self.terminal or now - self._said > SELDOM:
            self._said = now
            left = f", {duration(self.left)} left" if self.left else ""
            self.say(f"{line['stage']}: {self.done} of {self.total} structures{left}", self.terminal)

    @property
    def left(self) -> float | None:
        """Seconds for what is left, by what was done since the task began; None before anything was."""
        if not self.seen or self.done >= self.total:
            return None
        return (time.monotonic() - self.began) / self.seen * (self.total - self.done)


def duration(seconds: float | None) -> str:
    """Return a time as people say it.

    Example:
        >>> duration(50), duration(400), duration(9000), duration(400000)
        ('50 s', '7 min', '2 h 30 min', '4 d 15 h')
    """
    if seconds is None:
        return "an unknown time"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


@dataclass(frozen=True)
class Task:
    """One task of an evaluation.

    Attributes:
        name: of its folder.
        task: what is run.
        parameters: of it.
        inputs: files by name.
        done: what it does, in a word, for the estimate.
    """

    name: str
    task: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Path]
    done: str


def tasks_of(
    family: FamilySpec,
    folder: Path,
    structures: Path,
    given: Mapping[str, Path],
    relaxation: Mapping[str, Any] | None,
    metrics: Mapping[str, Any],
) -> list[Task]:
    """Return the tasks in their order.

    Args:
        family: of the structures.
        folder: below which every task has one.
        structures: what was generated.
        given: ``reference``, and where there are such ``validation`` and ``potential``.
        relaxation: parameters of the relaxation; None to measure the structures as they are.
        metrics: parameters of the metrics.
    """
    found: list[Task] = []
    last = structures
    if relaxation is not None and family.relaxed:
        found.append(Task("postprocess", "postprocess", {}, {"structures": last}, "pushing atoms apart"))
        last = folder / "postprocess" / "structures.npz"
        inputs = {"structures": last} | ({"potential": given["potential"]} if "potential" in given else {})
        found.append(Task("relax", "relax", relaxation, inputs, "relaxing"))
        last = folder / "relax" / "structures.npz"
    inputs = {"structures": last, "reference": given["reference"]}
    inputs |= {"validation": given["validation"]} if "validation" in given else {}
    found.append(Task("metrics", "metrics", metrics, inputs, "measuring"))
    return found


def run_task_with_estimate(steps: Steps, task: Task, watch: Watch, say: Callable[[str], None], dry_run: bool) -> bool:
    """Run a task, after a moment of it has said how long it will take.

    Returns:
        Whether it is finished; False only with ``dry_run``, and then what was done is kept.

    Raises:
        DismaiError: it failed.
    """
    seconds = TRIAL
    while True:
        watch.begin()
        if steps.begin(task.name, task.task, task.parameters, task.inputs, max_seconds=seconds):
            return True
        if watch.seen or seconds >= LONGEST:
            break
        seconds = max(2 * seconds, 1.0)
    spent = time.monotonic() - watch.began
    if watch.seen:
        rate = f"{watch.seen} of {watch.total} structures in {duration(spent)}"
        say(f"{task.done}: about {duration(watch.left)} more ({rate})")
    else:
        say(f"{task.done}: no structure in {duration(spent)}; how long all will take is not known yet")
    if dry_run:
        return False
    say("it can be stopped at any time (Ctrl-C): the same command resumes")
    watch.begin()
    steps.run(task.name, task.task, task.parameters, task.inputs)
    return True
