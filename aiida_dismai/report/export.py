"""A report as JSON (everything but the arrays of the charts) and as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict
from typing import Any

from ..engine.errors import BadInput
from ..engine.files import plain
from ..engine.metrics.aggregate import values_of
from ..engine.spreadsheet import cell
from ..engine.text import visible
from .content import Report
from .family import FamilyReport
from .model import Model
from .study import csv_rows
from .verdict import verdict

#: Characters that a terminal obeys instead of showing them, and that JSON leaves as they are.
UNSEEN = re.compile(r"[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
#: Begins the names of arrays of ``per_structure.npz`` that are of the whole set.
NOT_PER_STRUCTURE = ("average_", "curve_", "labels_", "shown_")


def to_dict(report: Report) -> dict[str, Any]:
    """Return the report as plain data: numbers per structure and learning curves included, fingerprints left out."""
    content = {
        name: getattr(report, name)
        for name in (
            "process",
            "notes",
            "stand_ins",
            "mixed_labels",
            "study",
            "comparison",
            "summary",
            "potential",
            "labels",
            "paper",
        )
    }
    content["verdict"] = verdict(report)
    content["models"] = [
        {
            "name": model.name,
            "metrics": model.metrics,
            "training": model.training,
            "nodes": model.nodes,
            "per_structure": per_structure(model),
            "curves": {name: values.tolist() for name, values in model.curves.items()},
        }
        for model in report.models
    ]
    content["family"] = None if report.family is None else family_of(report, report.family)
    content["stages"] = [asdict(stage) for stage in report.tree.stages.values()]
    content["losses"] = report.tree.losses
    content["failures"] = report.tree.failures
    content["n_failures"] = report.tree.n_failures
    content["versions"] = report.tree.versions
    content["devices"] = report.tree.devices
    content["seeds"] = report.tree.seeds
    content["again"] = [{"what": what, "command": command} for what, command in report.again]
    content["processes"] = report.tree.processes
    content["n_processes"] = report.tree.n_processes
    for part in report.datasets:
        if part.key in content:
            raise BadInput(f"the key '{visible(part.key, 60)}' of a data set is that of another part of every report")
        content[part.key] = part.content()
    result: dict[str, Any] = plain(content)
    return result


def family_of(report: Report, family: FamilyReport) -> dict[str, Any]:
    """Return name and label of a family, labels and units of the measures, and what it adds itself."""
    metrics = {name: family.metric(name) for name in report.measures()}
    labels = {name: {"label": metric.label, "unit": metric.unit} for name, metric in metrics.items()}
    return {"name": family.name, "label": family.spec.label, "measures": labels, **family.content(report.models)}


def to_json(report: Report) -> str:
    """Return :func:`to_dict` as indented JSON; NaN becomes null."""
    text = json.dumps(to_dict(report), indent=2, allow_nan=False, ensure_ascii=False)
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def per_structure(model: Model) -> dict[str, list[Any]]:
    """Return what is one number for every analysed structure as columns: index, energy, steps, distances and so on."""
    arrays = model.per_structure
    n = len(arrays.get("index", ()))
    # averages, curves and labels may be as long by chance, but have names of their own
    return {
        name: values.tolist()
        for name, values in arrays.items()
        if values.shape == (n,) and not name.startswith(NOT_PER_STRUCTURE)
    }


def to_csv(report: Report, per: str) -> str:
    """Return a table with one row a ``model`` or a ``structure``.

    Raises:
        BadInput: the report has no models.
    """
    if not report.models and not report.study:
        raise BadInput(
            f"{report.process['type']}<{report.process['pk']}> has no models, and so no CSV; use --format json"
        )
    if report.study:
        rows = list(csv_rows(report.study))
    else:
        rows = _model_rows(report) if per == "model" else _structure_rows(report)
    names: list[str] = []
    for row in rows:
        names += [name for name in row if name not in names]
    target = io.StringIO()
    writer = csv.DictWriter(target, names, restval="", lineterminator="\n")
    writer.writerow({name: cell(name) for name in names})
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return target.getvalue()


def _model_rows(report: Report) -> list[dict[str, Any]]:
    rows = []
    for model in report.models:
        row: dict[str, Any] = {"model": model.name, "seed": model.training.get("seed")}
        row |= {name: model.metrics.get(name) for name in ("n_generated", "n_analysed")}
        for name, value in values_of(model.metrics).items():
            row[name] = value
            entry = model.metrics[name]
            if isinstance(entry, dict):
                row |= {f"{name}_{part}": entry.get(part) for part in ("lower", "upper", "floor")}
        if report.family is not None:
            row |= report.family.columns(model)
        rows.append(row)
    return rows


def _structure_rows(report: Report) -> list[dict[str, Any]]:
    """Return a row for each structure: the analysed ones with their measures, the failed ones with the reason."""
    rows = []
    for model in report.models:
        columns = per_structure(model)
        measured = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        if not model.listed:
            rows += [{"model": model.name, **row} for row in [*measured, *model.unread]]
            continue
        by_source = {int(row.get("source_index", row["index"])): row for row in measured}
        for row in [*model.listed, *model.unread]:
            about = {name: row.get(name) for name in ("file", "frame", "outcome", "stage", "reason")}
            place = row.get("index")  # of what could not be read there is none
            own = {} if place is None else by_source.get(int(place), {})
            rows.append({"model": model.name, "source_index": place, **about, **own})
    return rows
