"""One parser for all tasks: they keep one contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida.common.exceptions import AiidaException
from aiida.engine import ExitCode
from aiida.orm import ArrayData, Data, Dict, SinglefileData
from aiida.parsers import Parser

from ..calculations.base import TaskCalculation
from ..calculations.progress import progress_size
from ..data import GeneratorData, PotentialData, StructureSetData
from ..engine.errors import BadInput
from ..engine.structures import read_npz
from ..engine.structures.npz import open_arrays
from ..engine.task import RESULTS
from ..engine.text import visible
from ..engine.untrusted import DEFAULT
from .ending import Ending, ending_of, last_words
from .results import MESSAGE, read_record

#: ``error.kind`` of results.json → label of the exit code.
EXIT_CODES = {
    "bad_input": "ERROR_INPUT_REFUSED",
    "bad_weights": "ERROR_WEIGHTS_REFUSED",
    "out_of_memory": "ERROR_OUT_OF_MEMORY",
    "diverged": "ERROR_DIVERGED",
    "nothing_left": "ERROR_NOTHING_LEFT",
    "unfinished": "ERROR_UNFINISHED",
    "disk_full": "ERROR_DISK_FULL",
}


class TaskParser(Parser):
    """Turn ``results.json`` and the declared files into nodes, and errors into exit codes."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Parse; an exit code of the scheduler (out of memory, out of wall time) is kept."""
        process = self.node.process_class
        assert issubclass(process, TaskCalculation)
        codes = self.exit_codes
        scheduler = self.node.exit_status
        try:
            with self.retrieved.base.repository.open(RESULTS, "rb") as handle:
                content = handle.read(DEFAULT.size + 1)
            record = read_record(content, process.TASK)
        except FileNotFoundError:
            if scheduler:
                return ExitCode(scheduler, self.node.exit_message, invalidates_cache=True)
            return self._without_results()
        except (BadInput, OSError) as error:  # a folder of that name is an OSError
            message = str(error).removeprefix(f"{RESULTS}: ")
            return codes.ERROR_RESULTS_UNREADABLE.format(message=visible(message, MESSAGE))
        self.out("results", Dict(record.content))
        if not record.finished:
            return codes[EXIT_CODES.get(record.kind, "ERROR_CRASHED")].format(message=record.message)

        temporary = kwargs.get("retrieved_temporary_folder")
        if temporary is None:
            return codes.ERROR_NO_RETRIEVED_TEMPORARY_FOLDER
        for port, name in process.OUTPUT_FILES.items():
            path = Path(temporary) / name
            if not path.exists():
                if port in process.OPTIONAL_OUTPUTS:
                    continue
                return codes.ERROR_OUTPUT_MISSING.format(name=name)
            try:
                self.out(port, make_node(path, process.spec().outputs[port].valid_type))
            except (BadInput, AiidaException, ValueError, OSError) as error:
                return self._unreadable(name, error)
            except Exception as error:  # a file made to break a library; the job is to end, not to be excepted
                self.logger.exception("%s cannot be read", name)
                return self._unreadable(name, error)
        return None

    def _without_results(self) -> ExitCode:
        """Return the exit code of a job that left no results, by what others wrote of its end."""
        ending = ending_of(self.node, self.retrieved)
        if ending is None and progress_size(self.node):
            ending = Ending("ERROR_KILLED", f"nothing says why; {last_words(self.retrieved)}")
        if ending is None:
            return self.exit_codes.ERROR_RESULTS_MISSING.format(message=last_words(self.retrieved))
        code: ExitCode = self.exit_codes[ending.label]
        if "{message}" in (code.message or ""):
            return code.format(message=ending.message)
        return ExitCode(code.status, f"{code.message} ({ending.message})", code.invalidates_cache)

    def _unreadable(self, name: str, error: Exception) -> ExitCode:
        text = str(error) or type(error).__name__
        return self.exit_codes.ERROR_OUTPUT_UNREADABLE.format(name=name, message=visible(text, MESSAGE))


def make_node(path: Path, wanted: Any) -> Data:
    """Turn a file or folder that a task wrote into an unstored node of the type that the port wants.

    Raises:
        BadInput: the content is not what it should be, or a link to something else.
    """
    if any(item.is_symlink() for item in (path, *(path.iterdir() if path.is_dir() else ()))):
        raise BadInput("a symbolic link, where tasks write files")
    types = wanted if isinstance(wanted, tuple) else (wanted,)
    if StructureSetData in types:
        return StructureSetData(read_npz(path))
    if PotentialData in types:
        return PotentialData(path)
    if GeneratorData in types:
        return GeneratorData(path)
    if ArrayData in types:
        return _arrays(path)
    assert SinglefileData in types
    return SinglefileData(path)


def _arrays(path: Path) -> ArrayData:
    node = ArrayData()
    with open_arrays(path, "arrays of a task") as arrays:
        for name in arrays.names():
            known = name.replace(".", "_")  # AiiDA takes letters, digits and underscores
            if known in node.get_arraynames():
                raise BadInput(f"two arrays are called '{visible(known, 60)}'")
            node.set_array(known, arrays.read(name))
    return node
