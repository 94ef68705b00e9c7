"""Read ``task.json``, run the task, write ``results.json`` whatever happens."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from . import compiling
from .context import Context
from .errors import BadInput, DiskFull, DismaiError, NotTheFirstProcess, OutOfMemory, Unfinished, nearest
from .files import write_json
from .parameters import Parameters
from .task import RESULTS, Task
from .tasks import find_task
from .untrusted import read_json
from .versions import versions

#: Errors of a disk that has nothing left, or nothing for this user.
FULL = (errno.ENOSPC, errno.EDQUOT)
#: Names in results.json that belong to the contract, not to a task.
RESERVED = ("task", "status", "seed", "device", "versions", "timings", "error")


def read_task(path: Path) -> tuple[Task, Context, Parameters]:
    """Read and check ``task.json``.

    Raises:
        BadInput: anything in it that is missing, misspelt or out of range.
    """
    content = read_json(path)
    allowed = ("task", "seed", "parameters", "inputs", "max_seconds", "cores")
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
    cores = content.get("cores")
    if cores is not None and (isinstance(cores, bool) or not isinstance(cores, int) or cores < 1):
        raise BadInput(f"{path}: 'cores' must be a whole number, 1 or more, not {cores!r}")
    return task, Context(folder, seed, inputs, None if limit is None else float(limit), cores), parameters


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
    context = None
    try:
        task, context, parameters = read_task(path)
        context.watch = watch
        record |= {"task": task.name, "seed": context.seed}
        function = task.load()
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
    if context is not None and context.warnings:
        record["warnings"] = [*context.warnings, *record.get("warnings", [])]
    record.setdefault("timings", {})["total"] = time.monotonic() - started
    if folder.is_dir():
        try:
            write_json(folder / RESULTS, record)
        except OSError as error:  # the line is all that is left of this run
            report(f"dismai: {RESULTS} cannot be written: {error.strerror or error}")
            return 1
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
    if isinstance(error, OSError) and error.errno in FULL:
        return {"kind": DiskFull.kind, "message": without_folder(text_of(error), folder)}
    if is_out_of_memory(error):
        return {"kind": OutOfMemory.kind, "message": without_folder(text_of(error), folder) or "no memory is left"}
    import traceback

    traceback.print_exception(error)
    found = describe(error)
    return {"kind": "crashed"} | found | {"message": without_folder(found["message"], folder)}
