"""Who computed the energies behind some nodes: DFT or a stand-in, and whether labels of several methods were mixed.

Asked are the DFT jobs and the potentials among the ancestors of the nodes.

The answer follows from the data, not from the process that is reported on: a benchmark that was given a data set made
years ago, in another profile, has the same answer as the pipeline that makes its own. The graph is walked in levels,
one query for all nodes of a level, so that ten thousand relaxations cost a few dozen queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.methods import mixed
from ..engine.text import visible
from ..provenance import inputs_of, outputs_of

#: In the label of a code or in its executable, where a job has kept no output file that would say it.
STAND_IN = ("standin", "stand-in", "stand_in")
#: Jobs of one code that are looked into, evenly spread over all of them.
LOOKED_INTO = 25
#: Characters of a text that comes from weights.
LIMIT = 1200
#: Identifiers in one query; databases have limits.
BATCH = 400


@dataclass(frozen=True)
class Origin:
    """Where energies come from.

    Attributes:
        stand_ins: labels of the codes that stood in for a DFT code, sorted; empty where all energies are those of DFT,
            or of no DFT at all.
        mixed_labels: of each potential that was trained on labels of several methods, in what these differ.
    """

    stand_ins: list[str]
    mixed_labels: list[str]

    def notes(self) -> list[str]:
        """Return what must stand beside numbers of this origin; empty for labels of one method from DFT."""
        return [*([not_dft(self.stand_ins)] if self.stand_ins else []), *self.mixed_labels]


def origin_of(process: Any) -> Origin:
    """Return the origin of what a process was given, computed, or gave out.

    Args:
        process: any process; it may still run, have failed, or be imported.
    """
    ends = {node.pk for ports in (inputs_of(process), outputs_of(process)) for node in _flat(ports)}
    jobs, data = ancestry(ends)
    codes = {*stand_ins({*jobs, *_dft_descendants(process)}), *_imported(data)}
    return Origin(sorted(codes), _mixed_labels(data))


def origin_of_data(pks: Iterable[int]) -> Origin:
    """Return the origin of data nodes, by their PKs."""
    jobs, data = ancestry(pks)
    return Origin(sorted({*stand_ins(jobs), *_imported(data)}), _mixed_labels(data))


def stand_ins_of(process: Any) -> list[str]:
    """Return the codes that stood in for a DFT code, see :func:`origin_of`."""
    return origin_of(process).stand_ins


def stand_ins_behind(nodes: Iterable[Any]) -> list[str]:
    """Return the codes that stood in for a DFT code among the ancestors of data nodes."""
    return origin_of_data(node.pk for node in nodes).stand_ins


def not_dft(codes: Sequence[str]) -> str:
    """Return the sentence that must stand beside numbers that come from these stand-ins."""
    several = len(codes) > 1
    stood_for = " and ".join(sorted({_stands_for(code) for code in codes}))
    return (
        f"Energies are not DFT: {', '.join(codes)} {'are stand-ins' if several else 'is a stand-in'} for {stood_for}. "
        "Nothing here says anything about the real materials."
    )


def _stands_for(label: str) -> str:
    """Return what a stand-in stands for; of one that this profile does not have, only that it is a DFT code."""
    from aiida.orm import AbstractCode, Computer, QueryBuilder

    from .registry import engine_of_plugin

    name, _, computer = label.rpartition("@")
    query = QueryBuilder().append(Computer, filters={"label": computer}, tag="computer")
    query.append(AbstractCode, with_computer="computer", filters={"label": name})
    engine = next((engine_of_plugin(code.default_calc_job_plugin) for code in query.all(flat=True)), None)
    return "a DFT code" if engine is None else engine.title


def ancestry(pks: Iterable[int]) -> tuple[set[int], set[int]]:
    """Return the DFT jobs that data come from, and all data on the way, themselves included.

    What a DFT job was given is not followed any farther: its energies are its own, whatever the structure was
    relaxed with before.
    """
    from aiida.orm import CalculationNode, Data, Node, QueryBuilder

    kinds = _dft_types()
    waiting = set(pks)
    seen: set[int] = set()
    jobs: set[int] = set()
    made_by: set[int] = set()
    while waiting:
        seen |= waiting
        makers: set[int] = set()
        for batch in _batches(waiting):
            query = QueryBuilder().append(Node, filters={"id": {"in": batch}}, tag="made")
            query.append(CalculationNode, with_outgoing="made", project=["id", "process_type"])
            for pk, kind in query.distinct().iterall():
                (jobs if kind in kinds else makers).add(pk)
        makers -= made_by
        made_by |= makers
        waiting = set()
        for batch in _batches(makers):
            query = QueryBuilder().append(CalculationNode, filters={"id": {"in": batch}}, tag="maker")
            query.append(Data, with_outgoing="maker", project="id")
            waiting.update(pk for (pk,) in query.distinct().iterall())
        waiting -= seen
    return jobs, seen


def _dft_descendants(process: Any) -> set[int]:
    """Return the DFT jobs that a process and what it called have called, whether they have ended or not."""
    from aiida.orm import CalcJobNode, Node, QueryBuilder

    kinds = _dft_types()
    jobs = {process.pk} if process.process_type in kinds else set()
    waiting, seen = {process.pk}, set()
    while waiting:
        seen |= waiting
        found: set[int] = set()
        for batch in _batches(waiting):
            query = QueryBuilder().append(Node, filters={"id": {"in": batch}}, tag="caller")
            query.append(
                Node,
                with_incoming="caller",
                edge_filters={"type": {"in": ["call_calc", "call_work"]}},
                project=["id", "process_type", "node_type"],
            )
            for pk, kind, node_type in query.distinct().iterall():
                if kind in kinds and node_type == CalcJobNode.class_node_type:
                    jobs.add(pk)
                else:
                    found.add(pk)
        waiting = found - seen
    return jobs


def stand_ins(jobs: Iterable[int]) -> list[str]:
    """Return the labels of the codes of these jobs that are stand-ins."""
    from aiida.orm import AbstractCode, CalcJobNode, QueryBuilder

    by_code: dict[int, list[int]] = {}
    for batch in _batches(jobs):
        query = QueryBuilder().append(CalcJobNode, filters={"id": {"in": batch}}, tag="job", project="id")
        query.append(AbstractCode, with_outgoing="job", edge_filters={"label": "code"}, project="id")
        for job, code in query.iterall():
            by_code.setdefault(code, []).append(job)
    return sorted({label for code, ran in by_code.items() if (label := _stand_in(code, sorted(ran))) is not None})


def _stand_in(code_pk: int, jobs: Sequence[int]) -> str | None:
    """Return the label of a code if it is a stand-in: by what its jobs wrote, or else by its name."""
    from aiida.orm import load_node

    code = load_node(code_pk)
    step = max(1, len(jobs) // LOOKED_INTO)
    said = [_says(load_node(pk)) for pk in [*jobs[::step], jobs[-1]]]
    if any(said) or (None in said and _named(code)):
        return str(code.full_label)
    return None


def _imported(data: Iterable[int]) -> set[str]:
    """Return the stand-ins that structure sets without an origin in this profile (files) name as their ``source``."""
    from aiida.orm import QueryBuilder, load_node

    from ..data import StructureSetData

    found: set[str] = set()
    for batch in _batches(data):
        query = QueryBuilder().append(
            StructureSetData,
            filters={"id": {"in": batch}, "attributes.properties": {"has_key": "source"}},
            project="id",
        )
        for (pk,) in query.iterall():
            node = load_node(pk)
            if node.creator is None:
                found |= {str(source) for source in node.structures.values("source") if _marked(str(source))}
    return found


def _mixed_labels(data: Iterable[int]) -> list[str]:
    """Return of each potential among some nodes that was trained on labels of several methods, in what these differ."""
    from aiida.orm import QueryBuilder

    from ..data import PotentialData

    found = []
    for batch in _batches(data):
        query = QueryBuilder().append(
            PotentialData, filters={"id": {"in": batch}}, project=["id", "attributes.trained_on"]
        )
        for pk, trained_on in query.order_by({PotentialData: "id"}).iterall():
            said = mixed(str(text) for text in (trained_on or {}).get("methods") or ())
            if said:
                found.append(f"PotentialData<{pk}>: {visible(said, LIMIT)}")
    return found


def _says(job: Any) -> bool | None:
    """Whether a job's files say that a stand-in wrote them; None where it has kept none that could."""
    from aiida.common.exceptions import NotExistent

    from .registry import job_types

    try:
        return job_types()[job.process_type].written_by_stand_in(job.outputs.retrieved)
    except (NotExistent, AttributeError, OSError):
        return None


def _named(code: Any) -> bool:
    return _marked(f"{code.full_label} {code.get_executable()}")


def _marked(text: str) -> bool:
    return any(mark in text.lower() for mark in STAND_IN)


def _dft_types() -> set[str]:
    from .registry import job_types

    return set(job_types())


def _flat(ports: dict[str, Any]) -> Iterator[Any]:
    for value in ports.values():
        if isinstance(value, dict):
            yield from _flat(value)
        else:
            yield value


def _batches(pks: Iterable[int]) -> Iterator[list[int]]:
    listed = sorted(pks)
    for start in range(0, len(listed), BATCH):
        yield listed[start : start + BATCH]
