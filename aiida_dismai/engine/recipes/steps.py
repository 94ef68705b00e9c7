"""Tasks in folders, one after the other; what is finished stays finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DismaiError
from ..files import write_json
from ..runner import run_task
from ..task import RESULTS
from ..tasks import find_task
from ..untrusted import read_object

TASK_FILE = "task.json"


@dataclass(frozen=True)
class Steps:
    """Runs tasks below a folder.

    Attributes:
        folder: every step has a folder in it.
        workers: processes of each task that can use several.
        report: called with a line for each step.
    """

    folder: Path
    workers: int = 1
    report: Callable[[str], None] = print

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
            return place
        self.report(f"{name}: {task}")
        write_json(place / TASK_FILE, content)
        (place / RESULTS).unlink(missing_ok=True)
        if run_task(place / TASK_FILE, self.report):
            raise DismaiError(f"{place}: {task} did not finish; the same command resumes")
        return place

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
    return {**content, "parameters": parameters, "cores": None}
