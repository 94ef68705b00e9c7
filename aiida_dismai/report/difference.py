"""Why two results differ: both provenance graphs are followed backwards together, to where they part.

Two nodes are the same when they hold the same (:func:`~.contrast.digests`), whoever made them and when. Where they
differ, the calculations that made them are compared: another task, another input, or the same inputs and another
outcome. Inputs that differ are followed further; a difference behind which everything is the same is a first one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..engine.errors import BadInput
from ..engine.text import visible
from ..provenance import inputs_of, outputs_of
from .contrast import contrast, digests, values
from .trace import task_of
from .upstream import Upstream, read_upstream
from .words import flat, named, phrase

#: First differences that are put in words.
LISTED = 20

Pair = tuple[int, int]


@dataclass
class Difference:
    """A first difference.

    Attributes:
        kind: ``given`` (nothing in this profile made either), ``origin`` (only one was made here, or by another task),
            ``ports`` (an input that only one has) or ``outcome`` (the same inputs, another result).
        one: the first node in words.
        other: the second.
        what: in what they differ.
        way: the steps from there to the results: task and the input that the difference came through.
        around: what the workflows around were given that differs, the outermost first.
    """

    kind: str
    one: str
    other: str
    what: list[str]
    way: list[str] = field(default_factory=list)
    around: list[str] = field(default_factory=list)


@dataclass
class Comparison:
    """Two nodes beside each other.

    Attributes:
        one: the first, in words.
        other: the second.
        same: outputs that hold the same.
        differ: outputs that do not.
        only: outputs that only one of two processes has.
        numbers: measures of metrics: first and second value, and their difference in noise floors of the first.
        first: the first differences, those farthest upstream before the others.
        n_first: how many there are.
        n_compared: pairs of data nodes that were looked at.
    """

    one: str
    other: str
    same: list[str] = field(default_factory=list)
    differ: list[str] = field(default_factory=list)
    only: list[str] = field(default_factory=list)
    numbers: dict[str, dict[str, float | None]] = field(default_factory=dict)
    first: list[Difference] = field(default_factory=list)
    n_first: int = 0
    n_compared: int = 0


def compare(one: Any, other: Any) -> Comparison:
    """Return where two data nodes, or the outputs of two processes, begin to differ.

    Raises:
        BadInput: data beside a process, or processes without any output of the same name.
    """
    from aiida.orm import ProcessNode

    processes = [isinstance(node, ProcessNode) for node in (one, other)]
    if any(processes) and not all(processes):
        raise BadInput(f"{named(one)} and {named(other)}: give two processes, or two data nodes")
    said = [f"{named(node)}{'' if processes[0] else f': {phrase(node)}'}" for node in (one, other)]
    found = Comparison(said[0], said[1])
    ends = _ends(one, other, found) if processes[0] else {"": (one, other)}
    graphs = [read_upstream(pair[k] for pair in ends.values()) for k in (0, 1)]
    walk = _Walk(graphs, digests({*graphs[0].rows, *graphs[1].rows}))
    for port, pair in ends.items():
        same = walk.begin((pair[0].pk, pair[1].pk), port)
        if port:
            (found.same if same else found.differ).append(port)
        found.numbers |= _numbers(pair, f"{port}: " if len(ends) > 1 else "")
    found.n_first, found.n_compared = len(walk.first), len(walk.seen)
    found.first = [walk.words(pair, kind) for pair, kind in walk.ordered()[:LISTED]]
    return found


def _ends(one: Any, other: Any, found: Comparison) -> dict[str, tuple[Any, Any]]:
    """Return the outputs that both processes have; without any, the inputs."""
    for ports_of in (outputs_of, inputs_of):
        ports = [{name: item for name, item in flat(ports_of(node)) if hasattr(item, "pk")} for node in (one, other)]
        shared = [name for name in ports[0] if name in ports[1]]
        if shared:
            found.only = sorted(ports[0].keys() ^ ports[1].keys())
            return {name: (ports[0][name], ports[1][name]) for name in shared}
    raise BadInput(f"{named(one)} and {named(other)} have neither outputs nor inputs of the same name to compare")


def _numbers(pair: tuple[Any, Any], before: str) -> dict[str, dict[str, float | None]]:
    from aiida.orm import Dict

    if not all(isinstance(node, Dict) for node in pair):
        return {}
    contents = [node.get_dict() for node in pair]
    found: dict[str, dict[str, float | None]] = {}
    for name, entry in contents[0].items():
        beside = contents[1].get(name)
        if not (isinstance(entry, dict) and isinstance(beside, dict)):
            continue
        a, b, floor = entry.get("value"), beside.get("value"), entry.get("floor")
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            known = isinstance(floor, (int, float)) and floor > 0
            floors = (b - a) / floor if known and isinstance(floor, (int, float)) else None
            found[f"{before}{visible(name, 60)}"] = {"one": a, "other": b, "floors": floors}
    return found


class _Walk:
    """The way back through two graphs, with what has been seen on it."""

    def __init__(self, graphs: list[Upstream], content: dict[int, str]) -> None:
        self.graphs = graphs
        self.content = content
        self.seen: set[Pair] = set()
        self.calculations: set[Pair] = set()
        self.first: dict[Pair, str] = {}
        self.came: dict[Pair, tuple[Pair | None, str]] = {}

    def begin(self, pair: Pair, port: str) -> bool:
        """Follow a pair of results; returns whether they hold the same."""
        self._see(pair, None, port)
        waiting = [pair]
        while waiting:
            waiting += self._look(waiting.pop())
        return self._same(pair)

    def _same(self, pair: Pair) -> bool:
        return pair[0] == pair[1] or self.content[pair[0]] == self.content[pair[1]]

    def _see(self, pair: Pair, behind: Pair | None, through: str) -> bool:
        if pair in self.seen:
            return False
        self.seen.add(pair)
        self.came[pair] = behind, through
        return True

    def _look(self, pair: Pair) -> list[Pair]:
        """Return the pairs behind one that differ; notes it as a first difference if there are none."""
        if self._same(pair):
            return []
        makers = tuple(graph.made_by.get(pk) for graph, pk in zip(self.graphs, pair, strict=True))
        if None in makers:
            self.first[pair] = "given" if makers == (None, None) else "origin"
            return []
        one, other = (graph.rows[pk] for graph, pk in zip(self.graphs, makers, strict=True))  # type: ignore[index]
        ports = [graph.made_as[pk] for graph, pk in zip(self.graphs, pair, strict=True)]
        if task_of(one) != task_of(other) or ports[0] != ports[1]:
            self.first[pair] = "origin"
            return []
        calculation = one.pk, other.pk
        if calculation in self.calculations:
            return []
        self.calculations.add(calculation)
        inputs = [dict(graph.inputs[pk]) for graph, pk in zip(self.graphs, calculation, strict=True)]
        behind = [(inputs[0][port], inputs[1][port]) for port in inputs[0] if port in inputs[1]]
        differing = [found for found in behind if not self._same(found)]
        if inputs[0].keys() != inputs[1].keys():
            self.first[pair] = "ports"
        elif not differing:
            self.first[pair] = "outcome"
        names = {found: port for port, found in zip([p for p in inputs[0] if p in inputs[1]], behind, strict=True)}
        return [found for found in differing if self._see(found, pair, f"{task_of(one)}.{names[found]}")]

    def ordered(self) -> list[tuple[Pair, str]]:
        """Return the first differences by the time of the first node; codes and places of work last."""
        rows = self.graphs[0].rows
        return sorted(
            self.first.items(),
            key=lambda item: (rows[item[0][0]].node_type.startswith("data.core.code."), self._made(item[0]), item[0]),
        )

    def _made(self, pair: Pair) -> Any:
        """Return when the calculation began that a first difference went into, or that it is the outcome of."""
        graph = self.graphs[0]
        behind = self.came[pair][0]
        maker = graph.made_by.get(pair[0]) or (graph.made_by.get(behind[0]) if behind else None)
        return graph.rows[maker if maker is not None else pair[0]].created

    def words(self, pair: Pair, kind: str) -> Difference:
        """Put a first difference in words."""
        from aiida.orm import load_node

        nodes = [load_node(pk) for pk in pair]
        said = [f"{named(node)}: {phrase(node)}" for node in nodes]
        what = contrast(*nodes)
        if kind in ("origin", "ports", "outcome"):
            what = [*self._makers(pair, kind), *what]
        return Difference(kind, said[0], said[1], what, self._way(pair), self._around(pair))

    def _makers(self, pair: Pair, kind: str) -> list[str]:
        from aiida.orm import load_node

        makers = [graph.made_by.get(pk) for graph, pk in zip(self.graphs, pair, strict=True)]
        if kind == "origin":
            said = [
                "not made in this profile"
                if maker is None
                else f"made by {named(load_node(maker))} as '{graph.made_as[pk]}'"
                for maker, graph, pk in zip(makers, self.graphs, pair, strict=True)
            ]
            return [f"{said[0]}, and {said[1]}"]
        one, other = (load_node(maker) for maker in makers)
        if kind == "ports":
            inputs = [dict(graph.inputs[maker]) for graph, maker in zip(self.graphs, makers, strict=True)]  # type: ignore[index]
            return [
                f"input '{port}' of {named(one if port in inputs[0] else other)} only"
                for port in sorted(inputs[0].keys() ^ inputs[1].keys())
            ]
        lines = [f"{named(one)} and {named(other)} were given the same"]
        lines += [f"{name}: {text}" for name, text in _circumstances(one, other)]
        if len(lines) == 1:
            lines.append("their versions, devices and options are the same too: the task is not deterministic there")
        return lines

    def _way(self, pair: Pair) -> list[str]:
        way = []
        current: Pair | None = pair
        while current is not None:
            current, through = self.came[current]
            if through:
                way.append(through)
        return way

    def _around(self, pair: Pair) -> list[str]:
        """Return what the workflows around were given that differs, the outermost first."""
        from aiida.orm import load_node

        at: Pair | None = pair if all(pk in g.made_by for g, pk in zip(self.graphs, pair, strict=True)) else None
        at = at or self.came[pair][0]
        if at is None:
            return []
        makers = [graph.made_by[pk] for graph, pk in zip(self.graphs, at, strict=True) if pk in graph.made_by]
        if len(makers) != 2:
            return []
        callers = [graph.callers(pk) for graph, pk in zip(self.graphs, makers, strict=True)]
        lines: list[str] = []
        for one, other in reversed(list(zip(*callers, strict=False))):
            flows = [load_node(pk) for pk in (one, other)]
            if flows[0].process_type == flows[1].process_type and one != other:
                lines += _given(*flows)
        return lines


def _given(one: Any, other: Any) -> list[str]:
    """Return in what the inputs of two workflows differ, in words."""
    ports = [{name: item for name, item in flat(inputs_of(node)) if hasattr(item, "pk")} for node in (one, other)]
    content = digests({item.pk for side in ports for item in side.values()})
    lines = []
    for name in dict.fromkeys([*ports[0], *ports[1]]):
        a, b = ports[0].get(name), ports[1].get(name)
        if a is not None and b is not None and (a.pk == b.pk or content[a.pk] == content[b.pk]):
            continue
        said = ["not given" if item is None else phrase(item) for item in (a, b)]
        lines.append(f"{named(one)}.{name}: {said[0]}, and {named(other)}: {said[1]}")
    return lines


def _circumstances(one: Any, other: Any) -> Iterable[tuple[str, str]]:
    """Yield what differed around two jobs that were given the same: versions, device, options, exit status."""
    about = []
    for node in (one, other):
        results: Any = node.outputs.results if "results" in node.outputs else None
        content = results.get_dict() if hasattr(results, "get_dict") else {}
        attributes = node.base.attributes
        version = attributes.get("version", None) or {}
        about.append(
            {
                "version": content.get("versions") or {},
                "device": content.get("device"),
                "resources": attributes.get("resources", None) or {},
                "plugin": version.get("plugin") if isinstance(version, dict) else None,
                "exit status": node.exit_status,
            }
        )
    for line in values(*about):
        name, _, text = line.partition(": ")
        yield name, text
