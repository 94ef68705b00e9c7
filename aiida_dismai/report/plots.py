"""The charts of reports of any family, drawn with plotly.

Each function returns a figure, or None where there is nothing to draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engine.families.contract import CurveSpec
from .content import Report
from .drawing import DATA, HEIGHT, SETS, add_band, add_histograms, colour, label_of, new_figure, title_of, transparent

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Points of each set in a parity plot at most: forces have millions.
MAX_POINTS = 2000
#: Stages longer than this are drawn in hours, seconds.
LONG = 3 * 3600.0
#: Longer names of motifs are written in two lines.
FOLDED = 16


def energies(report: Report) -> Figure | None:
    """Draw the energies of the data set beside those of the relaxed generated structures."""
    groups = [(part.title, part.energies, DATA) for part in report.datasets]
    groups += [(title_of(model.name), model.energies, colour(i)) for i, model in enumerate(report.models)]
    groups = [group for group in groups if len(group[1])]
    if not groups:
        return None
    figure = new_figure("Energies after relaxation", "energy, eV/atom", "structures, %")
    add_histograms(figure, groups)
    for part in report.datasets:
        if part.energy_limit is not None:
            value, name = part.energy_limit
            line = {"color": "#8a2be2", "dash": "dot", "width": 1.5}
            figure.add_vline(x=value, line=line, annotation_text=label_of(name))
    return figure


def potential_curves(report: Report) -> Figure | None:
    """Draw the potential's training and validation errors by epoch: energies (above) and forces (below)."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    curves = report.arrays.get("potential_curves") or {}
    if "epoch" not in curves:
        return None
    base = new_figure("Training of the potential", "epoch", "")
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    figure.update_layout(base.layout)
    for row, (quantity, unit) in enumerate((("energy", "meV/atom"), ("forces", "meV/Å")), start=1):
        for name, shade in (("train", SETS["train"]), ("validation", SETS["validation"])):
            values = curves.get(f"{name}_mae_{quantity}")
            if values is None or not np.isfinite(values.astype(float)).any():
                continue
            line = {"color": shade, "width": 2}
            trace = go.Scatter(
                x=curves["epoch"],
                y=values,
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                mode="lines",
                line=line,
            )
            figure.add_trace(trace, row=row, col=1)
        figure.update_yaxes(title=f"{quantity}, {unit}", type="log", dtick="D2", row=row, col=1)
    figure.update_xaxes(title="", row=1, col=1)
    figure.update_xaxes(title="epoch", row=2, col=1)
    figure.update_xaxes(showline=True, linecolor="#c5ced6", gridcolor="#edf1f4", zeroline=False)
    figure.update_yaxes(showline=True, linecolor="#c5ced6", gridcolor="#edf1f4", zeroline=False)
    return figure


def parity(report: Report, quantity: str) -> Figure | None:
    """Draw predicted against reference values.

    Args:
        report: the report.
        quantity: ``energy`` (eV/atom), ``forces`` (eV/Å, components) or ``stress`` (GPa, components).
    """
    import plotly.graph_objects as go

    arrays = report.arrays.get("potential_parity") or {}
    if f"{quantity}_reference" not in arrays:
        return None
    unit = {"energy": "eV/atom", "forces": "eV/Å", "stress": "GPa"}[quantity]
    reference = arrays[f"{quantity}_reference"]
    predicted = arrays[f"{quantity}_predicted"]
    frames = np.arange(len(arrays["offsets"]) - 1)
    owner = np.repeat(frames, np.diff(arrays["offsets"])) if quantity == "forces" else frames
    split = arrays.get("split", np.full(len(frames), 2))
    names = [str(name) for name in arrays["sets"]] if "sets" in arrays else list(SETS)
    figure = new_figure(f"{quantity.capitalize()}: predicted and reference", f"reference, {unit}", f"predicted, {unit}")
    for number, name in enumerate(names):
        rows = split[owner] == number
        x, y = reference[rows].ravel(), predicted[rows].ravel()
        if not len(x):
            continue
        chosen = _some(len(x))
        marker = {"size": 5.5, "opacity": 0.7, "color": SETS.get(name, DATA)}
        figure.add_trace(go.Scatter(x=x[chosen], y=y[chosen], name=title_of(name), mode="markers", marker=marker))
    low = float(min(reference.min(), predicted.min()))
    high = float(max(reference.max(), predicted.max()))
    figure.add_shape(
        type="line", x0=low, y0=low, x1=high, y1=high, line={"color": "#8796a3", "width": 1}, layer="below"
    )
    return figure


