"""Data sets of an alloy: their numbers and arrays, and the charts of the paper's figures S1 and S2 drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...drawing import COLOURS, DATA, STAIRS, add_histograms, new_figure, stairs, title_of, transparent
from ...numbers import number, with_spread
from ...parts import DataSetPart, Headline, Made

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Shells whose order is drawn, from 0: those of the paper's figures.
SHELLS = (0, 1)
#: Of a panel, pixels.
PANEL = 170
BINS = 40


@dataclass
class AlloySet:
    """One data set of an alloy.

    Attributes:
        name: ``T300_wide``.
        summary: what the selection says of itself.
        nodes: PKs of ``dataset``, ``train``, ``validation``, ``split`` and ``summary``.
        formation_energies: formation energies, eV/atom, ``(n,)``.
        order: Warren–Cowley parameters, ``(n, shells, pairs)``.
    """

    name: str
    summary: dict[str, Any]
    nodes: dict[str, int] = field(default_factory=dict)
    formation_energies: NDArray[Any] = field(default_factory=lambda: np.array([]))
    order: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0, 0)))

    @property
    def temperature(self) -> str:
        """The part of the name that says the temperature."""
        return self.name.split("_")[0]


@dataclass
class AlloySets(DataSetPart):
    """The data sets of an alloy: all that a process has made, or the one that a benchmark was given.

    Attributes:
        sets: at least one, by temperature, then by name.
    """

    key = "alloys"
    title = "data sets"
    columns = (
        "data set",
        "structures",
        "snapshots looked at",
        "within the filter",
        "of them decorrelated",
        "spacing, passes",
        "runs left out",
        "formation energy, eV/atom",
    )

    sets: Sequence[AlloySet]

    @property
    def n_structures(self) -> int | None:
        """How many structures the smallest of them has."""
        return min(int(one.summary["kept"]) for one in self.sets)

    def rows(self) -> list[tuple[str | None, ...]]:
        """Return a row for each data set."""
        return [
            (
                one.name,
                number(one.summary["kept"]),
                number(one.summary["looked_at"]),
                number(one.summary["passed"]),
                number(one.summary["decorrelated"]),
                number(one.summary["spacing_passes"], 3),
                ", ".join(map(str, one.summary["trapped_runs"])) or None,
                _energy(one.summary),
            )
            for one in self.sets
        ]

    def headline(self) -> list[Headline]:
        """Return the number of structures of each data set."""
        found = []
        for one in self.sets:
            passed = number(one.summary["passed_percent"], 3)
            beside = f"of {one.summary['looked_at']} snapshots · {passed} % pass the filter"
            found.append(Headline(str(one.summary["kept"]), f"structures: {one.name}", beside))
        return found

    def figures(self) -> list[Figure | None]:
        """Draw formation energies and short-range order."""
        return [draw_energies(self.sets), *draw_orders(self.sets)]

    def content(self) -> list[dict[str, Any]]:
        """Return what the selections say, and the formation energies."""
        return [
            {
                "name": one.name,
                "summary": one.summary,
                "nodes": one.nodes,
                "formation_energies": one.formation_energies.tolist(),
            }
            for one in self.sets
        ]


def read_sets(made: Made) -> AlloySets | None:
    """Return the data sets among the outputs of ``dismai.dataset.alloy``; None if there are none yet.

    Of a process that was given one training set, only that set is wanted.
    """
    sets = made.outputs.get("datasets")
    sets = sets if isinstance(sets, dict) else {}
    if made.train is not None:
        sets = {name: nodes for name, nodes in sets.items() if "train" in nodes and nodes["train"].pk == made.train.pk}
    found = []
    for name, nodes in sorted(sets.items(), key=lambda item: _place(item[0])):
        if "summary" not in nodes:
            continue
        one = AlloySet(name, nodes["summary"].get_dict(), {port: node.pk for port, node in nodes.items()})
        if "dataset" in nodes:
            structures = nodes["dataset"].structures
            one.formation_energies, one.order = structures.values("formation_energy"), structures.values("sro")
        found.append(one)
    return AlloySets(found) if found else None


def _place(name: str) -> tuple[float, str]:
    """Sort by temperature, then by name."""
    digits = name.split("_")[0].removeprefix("T")
    return (float(digits) if digits.isdigit() else np.inf, name)


def _energy(summary: dict[str, Any]) -> str | None:
    entry = summary["formation_energy"]
    return None if entry["mean"] is None else with_spread(entry["mean"], entry["std"])


def _colours(sets: Sequence[AlloySet]) -> dict[str, str]:
    """Return a colour for each data set: what comes without a filter is grey where there are others."""
    found: dict[str, str] = {}
    others = iter(COLOURS * len(sets))
    for one in sets:
        plain = (one.summary.get("selection") or {}).get("width") is None
        found[one.name] = DATA if plain and DATA not in found.values() else next(others)
    return found


def draw_energies(sets: Sequence[AlloySet]) -> Figure | None:
    """Draw the formation energies of all data sets (figure S1)."""
    drawn = [one for one in sets if len(one.formation_energies)]
    if not drawn:
        return None
    figure = new_figure("Formation energies of the data sets", "formation energy, eV/atom", "structures, %")
    groups = [(title_of(one.name), one.formation_energies, COLOURS[i % len(COLOURS)]) for i, one in enumerate(drawn)]
    add_histograms(figure, groups, bins=2 * BINS)
    return figure


def draw_orders(sets: Sequence[AlloySet]) -> list[Figure]:
    """Draw the order of the nearest shells, a figure for each temperature (figure S2): a panel for each pair."""
    drawn = [one for one in sets if len(one.formation_energies)]
    temperatures = list(dict.fromkeys(one.temperature for one in drawn))
    return [_order([one for one in drawn if one.temperature == label]) for label in temperatures]


def _order(sets: Sequence[AlloySet]) -> Figure:
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    pairs = sets[0].summary["pairs"]
    shells = [shell for shell in SHELLS if shell < sets[0].order.shape[1]]
    columns = min(len(pairs), 3)
    lines = -(-len(pairs) // columns)
    titles = [
        f"{pair}, shell {shell + 1}" if column < len(pairs) else ""
        for shell in shells
        for line in range(lines)
        for column in range(line * columns, (line + 1) * columns)
        for pair in [pairs[column] if column < len(pairs) else ""]
    ]
    figure = make_subplots(
        rows=len(shells) * lines,
        cols=columns,
        subplot_titles=titles,
        vertical_spacing=0.32 / (len(shells) * lines),
        horizontal_spacing=0.06,
    )
    height = 140 + PANEL * len(shells) * lines
    base = new_figure(f"Short-range order, {sets[0].temperature}", "", "", height)
    figure.update_layout(base.layout)
    # between the title and those of the panels
    figure.update_layout(margin_t=96, title_y=1 - 20 / height, legend_y=1 + 24 / (height - 148))
    figure.update_annotations(font_size=12)
    colours = _colours(sets)
    for s, shell in enumerate(shells):
        for p in range(len(pairs)):
            row, column = s * lines + p // columns + 1, p % columns + 1
            everything = np.concatenate([one.order[:, shell, p] for one in sets])
            low, high = float(everything.min()), float(everything.max())
            edges = np.linspace(low, high, BINS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, BINS + 1)
            for one in sets:
                counts, _ = np.histogram(one.order[:, shell, p], edges)
                trace = go.Scatter(
                    **stairs(edges, 100 * counts / len(one.order)),
                    name=f"{title_of(one.name)} ({len(one.order)})",
                    legendgroup=one.name,
                    showlegend=s == 0 and p == 0,
                    mode="lines",
                    line={"color": colours[one.name], "width": 1.4},
                    fill="tozeroy",
                    fillcolor=transparent(colours[one.name], 0.18),
                    meta=STAIRS,
                )
                figure.add_trace(trace, row=row, col=column)
    figure.update_yaxes(title="structures, %", title_font_size=11, col=1)
    figure.update_xaxes(nticks=3, tickangle=0)  # on a narrow page more would stand on the titles below
    return figure
