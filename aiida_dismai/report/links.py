"""Inputs and outputs of a process by port, namespaces nested.

The calls of a process are outgoing links, too, and may bear the name of an output namespace (a pipeline calls
``dataset`` and has the outputs ``dataset.…``): they must be left out before anything is nested.
"""

from __future__ import annotations

from typing import Any


def outputs_of(node: Any) -> dict[str, Any]:
    """Return the output nodes of a process."""
    from aiida.common.links import LinkType

    nested: dict[str, Any] = node.base.links.get_outgoing(link_type=(LinkType.CREATE, LinkType.RETURN)).nested()
    return nested


def inputs_of(node: Any) -> dict[str, Any]:
    """Return the input nodes of a process."""
    from aiida.common.links import LinkType

    nested: dict[str, Any] = node.base.links.get_incoming(link_type=(LinkType.INPUT_CALC, LinkType.INPUT_WORK)).nested()
    return nested


def find_port(ports: dict[str, Any], name: str, namespace: str = "dataset") -> Any:
    """Return the node of a port, at the top or in a namespace (a pipeline's ``dataset``); None without one."""
    inner = ports.get(namespace)
    for part in (ports, inner):
        if isinstance(part, dict) and part.get(name) is not None and not isinstance(part[name], dict):
            return part[name]
    return None
