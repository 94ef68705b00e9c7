"""A report as JSON (everything but the arrays of the charts) and as CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from ..engine.errors import BadInput
from ..engine.files import plain
from .collect import Model, Report

#: Arrays of a model that are one number a structure; ``d`` and ``cos`` are split by cation.
COLUMNS = ("index", "source_index", "energy_per_atom", "steps")


def to_dict(report: Report) -> dict[str, Any]:
    """Return the report as plain data: numbers per structure and learning curves included, fingerprints left out."""
    content = {
        name: getattr(report, name)
        for name in ("process", "notes", "summary", "baseline", "dataset", "potential", "labels", "paper")
    }
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
    content["stages"] = [asdict(stage) for stage in report.tree.stages.values()]
    content["losses"] = report.tree.losses
    content["versions"] = report.tree.versions
    content["devices"] = report.tree.devices
    content["processes"] = report.tree.processes
    content["n_processes"] = report.tree.n_processes
    result: dict[str, Any] = plain(content)
    return result


def to_json(report: Report) -> str:
    """Return :func:`to_dict` as indented JSON; NaN becomes null."""
    return json.dumps(to_dict(report), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def per_structure(model: Model) -> dict[str, list[Any]]:
    """Return the measures of every analysed structure as columns: index, energy, steps, distances by cation."""
    arrays = model.per_structure
    columns = {name: arrays[name].tolist() for name in COLUMNS if name in arrays}
    cations = [str(name) for name in arrays["cations"]] if "cations" in arrays else []
    for kind in ("d", "cos"):
        if kind in arrays:
            columns |= {f"{kind}_{cation}": arrays[kind][:, k].tolist() for k, cation in enumerate(cations)}
    return columns


def to_csv(report: Report, per: str) -> str:
    """Return a table with one row a ``model`` or a ``structure``.

    Raises:
        BadInput: the report has no models.
    """
    if not report.models:
        raise BadInput(
            f"{report.process['type']}<{report.process['pk']}> has no models, and so no CSV; use --format json"
        )
    rows = _model_rows(report) if per == "model" else _structure_rows(report)
    names: list[str] = []
    for row in rows:
        names += [name for name in row if name not in names]
    target = io.StringIO()
    writer = csv.DictWriter(target, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


def _model_rows(report: Report) -> list[dict[str, Any]]:
    from ..calculations.functions.statistics import values_of

    rows = []
    for model in report.models:
        row: dict[str, Any] = {"model": model.name, "seed": model.training.get("seed")}
        row |= {name: model.metrics.get(name) for name in ("n_generated", "n_analysed")}
        for name, value in values_of(model.metrics).items():
            row[name] = value
            entry = model.metrics[name]
            if isinstance(entry, dict):
                row |= {f"{name}_lower": entry.get("lower"), f"{name}_upper": entry.get("upper")}
        rows.append(row)
    return rows


def _structure_rows(report: Report) -> list[dict[str, Any]]:
    rows = []
    for model in report.models:
        columns = per_structure(model)
        for values in zip(*columns.values(), strict=True):
            rows.append({"model": model.name, **dict(zip(columns, values, strict=True))})
    return rows
