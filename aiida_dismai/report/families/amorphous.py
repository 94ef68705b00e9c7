"""Amorphous structures: coordination of the sets, and the data set of silicon beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...engine.families.amorphous import ANGLES
from ..drawing import COLOURS, DATA, add_histograms, new_figure
from ..family import FamilyReport
from ..model import Model
from ..nodes import arrays_of
from ..numbers import number
from ..parts import DataSetPart, Headline, Made, Row, Rows

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Stages: prefix of the outputs → name and colour.
STAGES = {"made_": ("as made", COLOURS[1]), "": ("relaxed (data set)", DATA)}


@dataclass
class AmorphousSet(DataSetPart):
    """A data set of amorphous silicon.

    Attributes:
        route: how it was made: ``network``, ``quench`` or ``carve``.
        measures: results of ``amorphous.measure`` by stage (``made_`` and empty).
        distributions: the arrays of ``measures.npz`` by stage.
        rounds: what became of the candidates, round by round.
        split: ``train``, ``validation`` (indices) and ``seed``; empty without.
        nodes: PKs by output.
    """

    key = "amorphous"
    columns = ("", "as made", "relaxed (data set)", "six of the authors' structures", "paper, read off its figures")
    route: str
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    distributions: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    split: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)

    @property
    def n_structures(self) -> int:
        """How many structures the data set has."""
        return int(self.measures.get("", {}).get("n_structures", 0))

    @property
    def looked_at(self) -> int:
        """How many candidates were made and relaxed."""
        return sum(int(entry["looked_at"]) for entry in self.rounds)

    @property
    def rejected(self) -> dict[str, int]:
        """Why candidates are not in the data set: reason → count."""
        found: dict[str, int] = {}
        for entry in self.rounds:
            for reason, count in entry["rejected"].items():
                found[reason] = found.get(reason, 0) + int(count)
        return found

    @property
    def text(self) -> str:
        """How the set was made and what became of the candidates."""
        routes = {"network": "bond switching", "quench": "a quench from the melt", "carve": "carving a large cell"}
        text = f"made by {routes.get(self.route, 'an unknown route')}; {self.looked_at} candidates"
        if self.rejected:
            text += ", not taken: " + ", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items()))
        if self.split:
            text += f"; {len(self.split['train'])} for training, {len(self.split['validation'])} for validation"
        return text

    def rows(self) -> list[tuple[str | None, ...]]:
        """Return the measures before and after the relaxation, beside the paper's; a cell may be empty."""
        return [(name, *(text or "" for text in cells)) for name, *cells in _rows(self)]

    def headline(self) -> list[Headline]:
        """Return the number of structures and the deviation of the bond angles."""
        if not self.n_structures:
            return []
        found = [Headline(str(self.n_structures), "structures in the data set", f"of {self.looked_at} candidates")]
        measures = self.measures[""]
        sigma = measures.get("bond_angle_sigma")
        if sigma is not None:
            authors = ((measures.get("targets") or {}).get("six_structures") or {}).get("bond_angle_sigma")
            beside = f"six of the authors' structures {number(authors, 3)}°" if authors else "of the data set"
            found.append(Headline(f"{number(sigma, 3)}°", "standard deviation of the bond angles", beside))
        return found

    def figures(self) -> list[Figure | None]:
        """Draw the radial distribution, the bond angles, the rings and the angles' deviation of single structures."""
        curves = [_curve(self, *what) for what in _CURVES]
        rings = _counted(self, "rings_per_atom", "Rings", "atoms in the ring", "rings per atom")
        return [*curves, rings, _sigmas(self)]

    def content(self) -> dict[str, Any]:
        """Return the measures and what became of the candidates."""
        return {name: getattr(self, name) for name in ("route", "measures", "rounds", "split", "nodes")}


class AmorphousReport(FamilyReport):
    """Reports on amorphous structures: coordination, and what ``dismai.dataset.amorphous`` has made."""

    def dataset(self, made: Made) -> AmorphousSet | None:
        """Return the data set; None before anything was made."""
        outputs = made.outputs
        if "made_measures" not in outputs:
            return None
        found = AmorphousSet(next((name for name in ("network", "quench", "carve") if made.inputs.get(name)), ""))
        for stage in STAGES:
            if f"{stage}measures" in outputs:
                found.measures[stage] = outputs[f"{stage}measures"].get_dict()
                found.distributions[stage] = arrays_of(outputs[f"{stage}distributions"])
        rounds = outputs.get("rounds", {})
        in_order = sorted(rounds, key=lambda name: int(name.rpartition("_")[2]))
        found.rounds = [rounds[name].get_dict() for name in in_order]
        found.split = outputs["split"].get_dict() if "split" in outputs else {}
        named = ("made", "candidates", "dataset", "train", "validation")
        found.nodes = {name: outputs[name].pk for name in named if name in outputs}
        return found

    def rows(self, models: Sequence[Model]) -> list[Rows]:
        """Return the shares of the coordination numbers; the bond angles follow from the spec."""
        found = {cn for model in models for shares in _shares(model).values() for cn in shares}
        return [Rows(ANGLES, [Row(f"CN {cn}, % of the atoms", _share(cn)) for cn in sorted(found, key=int)])]


