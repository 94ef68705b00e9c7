"""A family's part of a report.

What a family says in its :class:`~aiida_dismai.engine.families.contract.FamilySpec` is shown by :class:`FamilyReport`
as it is: labels and units of the metrics, curves, properties. A family with more to show names a subclass in the field
``report`` of its spec.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..engine.errors import BadInput
from ..engine.families.contract import COMMON, FamilySpec, MetricSpec
from ..engine.families.registry import find
from ..engine.plugins import load
from ..engine.text import visible
from .model import Model
from .parts import DataSetPart, Headline, Made, Rows

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: What names of distances begin with: they have a noise floor.
DISTANCES = ("d_", "cos_")


class FamilyReport:
    """What reports show of a family: its metrics as the spec describes them. Subclasses add to it.

    Attributes:
        spec: what the family says about itself.
        problem: why the family's own part is missing; empty if it is not.
    """

    def __init__(self, spec: FamilySpec, problem: str = "") -> None:
        self.spec = spec
        self.problem = problem

    # ------------------------------------------------------------------ to be added to
    def dataset(self, made: Made) -> DataSetPart | None:
        """Return the data set that a process of the spec's ``dataset`` has made; None if there is nothing to show."""
        return None

    def headline(self, models: Sequence[Model]) -> list[Headline]:
        """Return further numbers for the top of the page, after the metrics."""
        return []

    def rows(self, models: Sequence[Model]) -> list[Rows]:
        """Return rows of tables of the training set beside the models, besides the spec's ``properties``."""
        return []

    def figures(self, models: Sequence[Model]) -> Mapping[str, Sequence[Figure | None]]:
        """Return further figures (plotly) by heading; None for one that there is nothing to draw in."""
        return {}

    def content(self, models: Sequence[Model]) -> dict[str, Any]:
        """Return further entries of ``family`` in JSON: plain values, lists and mappings."""
        return {}

    def columns(self, model: Model) -> dict[str, Any]:
        """Return further columns of a model's row in CSV: a number, a text or None each."""
        return {}

    # ------------------------------------------------------------------ as the spec says
    @property
    def name(self) -> str:
        """The name of the family."""
        return self.spec.name

    @property
    def main(self) -> str | None:
        """Name of the main measure; None for a family that is not known here."""
        return self.spec.main if self.spec.metrics else None

    def metric(self, name: str) -> MetricSpec:
        """Return how a measure is shown; of one that nobody has named, the label is empty."""
        common = next((metric for metric in COMMON if metric.name == name), MetricSpec(name, ""))
        return self.spec.metric(name) or common

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Return measures in the order of a table: as in the spec, then common ones, then all others by name."""
        left = sorted(names, key=_place)
        found: list[str] = []
        own = {metric.name for metric in self.spec.metrics}
        for metric in (*self.spec.metrics, *COMMON):
            prefix, star, _ = metric.name.partition("*")
            of_it = [n for n in left if (n.startswith(prefix) and n not in own if star else n == metric.name)]
            found += [name for name in of_it if name not in found]
        return found + [name for name in left if name not in found]

    def top(self) -> list[str]:
        """Return the measures at the top of a report: the main one, shares, and what all families have."""
        own = [metric.name for metric in self.spec.metrics]
        shares = [name for name in own[1:] if not name.startswith(DISTANCES)]
        return [*own[:1], *shares, *(metric.name for metric in COMMON)]


def _place(name: str) -> tuple[int, str]:
    for place, prefix in enumerate((*DISTANCES, "mean_")):
        if name.startswith(prefix):
            return place, name
    return 9, name


def make_report(spec: FamilySpec) -> FamilyReport:
    """Return a family's part of reports; if its class cannot be used, what the spec says, and the ``problem``."""
    if not spec.report:
        return FamilyReport(spec)
    try:
        found = load(spec.report)
        if not (isinstance(found, type) and issubclass(found, FamilyReport)):
            raise BadInput(f"{spec.report} is not a subclass of FamilyReport")
        made: FamilyReport = found(spec)
    except Exception as error:  # a foreign module may raise anything when it is imported
        reason = str(error) if isinstance(error, BadInput) else f"{type(error).__name__}: {error}"
        return FamilyReport(spec, f"Only what every family has is shown of {spec.label}: {visible(reason, 300)}.")
    return made


def find_report(kind: str) -> FamilyReport:
    """Return the part of reports of a family by name; one that is not installed here is shown without labels.

    Metrics may come from anywhere, for example in an archive of somebody who has more plug-ins.
    """
    try:
        return make_report(find(kind))
    except BadInput as error:
        unknown = FamilySpec(name=kind, summary="", label=f"'{kind}'", engine="", metrics=())
        return FamilyReport(unknown, f"Metrics have no labels here: {visible(error, 300)}; install its plug-in.")
