"""Processes and ports as people name them: ``PK``, ``PK:NAME`` of a data set, a port at the top or in a namespace."""

from __future__ import annotations

import re
from typing import Any

from ..engine.errors import BadInput
from ..provenance import outputs_of

#: A process, and behind a colon one of the data sets that it has made.
NAMED = re.compile(r"(?P<process>.+):(?P<name>[A-Za-z]\w*)")


def split_name(identifier: str) -> tuple[str, str | None]:
    """Return a process and which of its data sets is meant; None where none is named.

    Example:
        >>> split_name("81:T300_wide"), split_name("81")
        (('81', 'T300_wide'), ('81', None))
    """
    found = NAMED.fullmatch(identifier)
    return (found["process"], found["name"]) if found else (identifier, None)


def ports_of_set(node: Any, name: str | None, what: str) -> dict[str, Any]:
    """Return the outputs of a process, or those of one of its data sets.

    Raises:
        BadInput: a name that none of them has, or several and none is named.
    """
    outputs = outputs_of(node)
    sets = outputs.get("datasets")
    sets = sets if isinstance(sets, dict) else {}
    if name is None and not sets:
        return outputs
    process = f"{node.process_label}<{node.pk}>"
    if not sets:
        raise BadInput(f"{what}: {process} has no data sets by name; give {node.pk} alone")
    if name is None:
        raise BadInput(f"{what}: {process} has several data sets; say which, {node.pk}:NAME: {', '.join(sorted(sets))}")
    if name not in sets:
        raise BadInput(f"{what}: {process} has no data set '{name}'; it has {', '.join(sorted(sets))}")
    chosen: dict[str, Any] = sets[name]
    return chosen


def find_port(ports: dict[str, Any], name: str, namespace: str = "dataset") -> Any:
    """Return the node of a port, at the top or in a namespace (a pipeline's ``dataset``); None without one."""
    inner = ports.get(namespace)
    for part in (ports, inner):
        if isinstance(part, dict) and part.get(name) is not None and not isinstance(part[name], dict):
            return part[name]
    return None
