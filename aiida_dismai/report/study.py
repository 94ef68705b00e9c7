"""A study in a report: a table for each data set, the ranks over all of them, and the chart of ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..engine.text import visible
from .drawing import colour, label_of, new_figure
from .family import find_report
from .numbers import number
from .parts import TextTable

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Columns of a CSV beside those of the measures.
PARTS = ("mean", "min", "max", "lower", "upper", "floor", "validation")
TITLE = "ranks of the models over all data sets (1 is best)"


def read_study(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of a study from its outputs; empty for other processes."""
    if "table" not in outputs or "summaries" not in outputs:
        return {}
    content: dict[str, Any] = outputs["table"].get_dict()
    return content


def study_tables(study: Mapping[str, Any]) -> list[TextTable]:
    """Return the tables of a study, ranks first."""
    if not study:
        return []
    found = [_of_dataset(name, entry) for name, entry in study["datasets"].items()]
    if study["overall"]:
        found.insert(0, _of_ranks(study["overall"]))
    if study.get("mixed_labels"):
        said = f"potentials of the data sets: {visible(study['mixed_labels'], 500)}"
        found = [replace(table, notes=(*table.notes, said)) for table in found]
    return found


def _of_ranks(overall: Mapping[str, Any]) -> TextTable:
    in_order = sorted(overall["rank"], key=lambda model: (overall["rank"][model], model))
    missing = overall["missing"]
    rows = []
    for model in in_order:
        cells = [
            f"({ranks[model]})" if name in missing.get(model, ()) else str(ranks[model])
            for name, ranks in overall["ranks"].items()
        ]
        rows.append((model, *cells, f"{overall['mean'][model]:.2f}", str(overall["rank"][model])))
    notes = ("in brackets: not run on that data set, and so behind all that were",) if missing else ()
    return TextTable(TITLE, ("model", *overall["ranks"], "mean", "overall"), rows, notes)


def _of_dataset(name: str, entry: Mapping[str, Any]) -> TextTable:
    family = find_report(entry["family"])
    measured = dict.fromkeys(measure for row in entry["rows"] for measure in row["metrics"])
    measures = [measure for measure in family.top() if measure in measured]
    ranks = (entry["ranks"] or {}).get("rank", {})
    rows: list[tuple[str | None, ...]] = []
    for row in entry["rows"]:
        rank = "baseline" if row["baseline"] else ranks.get(row["name"])
        cells = (_cell(row["metrics"].get(measure)) for measure in measures)
        rows.append((row["name"], number(row["n_models"]), *cells, number(rank)))
    floors = tuple(_floor(entry["rows"], measure) for measure in measures)
    if any(floors):
        rows.append(("noise floor", None, *floors, None))
    titles = tuple(family.metric(measure).title or measure for measure in measures)
    notes = tuple(f"{row['name']}: {row['reason']}" for row in entry["rows"] if row["reason"])
    title = f"{name} ({entry['family']}): mean (min, max) over the models"
    return TextTable(title, ("model", "trained", *titles, "rank"), rows, notes)


def _cell(entry: Mapping[str, Any] | None) -> str | None:
    if entry is None or entry["mean"] is None:
        return None
    return f"{number(entry['mean'], 3)} ({number(entry['min'], 3)}, {number(entry['max'], 3)})"


def _floor(rows: list[dict[str, Any]], measure: str) -> str | None:
    known = [
        row["metrics"][measure]["floor"] for row in rows if row["metrics"].get(measure, {}).get("floor") is not None
    ]
    return number(sum(known) / len(known), 3) if known else None


def draw_ranks(study: Mapping[str, Any]) -> Figure | None:
    """Draw the rank of each model on each data set as a spider chart, as Fig. 10 of the paper; None below three."""
    import plotly.graph_objects as go

    overall = study.get("overall")
    if not overall or len(overall["ranks"]) < 3:
        return None
    names = list(overall["ranks"])
    last = max(rank for ranks in overall["ranks"].values() for rank in ranks.values())
    figure = new_figure("Ranks by data set (outside is best)", "", "")
    for index, model in enumerate(sorted(overall["rank"], key=lambda name: (overall["rank"][name], name))):
        ranks = [overall["ranks"][name][model] for name in [*names, names[0]]]
        figure.add_trace(
            go.Scatterpolar(
                r=ranks,
                theta=[label_of(name) for name in [*names, names[0]]],
                name=label_of(model),
                line={"color": colour(index), "width": 2},
                mode="lines+markers",
            )
        )
    axis = {"range": [last + 0.5, 0.5], "tickvals": list(range(1, last + 1)), "angle": 90}
    figure.update_layout(polar={"radialaxis": axis, "bgcolor": "rgba(0,0,0,0)"}, showlegend=True)
    return figure


def csv_rows(study: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row for each model on each data set: numbers, rank, and why there are none."""
    for name, entry in study["datasets"].items():
        ranks = (entry["ranks"] or {}).get("rank", {})
        for row in entry["rows"]:
            line = {"dataset": name, "family": entry["family"], "model": row["model"], "value": _plain(row["value"])}
            line |= {"trained": row["n_models"], "rank": ranks.get(row["name"]), "missing": row["reason"]}
            if study.get("mixed_labels"):
                line["mixed_labels"] = _plain(study["mixed_labels"])
            for measure, values in row["metrics"].items():
                line |= {f"{measure}_{part}": values.get(part) for part in PARTS}
            yield line


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float, str)) else visible(value, 200)
