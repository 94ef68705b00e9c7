"""What a hyper-parameter does, in the report on a study that varies it (paper: section 2.5, Fig. 7, S12 to S16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engine.families.contract import COMMON_PROPERTIES, ENERGIES, PropertySpec
from ..provenance import outputs_of
from .drawing import DATA, add_band, colour, label_of, new_figure
from .family import find_report
from .study_scenes import Trained, benchmark_of, trained_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Bins of the distributions of energies.
BINS = 30


@dataclass
class Varied:
    """A model of a study with one value of the hyper-parameter, on one data set.

    Attributes:
        dataset: name of the data set.
        model: its name in the study; with "equal time" where it was trained for as long as the slowest value.
        value: of the hyper-parameter.
        main: main measure of the family in each trained model.
        floor: noise floor of the main measure; None where there is none.
        not_converged: share of what each trained model generated whose relaxation did not converge, %.
        close_pairs: pairs of atoms that are too close, for each structure that a trained model generated.
        energies: of the relaxed structures of each trained model, in the unit of ``energy``.
        energy: which energy that is.
        measure: name of the main measure, with its unit.
    """

    dataset: str
    model: str
    value: Any
    main: list[float] = field(default_factory=list)
    floor: float | None = None
    not_converged: list[float] = field(default_factory=list)
    close_pairs: list[float] = field(default_factory=list)
    energies: list[NDArray[Any]] = field(default_factory=list)
    energy: PropertySpec = COMMON_PROPERTIES[0]
    measure: str = ""


def read_axis(study: Mapping[str, Any], summaries: Mapping[str, Any]) -> list[Varied]:
    """Return what was varied in a study; empty if nothing was.

    Args:
        study: its table.
        summaries: the nodes of its output ``summaries``; of a benchmark that is not in this profile only the measures
            of its summary are known.
    """
    found = []
    for dataset, entry in study.get("datasets", {}).items():
        family = find_report(entry["family"])
        energy = next((one for one in reversed(family.spec.properties) if one.table == ENERGIES), COMMON_PROPERTIES[0])
        metric = family.metric(family.main) if family.main else None
        for row in entry["rows"]:
            if row.get("value") is None or metric is None:
                continue
            measured = row["metrics"].get(family.main) or {}
            one = Varied(dataset, str(row["model"]), row["value"], energy=energy, floor=measured.get("floor"))
            one.main = [value for value in measured.get("per_model") or [] if value is not None]
            one.measure = f"{metric.title or metric.label}{f', {metric.unit}' if metric.unit else ''}"
            for run in row["runs"]:
                if run in summaries:
                    one.close_pairs += _close_pairs(summaries[run])
                    for trained in trained_of(run, summaries[run]):
                        _add_trained(one, trained)
            found.append(one)
    return found


def _add_trained(one: Varied, trained: Trained) -> None:
    """Add what the graph says of a trained model."""
    metrics = trained.metrics.get_dict()
    if metrics.get("n_generated") and metrics.get("n_not_converged") is not None:
        one.not_converged.append(100 * metrics["n_not_converged"] / metrics["n_generated"])
    key = "energy_per_atom" if one.energy is COMMON_PROPERTIES[0] else f"property_{one.energy.name}"
    if trained.per_structure is None or key not in trained.per_structure.get_arraynames():
        return
    values = trained.per_structure.get_array(key)
    if np.isfinite(values).any():
        one.energies.append(values[np.isfinite(values)])


def _close_pairs(summary: Any) -> Iterator[float]:
    """Yield what the jobs that pushed atoms apart have counted, of each evaluation of the benchmark of a summary."""
    benchmark = benchmark_of(summary)
    for evaluation in () if benchmark is None else benchmark.called:
        pushed = outputs_of(evaluation).get("postprocessed")
        results = {} if pushed is None or pushed.creator is None else outputs_of(pushed.creator)
        value = results["results"].get_dict().get("mean_close_pairs") if "results" in results else None
        if value is not None:
            yield float(value)


def draw_axis(varied: Sequence[Varied], name: str) -> list[Figure]:
    """Draw measures against the values of a hyper-parameter, and the distributions of energies for each value.

    Args:
        varied: from :func:`read_axis`.
        name: of the hyper-parameter.
    """
    found = []
    for dataset in dict.fromkeys(one.dataset for one in varied):
        ours = [one for one in varied if one.dataset == dataset]
        floor = next((one.floor for one in ours if one.floor is not None), None)
        for title, quantity, line in (
            (ours[0].measure, "main", floor),
            ("relaxations that did not converge, %", "not_converged", None),
            ("pairs of atoms too close, before the relaxation, a structure", "close_pairs", None),
        ):
            figure = _against(ours, dataset, name, title, quantity, line)
            found += [] if figure is None else [figure]
        figures = (_energies(ours, dataset, model, name) for model in dict.fromkeys(one.model for one in ours))
        found += [figure for figure in figures if figure is not None]
    return found


def _against(
    varied: Sequence[Varied], dataset: str, name: str, title: str, quantity: str, floor: float | None
) -> Figure | None:
    """Draw a quantity against the values: the mean over the trained models, bars from the least to the greatest."""
    import plotly.graph_objects as go

    if not any(getattr(one, quantity) for one in varied):
        return None
    figure = new_figure(f"{label_of(dataset)}: {title}", label_of(name), title)
    for index, model in enumerate(dict.fromkeys(one.model for one in varied)):
        points = [one for one in varied if one.model == model and getattr(one, quantity)]
        values = [np.array(getattr(one, quantity)) for one in points]
        means = [float(value.mean()) for value in values]
        bars = {
            "type": "data",
            "array": [float(value.max() - value.mean()) for value in values],
            "arrayminus": [float(value.mean() - value.min()) for value in values],
            "thickness": 1.2,
            "width": 4,
        }
        x = [_place(one.value) for one in points]
        look = {"name": label_of(model), "mode": "lines+markers", "line": {"color": colour(index), "width": 2}}
        figure.add_trace(go.Scatter(x=x, y=means, error_y=bars, **look))
    if not all(isinstance(_place(one.value), float) for one in varied):
        figure.update_xaxes(type="category")
    if floor is not None:
        line = {"color": DATA, "dash": "dot", "width": 1.5}
        figure.add_hline(y=floor, line=line, annotation_text="noise floor")
    figure.update_yaxes(rangemode="tozero")
    return figure


def _place(value: Any) -> float | str:
    """Return where a value stands on the axis: a number where it is one, else its name."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number else label_of(value)


