"""The report of a result that was shared, without AiiDA: from its structures and what was computed again from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.metrics.aggregate import summarise
from ..engine.results.result import Result
from ..engine.structures import StructureSet
from ..engine.untrusted import read_object
from .cautions import notes
from .content import Report
from .family import find_report
from .lineage import Box, Lineage
from .model import Model
from .nodes import energies_of
from .paper import read_paper
from .scenes import Sets, scenes_of
from .stages import LOSSES, Tree, add_seed
from .standalone import read_arrays

#: Characters of the beginning of a hash.
SHOWN = 12


@dataclass(frozen=True)
class Computed:
    """What was computed again of one model.

    Attributes:
        results: of the task ``metrics`` (JSON).
        arrays: the numbers of every structure (npz).
        structures: that were measured.
    """

    results: Path
    arrays: Path
    structures: StructureSet


def report_of_result(result: Result, computed: Mapping[str, Computed], command: str) -> Report:
    """Gather the report on a result.

    All numbers are those that were computed again; of the result itself come its names, seeds, versions and notes.

    Args:
        result: what was shared.
        computed: of each of its models, by name.
        command: with which the numbers are computed once more.
    """
    family = find_report(result.kind)
    report = Report(_process(result), paper=read_paper(), family=family)
    report.add_problem(family.problem)
    report.tree = Tree(versions={name: [version] for name, version in result.versions.items()})
    for item in result.models:
        files = computed[item.name]
        found = read_object(files.results)
        model = Model(item.name, found, per_structure=read_arrays(files.arrays))
        model.training = {} if item.seed is None else {"seed": item.seed}
        model.energies = energies_of(files.structures)
        report.models.append(model)
        # what was generated, and the training structures, are not shared
        report.scenes += scenes_of(model, family, Sets(files.structures, relaxed=family.spec.relaxed))
        report.tree.losses += _losses(item.name, found)
        add_seed(report.tree, "training", item.seed)
    report.summary = summarise([model.metrics for model in report.models])
    report.lineage = _lineage(result)
    report.again = [("all numbers of this page", command)]
    report.notes = [*result.notes, *notes(report)]
    return report


def _process(result: Result) -> dict[str, Any]:
    return {
        "pk": None,
        "uuid": None,
        "type": "result",
        "label": f"{result.model} on {result.dataset.name}",
        "state": "finished",
        "exit_status": 0,
        "exit_message": None,
        "started": result.date,
        "seconds": None,
    }


def _losses(name: str, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what was lost of a model: before the structures were shared, and in the metrics."""
    total, kinds = LOSSES["metrics"]
    generated, given = int(found["n_generated"]), int(found["n_given"])
    before: Sequence[tuple[int, str, int]] = [(generated - given, "lost before they were measured", generated)]
    counts = [*before, *((int(found[key]), what, int(found[total])) for key, what in kinds if found.get(key))]
    if found.get("n_not_converged"):
        counts.append((int(found["n_not_converged"]), "did not converge", given))
    return [{"stage": name, "what": what, "count": count, "of": of} for count, what, of in counts if count]


def _lineage(result: Result) -> Lineage:
    """Return the graph: the files of the result, the metrics, its numbers."""
    count = len(result.models)
    structures = "; ".join(f"{item.structures}: SHA-256 {item.sha256[:SHOWN]}" for item in result.models)
    origin = "" if result.origin is None else f" of {result.origin.type} {result.origin.uuid}"
    boxes = [
        Box("data", "structures", f"{count} files" if count > 1 else result.models[0].structures, structures, count),
        Box("data", "reference", result.reference, f"{result.reference}: SHA-256 {result.reference_sha256[:SHOWN]}"),
        Box("process", "metrics", "computed again", f"metrics, computed again: result{origin}"),
        Box("result", "measures", f"{count} models" if count > 1 else "1 model"),
    ]
    return Lineage(boxes, [(0, 2), (1, 2), (2, 3)])
