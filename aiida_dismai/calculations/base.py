"""What all CalcJobs of the project share: a task of the engine, run by one ``dismai`` code."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any, ClassVar

from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec, ProcessSpec
from aiida.orm import (
    AbstractCode,
    Data,
    Dict,
    FolderData,
    Int,
    RemoteData,
    SinglefileData,
    StructureData,
    to_aiida_type,
)

from ..data import StructureSetData
from ..data.structures import FILE_NAME, structure_data_to_set
from ..data.weights import WeightsData
from ..engine.errors import BadInput
from ..engine.structures import write_npz
from ..engine.task import CHECKPOINT, PROGRESS, RESULTS, Task
from ..engine.tasks import find_task
from ..engine.text import visible
from ..exit_codes import JOB, declare
from .cores import cores_given
from .script_words import executable_problem, script_problems

EXECUTABLE = "dismai"
TASK_FILE = "task.json"
#: Begins the names of input files and folders in the working directory.
INPUT_PREFIX = "input_"
#: Share of the wall time after which a task stops by itself and leaves a checkpoint.
SOFT_STOP = 0.95


def validate_code(code: AbstractCode | None, _: Any = None) -> str | None:
    """Accept a code whose executable is ``dismai``, or that is declared to keep the task contract.

    A code with another executable (an own environment, a container) declares it with a default
    CalcJob plugin that begins with ``dismai.``.
    """
    if code is None:
        return None
    name = PurePosixPath(str(code.get_executable())).name
    plugin = code.default_calc_job_plugin or ""
    problem = executable_problem(code)
    if problem is not None:
        return f"the code '{visible(code.full_label)}': {problem}"
    if name == EXECUTABLE or plugin.startswith("dismai."):
        return None
    return (
        f"the code '{code.full_label}' runs '{name}', not '{EXECUTABLE}': set one up with `aiida-dismai setup`, or "
        "give a code that keeps the task contract the default plugin 'dismai.relax' (or any other 'dismai.…')"
    )


def validate_not_empty(node: StructureSetData | None, port: Any) -> str | None:
    """Refuse an empty set of structures."""
    if isinstance(node, StructureSetData) and len(node) == 0:
        return f"the set of structures given as '{getattr(port, 'name', 'structures')}' is empty"
    return None


def _validate_options(options: Any, _: Any) -> str | None:
    """Refuse options that would put more into the job script than a word."""
    found = [f"{name}: {reason}" for name, reason in script_problems(options or {})]
    return "; ".join(found) or None


def option_ports(spec: ProcessSpec) -> Any:
    """Return the ports of the scheduler options of a CalcJob, by name."""
    metadata: Any = spec.inputs["metadata"]
    return metadata["options"]


class TaskCalculation(CalcJob):
    """A CalcJob that runs one task of the engine.

    A subclass names its ``TASK`` and declares ports of its own; ``INPUT_PORTS`` maps a port to the
    task's input of that name, ``OUTPUT_FILES`` an output to the file or folder that becomes the node.
    """

    TASK: ClassVar[str]
    #: Ports whose nodes are files of the task; port name = input name of the task.
    INPUT_PORTS: ClassVar[tuple[str, ...]] = ()
    #: Output port → file or folder in the working directory.
    OUTPUT_FILES: ClassVar[dict[str, str]] = {}
    #: Outputs that a finished task may leave out.
    OPTIONAL_OUTPUTS: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def task(cls) -> Task:
        """Return the engine's description of the task."""
        return find_task(cls.TASK)

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare what every task has."""
        super().define(spec)
        spec.inputs["code"].validator = validate_code
        spec.inputs["code"].help = "The `dismai` executable on the computer where the task is to run."
        spec.input(
            "parameters",
            valid_type=Dict,
            serializer=to_aiida_type,
            validator=cls._validate_parameters,
            help=f"Parameters of the task; `dismai schema {cls.TASK}` prints names, units, defaults and bounds.",
        )
        if cls.task().seeded:
            spec.input(
                "seed",
                valid_type=Int,
                serializer=to_aiida_type,
                validator=lambda node, _: None if node.value >= 0 else "the seed must not be negative",
                help="Seed of all random numbers; the same seed gives the same result.",
            )
        spec.input(
            "parent_folder",
            valid_type=RemoteData,
            required=False,
            help="Working directory of an unfinished run of this task; the job resumes from its checkpoints.",
        )
        options = option_ports(spec)
        options["parser_name"].default = "dismai.task"
        options["resources"].default = lambda: {"num_machines": 1, "num_mpiprocs_per_machine": 1}
        options["withmpi"].default = False
        options.validator = _validate_options
        spec.output("results", valid_type=Dict, help="All scalars of results.json: numbers, timings, versions.")
        spec.default_output_node = "results"
        declare(spec, JOB)

    @classmethod
    def _validate_parameters(cls, node: Dict | None, _: Any) -> str | None:
        try:
            cls.task().validate({} if node is None else node.get_dict())
        except BadInput as error:
            return str(error)
        return None

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write ``task.json`` and list what to copy; sets of structures and weights are not duplicated."""
        task = self.task()
        local: list[tuple[str, str, str]] = []
        inputs = {}
        for port in self.INPUT_PORTS:
            if port not in self.inputs:
                continue
            inputs[port], files = self._stage(port, self.inputs[port], folder)
            local.extend(files)
        content: dict[str, Any] = {
            "task": task.name,
            "parameters": self.inputs.parameters.get_dict(),
            "inputs": inputs,
        }
        if task.seeded:
            content["seed"] = self.inputs.seed.value
        wall = self.node.get_option("max_wallclock_seconds")
        if wall:
            content["max_seconds"] = SOFT_STOP * wall
        cores = cores_given(self.node.get_option("resources") or {})
        if cores:
            content["cores"] = cores
        with folder.open(TASK_FILE, "w") as handle:
            json.dump(content, handle, indent=2, sort_keys=True)

        code_info = CodeInfo()
        code_info.code_uuid = self.inputs.code.uuid
        code_info.cmdline_params = ["run", TASK_FILE]
        code_info.stdout_name = "dismai.out"
        code_info.stderr_name = "dismai.err"
        info = CalcInfo()
        info.codes_info = [code_info]
        info.local_copy_list = local
        if "parent_folder" in self.inputs:
            parent = self.inputs.parent_folder
            # a pattern copies nothing, instead of failing, where the parent was killed before its first checkpoint
            info.remote_copy_list = [
                (parent.computer.uuid, f"{parent.get_remote_path()}/{name}*", ".") for name in (CHECKPOINT, PROGRESS)
            ]
        info.retrieve_list = [RESULTS, PROGRESS, "dismai.out", "dismai.err"]
        # these become nodes of their own; kept in `retrieved` too, every set would be stored twice
        info.retrieve_temporary_list = list(self.OUTPUT_FILES.values())
        return info

    @staticmethod
    def _stage(port: str, node: Data, folder: Folder) -> tuple[str, list[tuple[str, str, str]]]:
        """Return the name of an input in the working directory, and what to copy from the repository.

        Never that of an output: what a task leaves behind must not be its input.
        """
        name = f"{INPUT_PREFIX}{port}"
        if isinstance(node, StructureSetData):
            return f"{name}.npz", [(node.uuid, FILE_NAME, f"{name}.npz")]
        if isinstance(node, WeightsData):
            return name, [(node.uuid, file, f"{name}/{file}") for file in node.file_names()]
        if isinstance(node, SinglefileData):
            name += PurePosixPath(node.filename).suffix
            return name, [(node.uuid, node.filename, name)]
        if isinstance(node, FolderData):
            return name, [(node.uuid, ".", name)]
        assert isinstance(node, StructureData)
        with folder.open(f"{name}.npz", "wb") as handle:
            write_npz(structure_data_to_set([node]), handle)
        return f"{name}.npz", []
