"""All that some nodes were made from: data, the calculations that made them, and the workflows around these.

The graph is read in levels, a few queries for all nodes of a level, and of each node only what its row in the database
says, so that tens of thousands of DFT jobs take seconds. Links are followed backwards only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: Nodes in one query; databases bound the number of values in it.
AT_ONCE = 400
_COLUMNS = ("id", "uuid", "node_type", "process_type", "label", "ctime", "mtime", "user_id")
_STATE = ("attributes.process_label", "attributes.process_state", "attributes.exit_status")


@dataclass(frozen=True)
class Row:
    """What the database says of a node.

    Attributes:
        pk: its PK.
        uuid: its UUID.
        node_type: class of the node.
        process_type: what a process ran, by entry point or module; None for data.
        label: given by the user; may be empty.
        created: when the node was made.
        changed: when it was last changed: the end of a process.
        user: PK of its user.
        name: of a process, its class or function; None for data.
        state: of a process; None for data.
        exit_status: of a process that has ended.
    """

    pk: int
    uuid: str
    node_type: str
    process_type: str | None
    label: str
    created: datetime
    changed: datetime
    user: int
    name: str | None = None
    state: str | None = None
    exit_status: int | None = None

    @property
    def is_process(self) -> bool:
        """Whether it is a process, not data."""
        return self.node_type.startswith("process.")

    @property
    def ok(self) -> bool:
        """Whether a process has finished with the exit status 0."""
        return self.state == "finished" and self.exit_status == 0


@dataclass
class Upstream:
    """The provenance of some nodes.

    Attributes:
        rows: of all nodes, by PK.
        made_by: by the PK of data, that of the calculation that created it; data without an entry has no origin here.
        made_as: by the PK of data, the output of that calculation that it is.
        inputs: by the PK of a calculation, its inputs: port and PK, sorted by port.
        called_by: by the PK of a process, the PK of the workflow that called it and the label of the call.
    """

    rows: dict[int, Row] = field(default_factory=dict)
    made_by: dict[int, int] = field(default_factory=dict)
    made_as: dict[int, str] = field(default_factory=dict)
    inputs: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    called_by: dict[int, tuple[int, str]] = field(default_factory=dict)

    @property
    def calculations(self) -> list[Row]:
        """The calculations (jobs and functions), by time."""
        return sorted((self.rows[pk] for pk in self.inputs), key=lambda row: (row.created, row.pk))

    @property
    def data(self) -> list[Row]:
        """The data, by time."""
        found = (row for row in self.rows.values() if not row.is_process)
        return sorted(found, key=lambda row: (row.created, row.pk))

    @property
    def origins(self) -> list[Row]:
        """The data that no calculation made: from files, or given as values."""
        return [row for row in self.data if row.pk not in self.made_by]

    def callers(self, pk: int) -> list[int]:
        """Return the PKs of the workflows around a process, from the innermost to the outermost."""
        found = []
        while pk in self.called_by:
            pk = self.called_by[pk][0]
            found.append(pk)
        return found

    def calls(self, pk: int) -> tuple[str, ...]:
        """Return the labels of the calls that lead from the outermost workflow to a process."""
        labels: list[str] = []
        while pk in self.called_by:
            pk, label = self.called_by[pk]
            labels.append(label)
        return tuple(reversed(labels))


def read_upstream(nodes: Iterable[Any]) -> Upstream:
    """Read what data nodes were made from.

    Args:
        nodes: data nodes, stored.
    """
    found = Upstream()
    waiting = {node.pk for node in nodes}
    _add_rows(found, waiting)
    while waiting:
        made = _makers(found, waiting)
        waiting = _inputs(found, made) if made else set()
    _climb(found)
    return found


def batches(pks: Iterable[int]) -> Iterator[list[int]]:
    """Yield sorted PKs, as many at once as go into one query."""
    ordered = sorted(pks)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _add_rows(found: Upstream, pks: Iterable[int]) -> None:
    from aiida.orm import Data, QueryBuilder

    for batch in batches(pks):
        query = QueryBuilder().append(Data, filters={"id": {"in": batch}}, project=list(_COLUMNS))
        for values in query.iterall():
            found.rows[values[0]] = Row(*values)


def _makers(found: Upstream, pks: set[int]) -> set[int]:
    """Add the calculations that created these data; returns the PKs of those that are new."""
    from aiida.orm import CalculationNode, Node, QueryBuilder

    new: set[int] = set()
    for batch in batches(pks):
        query = QueryBuilder().append(Node, filters={"id": {"in": batch}}, tag="made", project="id")
        query.append(CalculationNode, with_outgoing="made", project=[*_COLUMNS, *_STATE], edge_project="label")
        for made, *values, port in query.iterall():
            found.made_by[made], found.made_as[made] = values[0], port
            if values[0] not in found.rows:
                found.rows[values[0]] = Row(*values)
                new.add(values[0])
    return new


def _inputs(found: Upstream, pks: set[int]) -> set[int]:
    """Add the inputs of these calculations; returns the PKs of those that are new."""
    from aiida.orm import CalculationNode, Data, QueryBuilder

    new: set[int] = set()
    for pk in pks:
        found.inputs[pk] = []
    for batch in batches(pks):
        query = QueryBuilder().append(CalculationNode, filters={"id": {"in": batch}}, tag="maker", project="id")
        query.append(Data, with_outgoing="maker", project=list(_COLUMNS), edge_project="label")
        for maker, *values, port in query.iterall():
            found.inputs[maker].append((port, values[0]))
            if values[0] not in found.rows:
                found.rows[values[0]] = Row(*values)
                new.add(values[0])
    for pk in pks:
        found.inputs[pk].sort()
    return new


def _climb(found: Upstream) -> None:
    """Add the workflows that called the calculations, up to the outermost ones."""
    from aiida.orm import ProcessNode, QueryBuilder, WorkflowNode

    waiting = set(found.inputs)
    while waiting:
        callers: set[int] = set()
        for batch in batches(waiting):
            query = QueryBuilder().append(ProcessNode, filters={"id": {"in": batch}}, tag="called", project="id")
            query.append(
                WorkflowNode,
                with_outgoing="called",
                edge_filters={"type": {"in": ["call_calc", "call_work"]}},
                project=[*_COLUMNS, *_STATE],
                edge_project="label",
            )
            for called, *values, label in query.iterall():
                found.called_by[called] = values[0], label
                if values[0] not in found.rows:
                    found.rows[values[0]] = Row(*values)
                    callers.add(values[0])
        waiting = callers
