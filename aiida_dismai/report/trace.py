"""Where a number comes from, in words: structures, potentials, DFT, models, seeds, codes, people and times.

Asked is the data provenance of a node (:mod:`.upstream`), so that a benchmark that was given a data set of last year
has the same answer as the pipeline that makes its own. Everything is plain data, for the terminal and as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..dft.origin import origin_of_data
from ..engine.errors import BadInput, nearest
from ..engine.methods import METHOD
from ..engine.text import visible
from ..provenance import inputs_of, outputs_of
from .stages import stage_of
from .upstream import Row, Upstream, batches, read_upstream
from .words import flat, named, phrase

#: Entries of a list at most that are loaded and put in words; how many there are in all is always said.
LISTED = 40
#: Parameters of a step that are shown.
PARAMETERS = 12


@dataclass
class Trace:
    """The answer.

    Attributes:
        node: what was asked about: pk, uuid, type, label, says, created, user.
        numbers: of metrics, each measure with value, interval and floor.
        made_by: the calculation that created it, and its inputs in words; of a process, its outputs.
        workflows: the outermost workflows around all calculations: pk, type, label, seed, state, times, user.
        steps: calculations of one task in one stage: how many, which, with what parameters, seeds and codes.
        origins: data that no calculation made, where the trace ends: structures, crystals, files.
        potentials: trained interatomic potentials.
        models: trained generative models.
        dft: DFT jobs by engine and code, and the methods that labels name.
        codes: what ran, where, how many calculations.
        versions: of libraries, as the tasks wrote them down.
        people: users whose nodes these are.
        times: beginning and end of all of it.
        counts: how many data nodes and calculations.
        notes: what a reader must know.
    """

    node: dict[str, Any]
    numbers: dict[str, Any] = field(default_factory=dict)
    made_by: dict[str, Any] = field(default_factory=dict)
    workflows: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    origins: list[dict[str, Any]] = field(default_factory=list)
    potentials: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    dft: list[dict[str, Any]] = field(default_factory=list)
    codes: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, list[str]] = field(default_factory=dict)
    people: list[str] = field(default_factory=list)
    times: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_output(process: Any, port: str) -> Any:
    """Return an output of a process by its port, namespaces joined by dots: ``metrics.model_0``.

    Raises:
        BadInput: no such output (names the nearest), or a namespace with several.
    """
    ports = dict(flat(outputs_of(process)))
    wanted = port.replace("__", ".")
    if wanted in ports:
        return ports[wanted]
    inside = [name for name in ports if name.startswith(f"{wanted}.")]
    if inside:
        raise BadInput(f"{named(process)}: '{visible(port)}' holds several outputs; give one: {', '.join(inside[:8])}")
    hint = nearest(wanted, ports) or f"; it has {', '.join(list(ports)[:12]) or 'none'}"
    raise BadInput(f"{named(process)} has no output '{visible(port)}'{hint}")


def trace(node: Any) -> Trace:
    """Return where a node comes from.

    Args:
        node: data; or a process, of which all outputs (and, without any, all inputs) are traced.
    """
    from aiida.orm import ProcessNode

    is_process = isinstance(node, ProcessNode)
    ends = _ends(node) if is_process else [node]
    graph = read_upstream(ends)
    found = Trace(_about(node))
    found.made_by = _made_by(node, is_process)
    if not is_process:
        found.numbers = _numbers(node)
    around = {callers[-1] for row in graph.calculations if (callers := graph.callers(row.pk))}
    found.workflows = [_workflow(pk) for pk in sorted(around - {node.pk})]
    seeds, parameters = _values(graph, "seed"), _values(graph, "parameters")
    codes = _codes(graph)
    found.steps = _steps(graph, parameters, seeds, codes)
    found.origins = _origins(graph)
    found.potentials = _described(graph, "data.dismai.potential.")
    found.models = _described(graph, "data.dismai.generator.")
    found.dft = _dft(graph, codes)
    found.codes = _code_rows(codes)
    found.versions = _versions(graph)
    found.people = _people([*graph.rows.values()])
    found.times = _times(graph)
    found.counts = {"data": len(graph.data), "calculations": len(graph.calculations)}
    found.notes = origin_of_data(end.pk for end in ends).notes()
    return found


def _ends(process: Any) -> list[Any]:
    ends = [node for _, node in flat(outputs_of(process)) if hasattr(node, "pk")]
    return ends or [node for _, node in flat(inputs_of(process)) if hasattr(node, "pk")]


def _about(node: Any) -> dict[str, Any]:
    process = getattr(node, "process_label", None)
    return {
        "pk": node.pk,
        "uuid": node.uuid,
        "type": process or type(node).__name__,
        "label": node.label,
        "says": _state(node) if process else phrase(node),
        "created": node.ctime.isoformat(timespec="seconds"),
        "user": _person(node.user),
    }


def _state(process: Any) -> str:
    state = process.process_state
    said = "created" if state is None else state.value
    return f"{said} [{process.exit_status}]" if process.exit_status is not None else said


def _made_by(node: Any, is_process: bool) -> dict[str, Any]:
    if is_process:
        return {"outputs": {port: _in_words(item) for port, item in flat(outputs_of(node)) if hasattr(item, "pk")}}
    creator = node.creator
    if creator is None:
        return {}
    inputs = {port: _in_words(item) for port, item in flat(inputs_of(creator)) if hasattr(item, "pk")}
    return {"pk": creator.pk, "uuid": creator.uuid, "type": creator.process_label, "inputs": inputs}


def _in_words(node: Any) -> str:
    return f"{named(node)}: {phrase(node)}"


def _numbers(node: Any) -> dict[str, Any]:
    """Return the measures of a node of metrics: what has a value."""
    from aiida.orm import Dict

    if not isinstance(node, Dict):
        return {}
    return {
        name: {part: entry.get(part) for part in ("value", "lower", "upper", "floor") if part in entry}
        for name, entry in node.get_dict().items()
        if isinstance(entry, dict) and "value" in entry
    }


def _workflow(pk: int) -> dict[str, Any]:
    from aiida.orm import load_node

    node = load_node(pk)
    seeds = {
        name: item.value for name, item in flat(inputs_of(node)) if name.endswith("seed") and hasattr(item, "value")
    }
    return {
        "pk": node.pk,
        "uuid": node.uuid,
        "type": node.process_label,
        "label": node.label,
        "state": _state(node),
        "seeds": seeds,
        "started": node.ctime.isoformat(timespec="seconds"),
        "ended": node.mtime.isoformat(timespec="seconds") if node.is_terminated else None,
        "user": _person(node.user),
    }


# ---------------------------------------------------------------------- steps
def task_of(row: Row) -> str:
    """Return the task of a calculation: ``relax``; of a DFT job its plugin, of a function its name."""
    kind = (row.process_type or "").rpartition(":")[2].removeprefix("dismai.")
    return kind.removeprefix("functions.") or str(row.name)


def _steps(
    graph: Upstream, parameters: dict[int, Any], seeds: dict[int, Any], codes: dict[int, tuple[str, ...]]
) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in graph.calculations:
        stage = " / ".join(stage_of(graph.calls(row.pk)))
        groups.setdefault((stage, task_of(row)), []).append(row)
    steps = []
    for (stage, task), rows in groups.items():
        pks = [row.pk for row in rows]
        given: dict[str, Any] = next((parameters[pk] for pk in pks if isinstance(parameters.get(pk), dict)), {})
        several = len({repr(parameters.get(pk)) for pk in pks}) > 1
        steps.append(
            {
                "stage": stage,
                "task": task,
                "count": len(rows),
                "not_ok": sum(not row.ok for row in rows),
                "pks": [min(pks), max(pks)],
                "parameters": dict(list(flat(given))[:PARAMETERS]),
                "parameters_differ": several,
                "seeds": sorted({seeds[pk] for pk in pks if pk in seeds}),
                "codes": sorted({codes[pk][0] for pk in pks if pk in codes}),
                "started": rows[0].created.isoformat(timespec="seconds"),
            }
        )
    return steps


def _values(graph: Upstream, port: str) -> dict[int, Any]:
    """Return the value that each calculation was given at a port: of an Int its number, of a Dict its content."""
    from aiida.orm import Data, QueryBuilder

    wanted: dict[int, int] = {}
    for calculation, inputs in graph.inputs.items():
        for name, pk in inputs:
            if name == port:
                wanted[calculation] = pk
    values: dict[int, Any] = {}
    for batch in batches(set(wanted.values())):
        query = QueryBuilder().append(Data, filters={"id": {"in": batch}}, project=["id", "attributes"])
        for pk, attributes in query.iterall():
            values[pk] = attributes.get("value") if port == "seed" else attributes
    return {calculation: values[pk] for calculation, pk in wanted.items() if values.get(pk) is not None}


def _codes(graph: Upstream) -> dict[int, tuple[str, ...]]:
    """Return label@computer, executable and hostname of the code of each calculation that has one."""
    from aiida.orm import AbstractCode, CalcJobNode, Computer, QueryBuilder

    found: dict[int, tuple[str, ...]] = {}
    for batch in batches(graph.inputs):
        query = QueryBuilder().append(CalcJobNode, filters={"id": {"in": batch}}, tag="job", project="id")
        query.append(
            AbstractCode,
            with_outgoing="job",
            edge_filters={"label": "code"},
            project=["label", "attributes.filepath_executable"],
            tag="code",
        )
        query.append(Computer, with_node="job", project=["label", "hostname"])
        for job, label, program, computer, host in query.iterall():
            found[job] = f"{label}@{computer}", str(program or "?"), str(host)
    return found


def _code_rows(codes: dict[int, tuple[str, ...]]) -> list[dict[str, Any]]:
    counts: dict[tuple[str, ...], int] = {}
    for code in codes.values():
        counts[code] = counts.get(code, 0) + 1
    return [
        {"code": code, "executable": program, "hostname": host, "jobs": count}
        for (code, program, host), count in sorted(counts.items())
    ]


# ---------------------------------------------------------------------- what it was made from
def _origins(graph: Upstream) -> list[dict[str, Any]]:
    """Return the structures, crystals, weights and files that nothing in this profile made."""
    kinds = ("data.dismai.", "data.core.structure.", "data.core.cif.", "data.core.singlefile.", "data.core.folder.")
    rows = [row for row in graph.origins if row.node_type.startswith(kinds)]
    return _loaded(rows)


def _described(graph: Upstream, kind: str) -> list[dict[str, Any]]:
    return _loaded([row for row in graph.data if row.node_type.startswith(kind)])


def _loaded(rows: list[Row]) -> list[dict[str, Any]]:
    from aiida.orm import load_node

    found = []
    for row in rows[:LISTED]:
        node = load_node(row.pk)
        creator = node.creator
        found.append(
            {
                "pk": row.pk,
                "uuid": row.uuid,
                "type": type(node).__name__,
                "label": row.label,
                "description": node.description,
                "says": phrase(node),
                "made_by": None if creator is None else named(creator),
            }
        )
    if len(rows) > LISTED:
        found.append({"says": f"and {len(rows) - LISTED} more"})
    return found


def _dft(graph: Upstream, codes: dict[int, tuple[str, ...]]) -> list[dict[str, Any]]:
    from ..dft.registry import job_types

    engines = job_types()
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in graph.calculations:
        if row.process_type in engines:
            label = codes[row.pk][0] if row.pk in codes else "?"
            groups.setdefault((engines[row.process_type].title, label), []).append(row)
    methods = _methods(graph)
    return [
        {
            "engine": title,
            "code": code,
            "jobs": len(rows),
            "not_ok": sum(not row.ok for row in rows),
            "pks": [min(row.pk for row in rows), max(row.pk for row in rows)],
        }
        for (title, code), rows in groups.items()
    ] + [{"method": method} for method in methods]


def _methods(graph: Upstream) -> list[str]:
    """Return what labels on the way say that they were computed with."""
    from aiida.orm import QueryBuilder, load_node

    from ..data import StructureSetData

    sets: list[int] = []
    for batch in batches(row.pk for row in graph.data):
        query = QueryBuilder().append(
            StructureSetData,
            filters={"id": {"in": batch}, "attributes.properties": {"has_key": METHOD}},
            project="id",
        )
        sets += query.all(flat=True)
    found: dict[str, None] = {}
    for pk in sorted(sets)[:LISTED]:
        found |= dict.fromkeys(str(text) for text in load_node(pk).read_property(METHOD).tolist() if str(text))
    return [visible(text, 400) for text in found]


def _versions(graph: Upstream) -> dict[str, list[str]]:
    from aiida.orm import CalcJobNode, Dict, QueryBuilder

    found: dict[str, set[str]] = {}
    for batch in batches(graph.inputs):
        query = QueryBuilder().append(CalcJobNode, filters={"id": {"in": batch}}, tag="job")
        query.append(Dict, with_incoming="job", edge_filters={"label": "results"}, project="attributes.versions")
        for (versions,) in query.iterall():
            for library, version in versions.items() if isinstance(versions, dict) else ():
                found.setdefault(visible(library, 60), set()).add(visible(version, 60))
    return {library: sorted(found[library]) for library in sorted(found)}


# ---------------------------------------------------------------------- who, and when
def _people(rows: Iterable[Row]) -> list[str]:
    from aiida.orm import QueryBuilder, User

    pks = sorted({row.user for row in rows})
    return [_person(user) for user in QueryBuilder().append(User, filters={"id": {"in": pks}}).all(flat=True)]


def _person(user: Any) -> str:
    name = " ".join(part for part in (user.first_name, user.last_name) if part)
    place = f", {user.institution}" if user.institution else ""
    return f"{name} <{user.email}>{place}" if name else f"{user.email}{place}"


def _times(graph: Upstream) -> dict[str, str]:
    rows = graph.calculations or graph.data
    if not rows:
        return {}
    first, last = min(row.created for row in rows), max(row.changed for row in rows)
    return {"first": first.isoformat(timespec="seconds"), "last": last.isoformat(timespec="seconds")}
