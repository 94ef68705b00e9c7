"""A family as a plug-in brings it, in one module: ordered crystals of two elements, whose neighbours are unlike."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from aiida_dismai.engine.errors import NotAnalysed
from aiida_dismai.engine.families.base import FamilyMetrics
from aiida_dismai.engine.families.contract import CurveSpec, FamilySpec, MetricSpec, PropertySpec
from aiida_dismai.engine.families.distances import Metric
from aiida_dismai.engine.neighbours import close_pairs
from aiida_dismai.engine.parameters import Parameters
from aiida_dismai.report.drawing import add_histograms, colour, new_figure, title_of
from aiida_dismai.report.family import FamilyReport
from aiida_dismai.report.numbers import number
from aiida_dismai.report.parts import DataSetPart, Headline, Row, Rows

SPEC = FamilySpec(
    name="rocksalt",
    summary="Ordered crystals of two elements (NaCl and the like): unlike neighbours.",
    label="ordered crystals",
    engine="rocksalt:OrderMetrics",
    parameters="rocksalt:OrderParameters",
    report="rocksalt:OrderReport",
    metrics=(
        MetricSpec("d_unlike", "distance of the numbers of unlike neighbours"),
        MetricSpec("antisite_percent", "with an antisite", "%"),
    ),
    curves=(CurveSpec("unlike", "Unlike neighbours", "neighbours of the other element", "share of the atoms, %", 100),),
    properties=(PropertySpec("order", "share of unlike neighbours", "%"),),
    relaxation={
        "calculator": "ase.calculators.lj:LennardJones",
        "calculator_kwargs": {"sigma": 2.5, "epsilon": 0.05, "rc": 5.0},
        "steps": 3,
    },
    dataset="rocksalt.grow",
)

#: Unlike neighbours that are counted: 0 to 6.
COUNTED = 7


class OrderParameters(Parameters):
    """Parameters of the family, the table ``rocksalt``."""

    cutoff: float = Field(3.2, gt=0, le=10, description="Atoms closer than this are neighbours, Å.")


class OrderMetrics(FamilyMetrics):
    """How many neighbours of an atom are of the other element."""

    def about(self) -> dict[str, Any]:
        return {"kind": self.name, "version": 1, **self.own.model_dump()}

    def fields(self, composition):
        return {"unlike": ("<f8", (COUNTED,)), "order": ("<f8", ())}

    def describe(self, structure):
        if len(structure.elements) != 2:
            raise NotAnalysed("it does not have two elements")
        pairs = close_pairs(structure.positions, structure.cells[0], structure.pbc[0], self.own.cutoff)
        unlike = structure.numbers[pairs.first] != structure.numbers[pairs.second]
        ends = np.concatenate([pairs.first[unlike], pairs.second[unlike]])
        counts = np.bincount(ends, minlength=len(structure.numbers)).clip(max=COUNTED - 1)
        return {"unlike": np.bincount(counts, minlength=COUNTED) / len(counts), "order": 100 * unlike.mean()}

    def vectors(self, records, composition):
        return {"unlike": records["unlike"], "antisite": (records["order"] < 100).astype(float)[:, None]}

    def metrics(self):
        return {"d_unlike": Metric.euclidean("unlike"), "antisite_percent": Metric.percentage("antisite")}

    def labels(self):
        return {"unlike": [str(count) for count in range(COUNTED)]}

    def curves(self):
        return ("unlike",)

    def per_structure(self):
        return ("order",)

    def summary(self, generated, reference):
        sets = {"generated": generated.records, "training": reference.records}
        values = {where: records.column("order") for where, records in sets.items()}
        spreads = {where: {"mean": float(x.mean()), "std": float(x.std())} for where, x in values.items() if len(x)}
        return {"order": spreads}


class CrystalSet(DataSetPart):
    """A data set that the workflow ``rocksalt.grow`` has made."""

    key = "crystals"
    title = "grown crystals"
    columns = ("temperature, K", "structures", "training")

    def __init__(self, counts):
        self.counts = counts

    @property
    def n_structures(self):
        return sum(grown for grown, _ in self.counts.values())

    @property
    def text(self):
        return f"grown at {len(self.counts)} temperatures"

    def rows(self):
        return [(kelvin, number(grown), number(training)) for kelvin, (grown, training) in self.counts.items()]

    def headline(self):
        return [Headline(str(self.n_structures), "crystals", f"grown at {', '.join(self.counts)} K")]

    def figures(self):
        import plotly.graph_objects as go

        figure = new_figure("Crystals by temperature", "temperature, K", "structures")
        figure.add_trace(go.Bar(x=list(self.counts), y=[grown for grown, _ in self.counts.values()]))
        return [figure]

    def content(self):
        return {kelvin: {"grown": grown, "training": training} for kelvin, (grown, training) in self.counts.items()}


class OrderReport(FamilyReport):
    """What reports on ordered crystals have besides the spec's metrics, curve and property."""

    def dataset(self, made):
        if "grown" not in made.outputs:
            return None
        return CrystalSet(made.outputs["grown"].get_dict())

    def headline(self, models):
        perfect = [100 * self.columns(model)["n_perfect"] / len(_orders(model)) for model in models]
        return [Headline(f"{number(float(np.mean(perfect)), 3)} %", "perfect crystals", "generated structures")]

    def rows(self, models):
        def perfect(model, where):
            return self.columns(model)["n_perfect"] if where == "generated" else None

        return [Rows("perfect crystals", [Row("crystals without an antisite", perfect)], "what")]

    def figures(self, models):
        figure = new_figure("Order of single crystals", "share of unlike neighbours, %", "structures, %")
        groups = [(title_of(model.name), _orders(model), colour(i)) for i, model in enumerate(models)]
        add_histograms(figure, groups)
        return {"Order of the crystals": [figure], "Distributions": [None]}

    def content(self, models):
        return {"perfect": {model.name: self.columns(model)["n_perfect"] for model in models}}

    def columns(self, model):
        return {"n_perfect": int((_orders(model) == 100).sum())}


def _orders(model):
    return model.per_structure["order"]
