"""Tables of the training set beside the models: energies, the properties of the family, and what it adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.families.contract import COMMON_PROPERTIES, PropertySpec
from .content import Report
from .model import Model
from .numbers import distribution, number
from .parts import Row, Rows


@dataclass
class DetailTable:
    """A table of the training set beside the models.

    Attributes:
        title: its heading.
        columns: headings of the columns; the first is that of the rows.
        rows: cells, as text.
    """

    title: str
    columns: list[str]
    rows: list[list[str | None]]


def detail_tables(report: Report) -> list[DetailTable]:
    """Return the tables that there are numbers for."""
    if report.family is None:
        return []
    asked = [
        *map(_property, COMMON_PROPERTIES),
        *report.family.rows(report.models),
        *map(_property, report.family.spec.properties),
    ]
    corners: dict[str, str] = {}
    by_title: dict[str, list[Row]] = {}
    for part in asked:
        by_title.setdefault(part.title, []).extend(part.rows)
        corners[part.title] = corners.get(part.title) or part.corner
    tables = (_table(report, title, corners[title], rows) for title, rows in by_title.items())
    return [table for table in tables if table is not None]


def _property(spec: PropertySpec) -> Rows:
    """Return the rows of a property: its value, and the distance of the distributions where it is known."""
    label = f"{spec.label}, {spec.unit}" if spec.unit else spec.label

    def value(model: Model, where: str) -> Any:
        return distribution((model.metrics.get(spec.name) or {}).get(where))

    def distance(model: Model, where: str) -> Any:
        return (model.metrics.get(spec.name) or {}).get("wasserstein") if where == "generated" else None

    return Rows(spec.table, [Row(label, value), Row(f"{label}: distance of the distributions", distance)])


def _table(report: Report, title: str, corner: str, rows: Sequence[Row]) -> DetailTable | None:
    """Build a table; the training set's side is the same for all models, so that of the first is shown."""
    columns = [corner, "training set", *(model.name.replace("_", " ") for model in report.models)]
    cells = []
    for label, read in rows:
        values = [read(report.models[0], "training"), *(read(model, "generated") for model in report.models)]
        if any(value is not None for value in values):
            cells.append([label, *(value if isinstance(value, str) else number(value) for value in values)])
    return DetailTable(title, columns, cells) if cells else None
