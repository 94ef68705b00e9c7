"""What a running task is given besides its parameters: folder, seed, inputs, time, and where to report progress."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import BadInput, Unfinished
from .files import append_line, make_own_folder
from .task import CHECKPOINT, PROGRESS


@dataclass
class Context:
    """What a running task is given besides its parameters.

    Attributes:
        folder: the working directory, where everything is written.
        seed: the seed, None for a task without random numbers.
        inputs: absolute paths by input name (absent when optional and not given).
        max_seconds: after so many seconds the task writes a checkpoint and stops; None is no limit.
        cores: that the job was given; None where nobody has said, and the system decides.
        watch: called with each progress line.
        warnings: what the results are to say of this run.
    """

    folder: Path
    seed: int | None = None
    inputs: dict[str, Path] = field(default_factory=dict)
    max_seconds: float | None = None
    cores: int | None = None
    started: float = field(default_factory=time.monotonic)
    watch: Callable[[Mapping[str, Any]], None] | None = None
    warnings: list[str] = field(default_factory=list)

    def warn(self, line: str) -> None:
        """Let the results say this among their ``warnings``, once."""
        if line not in self.warnings:
            self.warnings.append(line)

    def required_seed(self) -> int:
        """Return the seed of a seeded task."""
        if self.seed is None:
            raise BadInput("this task draws random numbers: give it a seed")
        return self.seed

    @property
    def checkpoint(self) -> Path:
        """The folder of the checkpoints; made when asked for."""
        path = self.folder / CHECKPOINT
        make_own_folder(path)
        return path

    def progress(self, stage: str, done: int, total: int, **more: Any) -> None:
        """Append one line to ``progress.jsonl`` and flush it.

        Args:
            stage: what is being done (``train``, ``relax``, …).
            done: steps or structures done.
            total: of how many.
            more: losses and other numbers worth watching.
        """
        line = {"time": round(time.time(), 3), "stage": stage, "done": done, "total": total}
        line |= {key: _round(value) for key, value in more.items()}
        append_line(self.folder / PROGRESS, json.dumps(line))
        if self.watch is not None:
            self.watch(line)

    def elapsed(self) -> float:
        """Seconds since the task started."""
        return time.monotonic() - self.started

    def out_of_time(self) -> bool:
        """Whether the task must stop now to leave a clean checkpoint before its wall time."""
        return self.max_seconds is not None and self.elapsed() > self.max_seconds

    def check_time(self, done: str) -> None:
        """Stop when the task is out of time; what is worth keeping must have been kept.

        Args:
            done: how far it is, the beginning of the message.

        Raises:
            Unfinished: the time is up.
        """
        if self.out_of_time():
            raise Unfinished(f"{done}; run again to resume")


def _round(value: Any) -> Any:
    if isinstance(value, float) or hasattr(value, "item"):
        value = float(value)
        return float(f"{value:.6g}") if value - value == 0 else str(value)
    return value