def _some(n: int) -> NDArray[np.int64]:
    """Return at most :data:`MAX_POINTS` indices, evenly spread over ``n``."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, MAX_POINTS)).astype(np.int64))


def model_curves(report: Report) -> Figure | None:
    """Draw the losses of the generative models by epoch: each kind its own dash, each model its own colour."""
    import plotly.graph_objects as go

    figure = new_figure("Training of the generative models", "epoch", "loss")
    dashes = ("solid", "dash", "dot", "dashdot")
    for i, model in enumerate(report.models):
        epochs = model.curves.get("epoch")
        kinds = [name for name in sorted(model.curves) if name.endswith("loss")]
        kinds = kinds or [name for name in sorted(model.curves) if name != "epoch"][:2]
        if epochs is None:
            continue
        for k, name in enumerate(kinds):
            # an epoch in which it was not the generator's turn has no loss; a line would break there
            there = np.flatnonzero(np.isfinite(model.curves[name]))
            chosen = there[_some(len(there))]
            line = {"color": colour(i), "dash": dashes[k % len(dashes)], "width": 1.5}
            label = f"{title_of(model.name)}: {title_of(name)}"
            trace = go.Scatter(x=epochs[chosen], y=model.curves[name][chosen], name=label, mode="lines", line=line)
            figure.add_trace(trace)
    if not figure.data:
        return None
    figure.update_layout(height=HEIGHT + 22 * (len(figure.data) // 2))  # a legend of many lines takes its room above
    return figure


def motifs(report: Report, cation: str, most: int = 8) -> Figure | None:
    """Draw the shares of the coordination motifs of a cation, training set and models, with intervals."""
    import plotly.graph_objects as go

    found = [(model, (model.metrics.get("motifs") or {}).get(cation) or []) for model in report.models]
    found = [(model, rows[:most]) for model, rows in found if rows]
    if not found:
        return None
    # lying bars: their names are long
    height = max(HEIGHT + 40, 150 + 36 * max(len(rows) for _, rows in found))
    figure = new_figure(f"Motifs of {cation}", "sites, %", "", height)
    labels = [_folded(title_of(row["label"])) for row in found[0][1]]
    figure.add_trace(
        go.Bar(
            x=[row["training_percent"] for row in found[0][1]],
            y=labels,
            orientation="h",
            name="training set",
            marker_color=transparent(DATA, 0.75),
        )
    )
    for i, (model, rows) in enumerate(found):
        values = [row["generated_percent"]["value"] for row in rows]
        upper = [_difference(row["generated_percent"], "upper", "value") for row in rows]
        lower = [_difference(row["generated_percent"], "value", "lower") for row in rows]
        bars = {"type": "data", "array": upper, "arrayminus": lower, "thickness": 1.2, "width": 3}
        look = {"orientation": "h", "name": title_of(model.name), "marker_color": colour(i)}
        figure.add_trace(go.Bar(x=values, y=labels, error_x=bars, **look))
    figure.update_layout(barmode="group", bargap=0.25, legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    return figure


def _folded(label: str) -> str:
    """Return a long label in two lines: on a narrow page it would leave no room for the bars."""
    first, _, rest = label.partition(" ")
    return f"{first}<br>{rest}" if len(label) > FOLDED and rest else label


def _difference(interval: dict[str, Any], above: str, below: str) -> float | None:
    if interval.get(above) is None or interval.get(below) is None:
        return None
    return float(max(interval[above] - interval[below], 0.0))


def distances(report: Report) -> Figure | None:
    """Draw how far each generated structure is from the training average, in the main measure of its family."""
    measure = report.family.main if report.family else None
    if measure is None:
        return None
    groups = [
        (title_of(model.name), model.per_structure[measure], colour(i))
        for i, model in enumerate(report.models)
        if len(model.per_structure.get(measure, ()))
    ]
    if not groups:
        return None
    figure = new_figure("Distance of single structures from the training average", measure, "structures, %")
    add_histograms(figure, groups)
    return figure


def steps(report: Report) -> Figure | None:
    """Draw the relaxation steps of the analysed structures."""
    groups = [
        (title_of(model.name), model.per_structure["steps"].astype(float), colour(i))
        for i, model in enumerate(report.models)
        if len(model.per_structure.get("steps", ()))
    ]
    if not groups:
        return None
    limits = {model.fmax for model in report.models}
    only = limits.pop() if len(limits) == 1 else None
    until = "requested fmax" if only is None else f"{only:g} eV/Å"
    figure = new_figure("Relaxation steps", f"steps until {until}", "structures, %")
    add_histograms(figure, groups)
    return figure


def costs(report: Report) -> Figure | None:
    """Draw the time of the jobs of each stage: from submission to end, and of this what the tasks themselves took."""
    import plotly.graph_objects as go

    stages = [stage for stage in report.tree.stages.values() if stage.seconds > 0]
    if not stages:
        return None
    hours = max(stage.seconds for stage in stages) > LONG
    unit, seconds = ("hours", 3600.0) if hours else ("minutes", 60.0)
    height = max(220, 150 + 26 * len(stages))
    figure = new_figure("Time of the jobs by stage", f"{unit}, all jobs added up", "", height)
    names = [label_of(stage.name) for stage in stages]
    for name, shade, values in (
        ("waiting and running", DATA, [stage.seconds for stage in stages]),
        ("computing", colour(0), [stage.compute_seconds for stage in stages]),
    ):
        bar = {"orientation": "h", "marker_color": shade if shade != DATA else transparent(DATA, 0.55)}
        figure.add_trace(go.Bar(x=[value / seconds for value in values], y=names, name=name, **bar))
    figure.update_layout(barmode="group", bargap=0.3, legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    return figure


def curve(report: Report, spec: CurveSpec) -> Figure | None:
    """Draw an averaged vector of the training set and of each model with its interval."""
    import plotly.graph_objects as go

    found = [(i, model) for i, model in enumerate(report.models) if f"curve_{spec.name}" in model.per_structure]
    if not found:
        return None
    figure = new_figure(spec.title, spec.x, spec.y)
    for i, model in found:
        training, value, lower, upper = spec.scale * model.per_structure[f"curve_{spec.name}"]
        x = model.per_structure[f"labels_{spec.name}"].astype(float)
        if not figure.data:
            line = {"color": DATA, "width": 2.5}
            figure.add_trace(go.Scatter(x=x, y=training, name="training set", mode="lines", line=line))
        if not np.isfinite(value).all():
            continue  # nothing of this model could be analysed
        add_band(figure, x, lower, upper, colour(i), 0.25)
        line = {"color": colour(i), "width": 1.6}
        figure.add_trace(go.Scatter(x=x, y=value, name=title_of(model.name), mode="lines", line=line))
    return figure
