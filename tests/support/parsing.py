"""What a job of ``dismai.relax`` may leave behind, and the parser that reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.common import LinkType
from aiida.plugins import CalculationFactory, ParserFactory

from aiida_dismai.engine.structures import write_npz

RECORD = {"task": "relax", "status": "finished", "seed": None, "n_structures": 1, "timings": {"total": 1.0}}


def parse_left(
    computer: orm.Computer,
    folder: Path,
    results: Any = RECORD,
    files: Any = (),
    scheduler: int | None = None,
    temporary: bool = True,
    entry_point: str = "dismai.relax",
    results_name: str = "results.json",
    left: Any = (),
    accounting: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], orm.ProcessNode]:
    """Parse what a job left.

    Args:
        computer: on which it ran.
        folder: of the files that are retrieved for the parser only.
        results: of results.json, as bytes or as what is written; None for no such file.
        files: of ``folder``, by name: bytes, or structures.
        scheduler: exit status that the scheduler's parser gave.
        temporary: whether the parser gets ``folder``.
        entry_point: of the CalcJob.
        results_name: of the file of the results.
        left: of the other files that are retrieved, by name: bytes or text.
        accounting: what the scheduler's accounting knows.

    Returns:
        The outputs by name, and the node of the parser's calcfunction with the exit code.
    """
    node = orm.CalcJobNode(computer=computer, process_type=f"aiida.calculations:{entry_point}")
    node.set_options({"resources": {"num_machines": 1}, "parser_name": "dismai.task"})
    node.set_options({"scheduler_stdout": "_scheduler-stdout.txt", "scheduler_stderr": "_scheduler-stderr.txt"})
    if accounting is not None:
        node.set_detailed_job_info(accounting)
    if scheduler is not None:
        node.set_exit_status(scheduler)
        node.set_exit_message("said the scheduler")
    node.store()
    retrieved = orm.FolderData()
    if results is not None:
        content = results if isinstance(results, bytes) else json.dumps(results).encode()
        retrieved.base.repository.put_object_from_bytes(content, results_name)
    for name, content in dict(left).items():
        content = content if isinstance(content, bytes) else content.encode()
        retrieved.base.repository.put_object_from_bytes(content, name)
    retrieved.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label="retrieved")
    retrieved.store()
    for name, content in dict(files).items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            write_npz(content, folder / name)
    parser = ParserFactory("dismai.task")
    return parser.parse_from_node(
        node, store_provenance=False, retrieved_temporary_folder=str(folder) if temporary else None
    )


def codes() -> Any:
    """Return the exit codes of ``dismai.relax``."""
    return CalculationFactory("dismai.relax").spec().exit_codes