def _energies(varied: Sequence[Varied], dataset: str, model: str, name: str) -> Figure | None:
    """Draw the distribution of energies for each value: the mean over the trained models, their spread as a band."""
    import plotly.graph_objects as go

    ours = [one for one in varied if one.model == model and one.energies]
    if not ours:
        return None
    everything = np.concatenate([values for one in ours for values in one.energies])
    low, high = np.percentile(everything, [0.5, 99.5])  # those beyond are in the first and the last bin
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    edges = np.linspace(low, high, BINS + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    energy = ours[0].energy
    title = f"{label_of(dataset)}, {label_of(model)}: {energy.label} after the relaxation"
    figure = new_figure(title, f"{energy.label}, {energy.unit}", "structures, %")
    for index, one in enumerate(ours):
        shares = np.array([_shares(values, edges) for values in one.energies])
        shade = colour(index)
        if len(shares) > 1:
            add_band(figure, centres, shares.min(axis=0), shares.max(axis=0), shade, 0.18)
        label = f"{label_of(name)} {label_of(one.value)} ({len(shares)} models)"
        line = {"color": shade, "width": 1.8}
        figure.add_trace(go.Scatter(x=centres, y=shares.mean(axis=0), name=label, mode="lines", line=line))
    return figure


def _shares(values: NDArray[Any], edges: NDArray[Any]) -> NDArray[Any]:
    """Return the shares of values in bins, %; those beyond all bins are in the nearest one."""
    counts: NDArray[Any] = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    return 100 * counts / len(values)
