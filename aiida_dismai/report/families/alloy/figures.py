"""Charts of generated alloys beside the training set: order on the lattice, clusters, vacancies, formation energies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...drawing import DATA, HEIGHT, add_histograms, colour, new_figure, title_of, transparent
from ...model import Model

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Shells whose order parameters are shown; the others are in the JSON.
SHELLS = ("1NN_", "2NN_")


def draw_order(models: Sequence[Model]) -> Figure | None:
    """Draw the Warren–Cowley parameters of the nearest shells: mean and standard deviation over structures."""
    import plotly.graph_objects as go

    found = [(i, model) for i, model in enumerate(models) if model.metrics.get("sro")]
    if not found:
        return None
    labels = [label for label in found[0][1].metrics["sro"] if label.startswith(SHELLS)]
    figure = new_figure("Short-range order of the nearest shells", "", "Warren–Cowley parameter")
    sets = [("training set", DATA, [found[0][1].metrics["sro"][label].get("training") for label in labels])]
    sets += [
        (
            title_of(model.name),
            colour(i),
            [(model.metrics["sro"].get(label) or {}).get("generated") for label in labels],
        )
        for i, model in found
    ]
    for name, shade, entries in sets:
        means, spreads = _column(entries, "mean"), _column(entries, "std")
        if not np.isfinite(means).any():
            continue
        bars = {"type": "data", "array": spreads, "thickness": 1.2, "width": 3}
        trace = go.Scatter(
            x=[label.replace("_", "<br>") for label in labels],
            y=means,
            name=name,
            mode="markers",
            error_y=bars,
            marker={"color": shade, "size": 8},
        )
        figure.add_trace(trace)
    if not figure.data:
        return None
    # side by side within a category, or the bars hide each other
    figure.update_layout(scattermode="group", scattergap=0.4)
    return figure


def _column(entries: list[dict[str, Any] | None], name: str) -> NDArray[np.float64]:
    return np.array([np.nan if not entry or entry.get(name) is None else entry[name] for entry in entries])


def draw_clusters(models: Sequence[Model]) -> Figure | None:
    """Draw how much more often than in the training set each cluster occurs: what makes up ``d_cluster``."""
    import plotly.graph_objects as go

    figure = new_figure("Clusters: generated − training", "", "difference of probabilities")
    for i, model in enumerate(models):
        vectors = model.per_structure.get("vector_cluster")
        if vectors is None or not len(vectors):
            continue
        labels = [title_of(str(label)) for label in model.per_structure["labels_cluster"]]
        difference = vectors.mean(axis=0) - model.per_structure["average_cluster"]
        figure.add_trace(go.Bar(x=labels, y=difference, name=title_of(model.name), marker_color=colour(i)))
    if not figure.data:
        return None
    figure.update_layout(barmode="group", bargap=0.2, height=HEIGHT + 40)
    return figure


def draw_vacancies(models: Sequence[Model]) -> Figure | None:
    """Draw how many structures have how many empty sites."""
    import plotly.graph_objects as go

    figure = new_figure("Empty sites", "empty sites of a structure", "structures, %")
    for i, model in enumerate(models):
        values = model.per_structure.get("vacancies")
        if values is None or not len(values):
            continue
        counts = np.bincount(values.astype(np.int64))
        heights = 100 * counts / len(values)
        name = f"{title_of(model.name)} ({len(values)})"
        figure.add_trace(go.Bar(x=np.arange(len(counts)), y=heights, name=name, marker_color=colour(i)))
    if not figure.data:
        return None
    figure.update_layout(barmode="group", bargap=0.2, showlegend=True)
    return figure


def draw_formation_energies(models: Sequence[Model]) -> Figure | None:
    """Draw the formation energies by the cluster expansion, and mean ± standard deviation of the training set."""
    groups = []
    for i, model in enumerate(models):
        values = model.per_structure.get("formation_energy", np.array([]))
        values = values[np.isfinite(values)]
        if len(values):
            groups.append((title_of(model.name), values, colour(i)))
    if not groups:
        return None
    figure = new_figure("Formation energies (cluster expansion)", "formation energy, eV/atom", "structures, %")
    add_histograms(figure, groups)
    training = (models[0].metrics.get("formation_energy") or {}).get("training") or {}
    if training.get("mean") is not None:
        low, high = training["mean"] - training["std"], training["mean"] + training["std"]
        figure.add_vrect(x0=low, x1=high, fillcolor=transparent(DATA, 0.18), line_width=0, layer="below")
        figure.add_vline(
            x=training["mean"], line={"color": DATA, "width": 2}, annotation_text="training set, mean ± s.d."
        )
    return figure
