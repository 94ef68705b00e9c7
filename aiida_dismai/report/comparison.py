"""A structural comparison in a report: the paper's Table 4, motifs and bonds, and the radial distributions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .drawing import COLOURS, DATA, add_band, label_of, new_figure
from .nodes import arrays_of
from .numbers import number
from .parts import TextTable

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Sets as they are called in tables.
NAMES = {"reference": "training set", "structures": "structures", "other": "other set"}


def read_comparison(outputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return results and arrays of a comparison from its outputs; empty for other processes."""
    if "comparison" not in outputs or "results" not in outputs:
        return {}, {}
    return outputs["results"].get_dict(), arrays_of(outputs["comparison"])


def comparison_tables(results: Mapping[str, Any]) -> list[TextTable]:
    """Return the tables of a comparison."""
    if not results:
        return []
    return [_distances(results), *_bonds(results), *_motifs(results)]


def _named(results: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for name, title in NAMES.items():
        if name in results["sets"]:
            yield name, title, results["sets"][name]


def _distances(results: Mapping[str, Any]) -> TextTable:
    rows: list[tuple[str | None, ...]] = []
    for _, title, entry in _named(results):
        for cation, far in entry.get("distance", {}).items():
            near = entry["similarity"][cation]
            floor = number(far["floor"], 3)
            rows.append((title, cation, _interval(far), floor, _interval(near, 4), number(entry["n_analysed"])))
    columns = ("set", "cation", "Euclidean distance", "noise floor", "cosine similarity", "structures")
    notes = tuple(
        f"{title}: {entry['n_structures']} structures, {entry['n_not_converged']} not converged, "
        f"{entry['n_not_analysed']} not analysed"
        for _, title, entry in _named(results)
    )
    regions = ", ".join(map(str, results["regions"]))
    return TextTable(f"average fingerprints beside the training set, regions {regions}", columns, rows, notes)


def _bonds(results: Mapping[str, Any]) -> Iterator[TextTable]:
    anions = results["anions"]
    for cation in results["cations"]:
        rows: list[tuple[str | None, ...]] = [
            (title, *(_interval(entry["bonds"][cation][anion]) for anion in anions))
            for _, title, entry in _named(results)
        ]
        yield TextTable(f"bonds of a {cation} atom", ("set", *(f"to {anion}" for anion in anions)), rows)


def _motifs(results: Mapping[str, Any]) -> Iterator[TextTable]:
    """Yield the shares of the motifs, split by the neighbours of one anion: oxygen where there is any, as in Fig. 9."""
    anions = results["anions"]
    anion = "O" if "O" in anions else anions[0]
    for cation in results["cations"]:
        tables = {title: _shares(entry["motifs"][cation], anion) for _, title, entry in _named(results)}
        listed = dict.fromkeys(motif for table in tables.values() for motif in table)
        rows: list[tuple[str | None, ...]] = [
            (motif, *(_interval(table.get(motif)) for table in tables.values())) for motif in listed
        ]
        yield TextTable(f"most likely motifs of {cation}, % of the atoms", ("motif", *tables), rows)


def _shares(motifs: Sequence[Mapping[str, Any]], anion: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for motif in motifs:
        found[motif["label"]] = motif["generated_percent"]
        for part in motif["by_anion"][anion]:
            found[f"{motif['label']}, {part['neighbours']} {anion}"] = part["generated_percent"]
    return found


def _interval(entry: Any, digits: int = 3) -> str | None:
    if not isinstance(entry, Mapping) or entry.get("value") is None:
        return None
    value, lower, upper = (number(entry.get(part), digits) or "–" for part in ("value", "lower", "upper"))
    return f"{value} ({lower}, {upper})"


def draw_distributions(arrays: Mapping[str, Any]) -> list[Figure]:
    """Draw the radial distributions of each cation and element, all sets in one chart, with their intervals."""
    import plotly.graph_objects as go

    pairs = dict.fromkeys(tuple(name.split("_")[2:]) for name in arrays if name.startswith("rdf_"))
    figures = []
    for cation, element in pairs:
        figure = new_figure(f"Radial distribution, {cation}–{element}", "distance, Å", "g(r)")
        for (name, title), shade in zip(NAMES.items(), (DATA, *COLOURS), strict=False):
            curve = arrays.get(f"rdf_{name}_{cation}_{element}")
            if curve is None:
                continue
            value, lower, upper = curve
            r = arrays["r"]
            add_band(figure, r, lower, upper, shade, 0.2)
            figure.add_trace(go.Scatter(x=r, y=value, name=label_of(title), mode="lines", line={"color": shade}))
        figures.append(figure)
    return figures
