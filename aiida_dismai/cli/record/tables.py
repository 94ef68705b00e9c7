"""Computed beside published: mean, minimum and maximum over the models, and the difference in noise floors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...report.paper import read_paper, said
from .layout import DataSet


def rows_of(dataset: DataSet, results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return a row for each model and measure of the paper's table of a data set.

    Args:
        dataset: whose table.
        results: of the task ``metrics``, of each model in the paper's spelling (and of variants), one for each file.

    Returns:
        ``model``, ``measure``, ``computed`` and ``published`` (mean, minimum, maximum; None where there is none),
        ``floor`` of the measure and ``in_floors``, the difference of the means in it (None for shares, which have
        none), ``difference`` of the means, and ``inside``: whether the computed mean lies in the published range.
    """
    published = _published(dataset)
    measures = [name for name in published if name != "data"]
    rows = []
    for model in dict.fromkeys([*results, *published[measures[0]]]):
        for measure in measures:
            computed, floor = _computed(results.get(model, ()), measure)
            stated = published[measure].get(model)
            row: dict[str, Any] = {
                "dataset": dataset.name,
                "table": dataset.table,
                "model": model,
                "measure": measure,
                "n_models": len(results.get(model, ())),
                "computed": computed,
                "published": stated,
                "floor": floor,
                "difference": None,
                "in_floors": None,
                "inside": None,
            }
            if computed is not None and stated is not None:
                row["difference"] = computed[0] - stated[0]
                row["inside"] = bool(stated[1] <= computed[0] <= stated[2])
                if floor:
                    row["in_floors"] = row["difference"] / floor
            rows.append(row)
    return rows


def _published(dataset: DataSet) -> dict[str, Any]:
    found: dict[str, Any] = next(t for t in read_paper()["tables"][dataset.kind] if t["data"] == dataset.published)
    return found


def _computed(results: Sequence[Mapping[str, Any]], measure: str) -> tuple[list[float] | None, float | None]:
    entries = [entry for item in results if isinstance(entry := item.get(measure), Mapping)]
    values = [float(entry["value"]) for entry in entries if isinstance(entry.get("value"), (int, float))]
    if not values:
        return None, None
    floors = [float(entry["floor"]) for entry in entries if isinstance(entry.get("floor"), (int, float))]
    # of a share, the floor is the training set's own share, and no unit of length
    is_distance = measure.startswith(("d_", "cos_"))
    floor = sum(floors) / len(floors) if floors and is_distance and all(value > 0 for value in floors) else None
    return [sum(values) / len(values), min(values), max(values)], floor


def lines_of(rows: Iterable[Mapping[str, Any]], titles: Mapping[str, str]) -> list[tuple[Any, ...]]:
    """Return the rows as they are printed."""
    return [
        (
            row["model"],
            titles.get(row["measure"], row["measure"]),
            None if row["computed"] is None else said(row["computed"]),
            None if row["published"] is None else said(row["published"]),
            _difference(row),
        )
        for row in rows
        if row["computed"] is not None or row["published"] is not None
    ]


def _difference(row: Mapping[str, Any]) -> str | None:
    if row["difference"] is None:
        return None
    if row["in_floors"] is not None:
        return f"{row['in_floors']:+.2f} floors"
    return f"{row['difference']:+.3g}"


def markdown(title: str, lines: Iterable[tuple[Any, ...]]) -> str:
    """Return a table in Markdown."""
    text = [f"### {title}", "", "| model | measure | computed | published | difference |", "|---|---|---|---|---|"]
    text += ["| " + " | ".join("–" if cell is None else str(cell) for cell in line) + " |" for line in lines]
    return "\n".join([*text, "", ""])
