"""Which nodes an archive of a result needs, and no more.

AiiDA's own rules either stop at the data (no workflow around the jobs that made an input) or climb from
every job to all its callers and down again, which in a profile of many studies reaches nearly everything.
The rules here, from the process ``root`` whose result is exported:

===========================  ==========================================================================
of a node in the set         also in the set
===========================  ==========================================================================
a process                    its inputs, its outputs, the processes it called
data                         the process that created it
a process that was reached   the workflows that called it, but never those that called ``root``: a data set
through its output           made inside a pipeline does not drag the pipeline's benchmark along
===========================  ==========================================================================

Links are never followed from data to the processes that use it: that is what makes archives take hours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiida.orm import Node, ProcessNode

#: How many PKs go into one query; databases limit the number of its parameters.
BATCH = 500

BACKWARD_TO_DATA = ("input_calc", "input_work")
FORWARD_TO_DATA = ("create", "return")
CALLS = ("call_calc", "call_work")


def root_process(node: Node) -> ProcessNode | None:
    """Return the process whose graph belongs to ``node``.

    That is the process itself, or for data the workflow that directly called the process which created
    it (without such a workflow that process; None for data that was imported).
    """
    from aiida.orm import ProcessNode

    if isinstance(node, ProcessNode):
        return node
    creator = node.creator
    return None if creator is None else (creator.caller or creator)


def provenance(node: Node) -> set[int]:
    """Return the PKs of the node's provenance, by the rules in the module's docstring."""
    root = root_process(node)
    excluded: set[int] = set()
    caller = None if root is None else root.caller
    while caller is not None:
        excluded.add(stored_pk(caller))
        caller = caller.caller

    chosen: set[int] = set()
    waiting = {stored_pk(node)} | ({stored_pk(root)} if root is not None else set())
    while waiting:
        chosen |= waiting
        found = _targets(waiting, BACKWARD_TO_DATA, outgoing=False)
        found |= _targets(waiting, FORWARD_TO_DATA, outgoing=True)
        found |= _targets(waiting, CALLS, outgoing=True)
        found |= _targets(waiting, ("create",), outgoing=False)
        found |= _targets(waiting, CALLS, outgoing=False) - excluded
        waiting = found - chosen
    return chosen


def stored_pk(node: Node) -> int:
    """Return the PK of a stored node."""
    assert node.pk is not None
    return node.pk


def _targets(pks: Iterable[int], link_types: tuple[str, ...], outgoing: bool) -> set[int]:
    """Return the PKs at the other end of these links."""
    from aiida.orm import Node, QueryBuilder

    result: set[int] = set()
    ordered = sorted(pks)
    for start in range(0, len(ordered), BATCH):
        builder = QueryBuilder()
        builder.append(Node, filters={"id": {"in": ordered[start : start + BATCH]}}, tag="known")
        relation = {"with_incoming": "known"} if outgoing else {"with_outgoing": "known"}
        builder.append(Node, project="id", edge_filters={"type": {"in": list(link_types)}}, **relation)  # type: ignore[arg-type]
        result.update(builder.all(flat=True))
    return result


def data_ancestors() -> dict[int, set[int]]:
    """Return, for every node of the profile, the nodes it was directly made from (data provenance only).

    One query for the whole profile: meant for the temporary profile of an imported archive.
    """
    from aiida.orm import Node, QueryBuilder

    builder = QueryBuilder()
    builder.append(Node, project="id", tag="source")
    builder.append(Node, project="id", with_incoming="source", edge_filters={"type": {"in": ["create", "input_calc"]}})
    parents: dict[int, set[int]] = defaultdict(set)
    for source, target in builder.all():
        parents[target].add(source)
    return parents


def ancestors(pk: int, parents: dict[int, set[int]]) -> set[int]:
    """Return all that a node was made from, itself not among them."""
    found: set[int] = set()
    waiting = set(parents.get(pk, ()))
    while waiting:
        found |= waiting
        waiting = {source for one in waiting for source in parents.get(one, ())} - found
    return found


def load_nodes(pks: Iterable[int]) -> list[Any]:
    """Return the nodes with these PKs."""
    from aiida.orm import Node, QueryBuilder

    result: list[Any] = []
    ordered = sorted(pks)
    for start in range(0, len(ordered), BATCH):
        result += QueryBuilder().append(Node, filters={"id": {"in": ordered[start : start + BATCH]}}).all(flat=True)
    return result
