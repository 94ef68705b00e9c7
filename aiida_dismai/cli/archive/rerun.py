"""What running the processes of an archive again would import or execute, read from the file before it is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...engine.text import visible
from ..executes import executed

#: Modules whose processes are installed with AiiDA and with us.
OURS = ("aiida.", "aiida_dismai.")


def rerun_lines(query: Callable[[], Any]) -> list[str]:
    """Return a line for all that is neither ours nor a registered name, each once, with the node it was found in.

    Args:
        query: makes a query builder, of a profile or of an archive that is opened for reading.
    """
    found: dict[str, str] = {}
    for line, where in (*_parameters(query), *_processes(query), *_computers(query), *_codes(query)):
        found.setdefault(line, f"{line} <{where}>")
    return [*found.values()]


def programs(query: Callable[[], Any]) -> list[str]:
    """Return the programs that the codes name, which run only on computers that the user configures."""
    from aiida.orm import AbstractCode, Computer

    builder = query().append(Computer, tag="computer", project="label")
    builder.append(AbstractCode, with_computer="computer", project=["label", "attributes.filepath_executable"])
    return [
        f"{visible(label, 60)}@{visible(computer, 60)}: {visible(path, 120)}"
        for computer, label, path in builder.iterall()
    ]


def _parameters(query: Callable[[], Any]) -> Iterator[tuple[str, str]]:
    from aiida.orm import Dict, ProcessNode

    inputs = query().append(Dict, tag="input", project=["uuid", "attributes"])
    inputs.append(ProcessNode, with_incoming="input")
    jobs = query().append(ProcessNode, project=["uuid", "attributes"])
    for builder in (inputs.distinct(), jobs):
        for uuid, attributes in builder.iterall():
            for line in executed(attributes):
                yield line, uuid


def _processes(query: Callable[[], Any]) -> Iterator[tuple[str, str]]:
    """Yield the modules that loading the class of a process imports."""
    from aiida.orm import ProcessNode

    for uuid, kind in query().append(ProcessNode, project=["uuid", "process_type"]).iterall():
        if kind and ":" not in kind and not kind.startswith(OURS):
            yield f"imports the Python module '{visible(kind.rpartition('.')[0] or kind, 100)}'", uuid


def _computers(query: Callable[[], Any]) -> Iterator[tuple[str, str]]:
    from aiida.orm import Computer

    for uuid, label, metadata in query().append(Computer, project=["uuid", "label", "metadata"]).iterall():
        for line in executed(metadata):
            yield f"computer '{visible(label, 60)}': {line}", uuid


def _codes(query: Callable[[], Any]) -> Iterator[tuple[str, str]]:
    from aiida.orm import AbstractCode

    for uuid, label, kind, attributes in query().append(
        AbstractCode, project=["uuid", "label", "node_type", "attributes"]
    ).iterall():  # fmt: skip
        name = f"code '{visible(label, 60)}'"
        for line in executed(attributes):
            yield f"{name}: {line}", uuid
        if ".portable" in kind:
            path = visible(attributes.get("filepath_executable"), 80)
            yield f"{name}: a program that is in the archive itself ('{path}')", uuid
        if attributes.get("engine_command"):
            yield f"{name}: starts a container with '{visible(attributes['engine_command'], 120)}'", uuid
