"""Tasks in folders, one after the other; what is finished stays finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DismaiError
from .files import write_json
from .runner import run_task
from .task import RESULTS
from .tasks import find_task
from .untrusted import read_object

TASK_FILE = "task.json"


@dataclass(frozen=True)
class Steps:
    """Runs tasks below a folder.

    Attributes:
        folder: every step has a folder in it.
        workers: processes of each task that can use several.
        report: called with a line for each step.
        watch: called with each line of progress; None for nobody.
    """

    folder: Path
    workers: int = 1
    report: Callable[[str], None] = print
    watch: Callable[[Mapping[str, Any]], None] | None = None

    def run(
        self,
        name: str,
        task: str,
        parameters: Mapping[str, Any],
        inputs: Mapping[str, Path] | None = None,
        seed: int | None = None,
    ) -> Path:
        """Run a task in the folder ``name``, unless it is finished there; return the folder.

        A step that was stopped resumes from its checkpoint.

        Raises:
            DismaiError: the task failed; it has said why.
        """
        self.begin(name, task, parameters, inputs, seed)
        return self.folder / name

    def begin(
        self,
        name: str,
        task: str,
        parameters: Mapping[str, Any],
        inputs: Mapping[str, Path] | None = None,
        seed: int | None = None,
        max_seconds: float | None = None,
    ) -> bool:
        """Run a task as :meth:`run` does, but for some time at most.

        Args:
            name: of the folder.
            task: to be run.
            parameters: of the task.
            inputs: files and folders by name of the input.
            seed: of a task with random numbers.
            max_seconds: after so many seconds it stops, and can be resumed; None is no limit.

        Returns:
            Whether it is finished; False only where the time is up.

        Raises:
            DismaiError: the task failed; it has said why.
        """
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        given = dict(parameters)
        if "workers" in find_task(task).model().model_fields:
            given["workers"] = self.workers
        content: dict[str, Any] = {"task": task, "parameters": given, "cores": self.workers}
        content["inputs"] = {key: str(path.resolve()) for key, path in (inputs or {}).items()}
        if seed is not None:
            content["seed"] = seed
        if self._finished(place, content):
            return True
        self.report(f"{name}: {task}")
        write_json(place / TASK_FILE, content | ({} if max_seconds is None else {"max_seconds": max_seconds}))
        (place / RESULTS).unlink(missing_ok=True)
        said: list[str] = []
        if run_task(place / TASK_FILE, said.append, self.watch) == 0:
            return True
        status = read_object(place / RESULTS).get("status") if (place / RESULTS).is_file() else None
        if max_seconds is not None and status == "unfinished":
            return False
        for line in said:
            self.report(line)
        raise DismaiError(f"{place}: {task} did not finish; the same command resumes")

    def results(self, name: str) -> dict[str, Any]:
        """Return the results of a finished step."""
        return read_object(self.folder / name / RESULTS)

    @staticmethod
    def _finished(place: Path, content: Mapping[str, Any]) -> bool:
        """Whether the folder holds the results of the same task; how many processes made them does not matter."""
        if not ((place / RESULTS).is_file() and (place / TASK_FILE).is_file()):
            return False
        before = read_object(place / TASK_FILE)
        same = _without_workers(before) == _without_workers(json.loads(json.dumps(content)))
        return same and read_object(place / RESULTS).get("status") == "finished"


def _without_workers(content: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {key: value for key, value in content.get("parameters", {}).items() if key != "workers"}
    kept = {name: value for name, value in content.items() if name != "max_seconds"}
    return {**kept, "parameters": parameters, "cores": None}