def _shares(model: Model) -> dict[str, dict[str, float]]:
    return model.metrics.get("coordination_percent") or {}


def _share(cn: str) -> Callable[[Model, str], Any]:
    def read(model: Model, where: str) -> Any:
        shares = _shares(model).get(where)
        return number(float(shares.get(cn, 0.0)), 3) if shares else None

    return read


_CURVES = (
    ("rdf", "rdf_r", 1.0, "Radial distribution of the data set", "distance, Å", "g(r)", ("rdf_peak", "position")),
    (
        "angles",
        "angles_degrees",
        100.0,
        "Bond angles of the data set",
        "angle, degrees",
        "share of the bond angles, %",
        ("bond_angle_peak",),
    ),
)


def _rows(one: AmorphousSet) -> Iterator[tuple[Any, ...]]:
    stages = [one.measures.get(stage, {}) for stage in STAGES]
    targets: dict[str, Any] = next((entry["targets"] for entry in stages if entry.get("targets")), {})
    known_of = [*stages, targets.get("six_structures", {})]
    sides = [*known_of, targets]
    yield "structures", *(number(entry.get("n_structures")) for entry in stages), "6", "1500"
    coordination = [entry.get("coordination_percent") or {} for entry in sides]
    seen = sorted({cn for entry in stages for cn in entry.get("coordination_percent") or {}}, key=int)
    for cn in seen:
        measured = (number(entry.get(cn, 0.0), 3) if entry else None for entry in coordination[:-1])
        yield f"CN {cn}, % of the atoms", *measured, number(coordination[-1].get(cn), 3)
    cutoff = [entry.get("coordination_within_cutoff_percent") or {} for entry in known_of]
    yield "four atoms within 2.85 Å, %", *(number(entry.get("4"), 3) for entry in cutoff), None
    for name, what in (
        ("tetrahedral_percent", "tetrahedral motif, %"),
        ("bond_angle_mean", "bond angle, mean, degrees"),
        ("bond_angle_peak", "bond angle, peak, degrees"),
        ("bond_angle_sigma", "bond angle, standard deviation, degrees"),
    ):
        yield what, *(number(entry.get(name), 4) for entry in sides)
    for name, what in (("position", "first peak of g(r), Å"), ("height", "its height")):
        yield what, *(number((entry.get("rdf_peak") or {}).get(name), 3) for entry in sides)
    for size in sorted({size for entry in stages for size in entry.get("rings_per_atom") or {}}, key=int):
        cells = [(entry.get("rings_per_atom") or {}).get(size) for entry in known_of]
        if any(cells):
            yield f"rings of {size} per atom", *(number(cell, 3) for cell in cells), None
    yield "crystalline surrounding, % of the atoms", *(number(e.get("crystalline_percent"), 3) for e in known_of), None
    yield "density, g/cm³", *(number(entry.get("density"), 4) for entry in sides)
    yield "shortest distance, Å", *(number(entry.get("shortest_distance"), 3) for entry in known_of), None
    yield "energy, eV/atom", *(number(entry.get("energy_per_atom"), 5) for entry in stages), None, None


def _curve(
    one: AmorphousSet, name: str, axis: str, scale: float, title: str, x: str, y: str, target: tuple[str, ...]
) -> Figure:
    import plotly.graph_objects as go

    figure = new_figure(title, x, y)
    for stage, (label, shade) in STAGES.items():
        arrays = one.distributions.get(stage)
        if arrays is not None:
            line = {"color": shade, "width": 2}
            figure.add_trace(go.Scatter(x=arrays[axis], y=scale * arrays[name], name=label, mode="lines", line=line))
    paper = one.measures.get("", one.measures.get("made_", {})).get("targets") or {}
    for key in target:
        paper = (paper or {}).get(key)
    if paper is not None:
        line = {"color": "#8a2be2", "dash": "dot", "width": 1.5}
        figure.add_vline(x=paper, line=line, annotation_text="paper")
    return figure


def _counted(one: AmorphousSet, name: str, title: str, x: str, y: str) -> Figure:
    import plotly.graph_objects as go

    figure = new_figure(title, x, y)
    for stage, (label, shade) in STAGES.items():
        counts = one.measures.get(stage, {}).get(name) or {}
        keys = sorted(counts, key=int)
        if keys:
            figure.add_trace(go.Bar(x=keys, y=[counts[key] for key in keys], name=label, marker_color=shade))
    figure.update_layout(barmode="group", bargap=0.25)
    return figure


def _sigmas(one: AmorphousSet) -> Figure | None:
    groups = []
    for stage, (label, shade) in STAGES.items():
        values = np.asarray(one.distributions.get(stage, {}).get("bond_angle_sigma", []), dtype=float)
        values = values[np.isfinite(values)]
        if len(values):
            groups.append((label, values, shade))
    if not groups:
        return None
    figure = new_figure("Bond angles of single structures", "standard deviation, degrees", "structures, %")
    add_histograms(figure, groups)
    return figure
