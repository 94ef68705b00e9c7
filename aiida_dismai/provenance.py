"""The nodes at the ports of a process, and the processes under it: who called whom, a level of the tree at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

#: Callers in one query: databases bound the number of values in it.
AT_ONCE = 500
#: By the PK of each process that called any: those that it called, in order, with the label of the call.
Calls = dict[int, list[tuple[Any, str]]]


@dataclass(frozen=True)
class Called:
    """A process of a tree.

    Attributes:
        node: the process.
        depth: 0 for the root.
        labels: of the calls on the way to it; empty for the root.
    """

    node: Any
    depth: int
    labels: tuple[str, ...]


def outputs_of(node: Any) -> dict[str, Any]:
    """Return the output nodes of a process by port, namespaces nested.

    The calls of a process are outgoing links, too, and may bear the name of an output namespace (a pipeline calls
    ``dataset`` and has the outputs ``dataset.…``): they are left out before anything is nested.
    """
    from aiida.common.links import LinkType

    nested: dict[str, Any] = node.base.links.get_outgoing(link_type=(LinkType.CREATE, LinkType.RETURN)).nested()
    return nested


def inputs_of(node: Any) -> dict[str, Any]:
    """Return the input nodes of a process by port, namespaces nested."""
    from aiida.common.links import LinkType

    nested: dict[str, Any] = node.base.links.get_incoming(link_type=(LinkType.INPUT_CALC, LinkType.INPUT_WORK)).nested()
    return nested


def _everything(node: Any) -> bool:
    return True


def walk(root: Any, descend: Callable[[Any], bool] = _everything) -> Iterator[Called]:
    """Yield every process under ``root``, itself first, callers before what they called, in the order of the calls.

    Args:
        root: the process.
        descend: whether to look below a process.
    """
    calls = calls_under(root, descend)
    waiting = [Called(root, 0, ())]
    while waiting:
        current = waiting.pop()
        yield current
        for child, label in reversed(calls.get(current.node.pk, [])):
            waiting.append(Called(child, current.depth + 1, (*current.labels, label)))


def calls_under(root: Any, descend: Callable[[Any], bool] = _everything) -> Calls:
    """Return all calls under ``root``; a query for each level of the tree."""
    calls: Calls = {}
    level = [root]
    while level := [node for node in level if descend(node)]:
        found = _calls_of([node.pk for node in level])
        calls |= found
        level = [child for children in found.values() for child, _ in children]
    return calls


def _calls_of(callers: list[int]) -> Calls:
    from aiida.common.links import LinkType
    from aiida.orm import ProcessNode, QueryBuilder

    calls: Calls = {}
    links = {"type": {"in": [LinkType.CALL_CALC.value, LinkType.CALL_WORK.value]}}
    for start in range(0, len(callers), AT_ONCE):
        some = callers[start : start + AT_ONCE]
        builder = QueryBuilder()
        builder.append(ProcessNode, filters={"id": {"in": some}}, project="id", tag="caller")
        builder.append(
            ProcessNode, with_incoming="caller", edge_filters=links, project="*", edge_project="label", tag="call"
        )
        builder.order_by({"call": "id"})
        for caller, node, label in builder.iterall():
            calls.setdefault(caller, []).append((node, label))
    return calls
