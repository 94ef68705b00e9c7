"""One parser for all tasks: they keep one contract."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import ArrayData, Data, Dict, SinglefileData
from aiida.parsers import Parser

from ..calculations.base import TaskCalculation
from ..data import GeneratorData, PotentialData, StructureSetData
from ..engine.errors import BadInput
from ..engine.structures import read_npz
from ..engine.task import RESULTS

#: ``error.kind`` of results.json → label of the exit code.
EXIT_CODES = {
    "bad_input": "ERROR_INPUT_REFUSED",
    "bad_weights": "ERROR_WEIGHTS_REFUSED",
    "out_of_memory": "ERROR_OUT_OF_MEMORY",
    "diverged": "ERROR_DIVERGED",
    "nothing_left": "ERROR_NOTHING_LEFT",
    "unfinished": "ERROR_UNFINISHED",
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
            record = json.loads(self.retrieved.base.repository.get_object_content(RESULTS, mode="r"))
        except FileNotFoundError:
            return ExitCode(scheduler, self.node.exit_message) if scheduler else codes.ERROR_RESULTS_MISSING
        except ValueError as error:
            return codes.ERROR_RESULTS_UNREADABLE.format(message=str(error))
        if not isinstance(record, dict) or record.get("task") not in (process.TASK, None) or "status" not in record:
            return codes.ERROR_RESULTS_UNREADABLE.format(message=f"no record of the task '{process.TASK}'")
        self.out("results", Dict(record))
        if record["status"] != "finished":
            reason = record.get("error") or {}
            label = EXIT_CODES.get(str(reason.get("kind")), "ERROR_CRASHED")
            return codes[label].format(message=reason.get("message", "no message"))

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
            except (BadInput, ValueError, OSError) as error:
                return codes.ERROR_OUTPUT_UNREADABLE.format(name=name, message=str(error))
        return None


def make_node(path: Path, wanted: Any) -> Data:
    """Turn a file or folder that a task wrote into an unstored node of the type that the port wants.

    Raises:
        BadInput: the content is not what it should be.
        ValueError: an ``.npz`` with arrays that would need pickle.
    """
    types = wanted if isinstance(wanted, tuple) else (wanted,)
    if StructureSetData in types:
        return StructureSetData(read_npz(path))
    if PotentialData in types:
        return PotentialData(path)
    if GeneratorData in types:
        return GeneratorData(path)
    if ArrayData in types:
        node = ArrayData()
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            for name in arrays.files:
                node.set_array(name.replace(".", "_"), arrays[name])
        return node
    assert SinglefileData in types
    return SinglefileData(path)
