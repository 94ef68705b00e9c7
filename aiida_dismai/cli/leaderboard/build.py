"""The static site: tables by data set, a page for each entry, a feed; no script of others and no request to anybody."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput
from ...engine.families.registry import find
from ...engine.files import plain, write_text
from ...engine.results.result import RESULT
from ...engine.text import visible
from ...engine.untrusted import read_object
from ...report.numbers import number
from ...report.paper import OTHERS, paper_tables
from .standing import Entry, Standing, standings

#: Families of the paper's tables, in their order.
PAPER = ("interface", "amorphous", "alloy")
MARKER = ".dismai-leaderboard"
SMALL = "dismai-small-benchmark"
#: Width of a bar chart, pixels.
WIDTH = 260


def build(
    entries: Sequence[Entry],
    site: Path,
    title: str,
    small: Path | None,
    address: str,
    workers: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> int:
    """Write the site.

    Args:
        entries: all of the leaderboard.
        site: folder; one that an earlier run has made is replaced.
        title: of the site.
        small: folder of the small benchmark's results, or None.
        address: of the site, for its feed; may be empty.
        workers: processes that compute numbers again for reports, a number or ``auto``; None leaves reports out.
        say: called with each line of progress.

    Returns:
        How many pages were written.

    Raises:
        BadInput: a folder with something else in it.
    """
    if site.is_symlink() or (site.exists() and any(site.iterdir()) and not (site / MARKER).is_file()):
        raise BadInput(f"{visible(site)}: holds something that is no leaderboard's site; give another folder")
    if not site.resolve().parent.is_dir():
        raise BadInput(f"{visible(site)}: there is no folder {site.resolve().parent}; create it first")
    made = Path(tempfile.mkdtemp(prefix=f".{site.name[:60]}-", dir=site.resolve().parent))
    try:
        made.chmod(0o755)
        missing: dict[str, str] | None = None
        if workers is not None:
            from .reports import write_reports

            entries, missing = write_reports(entries, made, workers, say)
        _fill(made, entries, missing, title, small, address)
        if site.exists():
            shutil.rmtree(site)
        made.rename(site)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return 1 + len(entries) + (0 if missing is None else len(entries) - len(missing))


def _fill(
    site: Path,
    entries: Sequence[Entry],
    missing: Mapping[str, str] | None,
    title: str,
    small: Path | None,
    address: str,
) -> None:
    """Write all pages but the reports; ``missing`` says why an entry has none, None that there are no reports."""
    tables = standings(entries)
    common = {"title": title, "style": _text("site.css"), "script": _text("site.js")}
    context = common | {
        "tables": [_table(table) for table in tables],
        "paper": [_paper(kind) for kind in PAPER],
        "others": OTHERS,
        "small": small_rows(small) if small is not None else [],
        "count": len(entries),
        "changes": _changes(entries)[:10],
    }
    write_text(site / "index.html", _render("index.html", context))
    (site / "entries").mkdir(exist_ok=True)
    for table in tables:
        for row in table.rows:
            result = row.entry.result
            folder = site / "entries" / row.entry.identifier
            folder.mkdir(exist_ok=True)
            page = common | {
                "entry": row.entry,
                "result": result,
                "rank": row.rank,
                "charts": _charts(table, row.entry),
                "report": missing is not None and row.entry.identifier not in missing,
                "no_report": (missing or {}).get(row.entry.identifier),
            }
            write_text(folder / "index.html", _render("entry.html", page | {"models": _models(row.entry)}))
            write_text(folder / RESULT, result.text())
    write_text(site / "results.json", json.dumps(plain(_all(tables)), indent=2) + "\n")
    write_text(site / "feed.xml", _render("feed.xml", common | {"changes": _changes(entries), "address": address}))
    write_text(site / MARKER, "made by aiida-dismai leaderboard build\n")


def _text(name: str) -> str:
    return files(__package__).joinpath("site").joinpath(name).read_text(encoding="utf-8")


def _render(name: str, context: Mapping[str, Any]) -> str:
    from jinja2 import Environment

    # every value is escaped, whatever the ending of the template: names and texts are of others
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = lambda value: visible(value, 2000)
    return environment.from_string(_text(name)).render(**context)


def _table(table: Standing) -> dict[str, Any]:
    spec = find(table.kind)
    return {
        "heading": f"{table.name}: {spec.label}",
        "anchor": f"{table.kind}-{table.name}-{table.reference_hash[:8]}".replace(" ", "-"),
        "reference": table.reference_hash[:12],
        "columns": [table.titles[name] for name in table.measures],
        "rows": [
            {
                "rank": row.rank,
                "entry": row.entry,
                "result": row.entry.result,
                "cells": [_cell(row.values[name]) for name in table.measures],
            }
            for row in table.rows
        ],
        "floors": [None if (floor := table.floors[name]) is None else number(floor, 3) for name in table.measures],
    }


def _cell(values: tuple[float, float, float] | None) -> dict[str, Any]:
    if values is None:
        return {"sort": "", "text": "–"}
    mean, low, high = (number(value, 3) for value in values)
    return {"sort": repr(values[0]), "text": mean if low == high else f"{mean} ({low}, {high})"}


def _paper(kind: str) -> dict[str, Any]:
    return {"label": find(kind).label, "tables": paper_tables([kind])}


def _models(entry: Entry) -> list[dict[str, Any]]:
    return [
        {
            "model": model,
            "measures": [
                (name, *("–" if v is None else number(v, 4) for v in (m.value, m.lower, m.upper, m.floor)))
                for name, m in model.metrics.items()
            ],
        }
        for model in entry.result.models
    ]


def _charts(table: Standing, entry: Entry) -> list[dict[str, Any]]:
    """Return for each measure where the entry is among all of its table, as places on a line, in pixels."""
    charts = []
    for name in table.measures:
        known = [(row.entry.identifier, row.values[name]) for row in table.rows]
        highest = max((values[2] for _, values in known if values), default=0.0)
        floor = table.floors[name]
        highest = max(highest, floor or 0.0)
        if not highest > 0:
            continue
        marks = [
            {"x": round(WIDTH * values[0] / highest, 1), "own": one == entry.identifier, "title": one}
            for one, values in known
            if values
        ]
        place = None if not floor else round(WIDTH * floor / highest, 1)
        charts.append({"title": table.titles[name], "marks": marks, "floor": place, "highest": number(highest, 3)})
    return charts


def _changes(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (entry.result.date, entry.identifier), reverse=True)


def _all(tables: Iterable[Standing]) -> list[dict[str, Any]]:
    return [
        {
            "kind": table.kind,
            "dataset": table.name,
            "reference_hash": table.reference_hash,
            "id": row.entry.identifier,
            "model": row.entry.result.model,
            "rank": row.rank,
            "verified": row.entry.verified,
            "date": row.entry.result.date,
            "measures": {name: values and list(values) for name, values in row.values.items()},
        }
        for table in tables
        for row in table.rows
    ]


def small_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the results of the small benchmark (``docs/small_benchmark``), one row for each data set and model.

    Raises:
        BadInput: no such folder, or a file of it that is another format.
    """
    if not folder.is_dir():
        raise BadInput(f"{visible(folder)}: no such folder; give that of the small benchmark's results")
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        content = read_object(path)
        if content.get("format") != SMALL:
            raise BadInput(f"{path}: not a result of the small benchmark")
        if isinstance(content.get("summary"), dict):
            found.setdefault((str(content["dataset"]), str(content["model"])), []).append(content)
    rows = []
    for (dataset, model), results in found.items():
        kind = str(results[0]["kind"])
        names = [name for name in find(kind).ranked if name in results[0]["summary"]["metrics"]]
        measures = []
        for name in names:
            values = [v for item in results if (v := item["summary"]["metrics"].get(name, {}).get("mean")) is not None]
            spec = find(kind).metric(name)
            mean = number(sum(values) / len(values), 3) if values else "–"
            measures.append(f"{spec.title if spec else name} {mean}")
        rows.append({"dataset": dataset, "model": model, "runs": len(results), "measures": "; ".join(measures)})
    return rows
