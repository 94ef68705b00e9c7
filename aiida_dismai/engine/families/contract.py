"""What a family of structures (interfaces, amorphous structures, alloys, yours) says about itself, in one object.

The rest of the package asks this object and knows no family by name: the metrics and their command, the workflows, the
command line, the reports. ``docs/howto/own_family.md`` shows how to write one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class MetricSpec:
    """How a metric is shown.

    Attributes:
        name: as in ``results.json``. ``d_*`` stands for all that begin with ``d_`` and have no entry of their own.
        label: a few words; in that of ``d_*``, ``{}`` stands for the rest of the name.
        unit: such as ``%``; empty for a plain number.
    """

    name: str
    label: str
    unit: str = ""

    @property
    def title(self) -> str:
        """Label and unit, ``with a vacancy, %``."""
        return f"{self.label}, {self.unit}" if self.unit else self.label


@dataclass(frozen=True)
class CurveSpec:
    """How an averaged vector is drawn, of the training set and of each model with its interval.

    Attributes:
        name: of the vector; ``per_structure.npz`` holds ``curve.NAME`` and ``labels.NAME`` (the x values).
        title: of the figure.
        x: title of the x axis, with its unit.
        y: title of the y axis, with its unit.
        scale: what the values are multiplied by when they are drawn.
    """

    name: str
    title: str
    x: str
    y: str
    scale: float = 1.0


@dataclass(frozen=True)
class PropertySpec:
    """A property of a whole data set, shown for the training set beside each model.

    Attributes:
        name: entry of ``results.json``: a mapping with ``training`` and ``generated``, each of which is a number,
            a mapping with ``mean`` and ``std``, or None; a ``wasserstein`` in it is the distance of the distributions.
        label: a few words.
        unit: such as ``eV/atom``; empty for a plain number.
        table: title of the table that it stands in.
    """

    name: str
    label: str
    unit: str = ""
    table: str = "properties: mean ± standard deviation"


@dataclass(frozen=True)
class FamilySpec:
    """A family of structures as it registers itself; the object that its entry point (``dismai.families``) names.

    The module that holds it imports no torch and no Numba, because the AiiDA host reads it. Classes are named as
    ``module:Class`` and imported when they are needed.

    Attributes:
        name: the name of the entry point; the value of the parameter ``kind``, and the name of the family's own table
            of parameters.
        summary: one line for lists.
        label: what its structures are called in text, in the plural: ``amorphous structures``.
        engine: ``module:Class`` of its metrics, a subclass of
            :class:`~aiida_dismai.engine.families.base.FamilyMetrics`.
        metrics: its metrics in the order of a table. The first one is the main measure: it stands for the family where
            there is room for a single number.
        parameters: ``module:Class`` of its own parameters, a subclass of
            :class:`~aiida_dismai.engine.parameters.Parameters` in which every field has a default; empty for none.
        report: ``module:Class`` of what its reports have besides metrics, curves and properties, a subclass of
            :class:`~aiida_dismai.report.family.FamilyReport`; empty for nothing.
        curves: averaged vectors worth a figure.
        properties: what summarises a data set.
        relaxation: parameters of the task ``relax`` that are laid over those of the protocol, such as
            ``{"calculator": "edip"}``; empty for the protocol's own, a potential trained on the data set. A trained
            potential that is given replaces the calculator. None: structures are neither pushed apart nor relaxed, but
            measured as they were generated.
        same_composition: whether all structures must have the composition of the training set.
        periodic_axes: lattice vectors, from the first on, along which a structure must be periodic.
        dataset: entry point of the workflow that makes its data sets, such as ``dismai.dataset.alloy``; empty for none.
    """

    name: str
    summary: str
    label: str
    engine: str
    metrics: tuple[MetricSpec, ...]
    parameters: str = ""
    report: str = ""
    curves: tuple[CurveSpec, ...] = ()
    properties: tuple[PropertySpec, ...] = ()
    relaxation: Mapping[str, Any] | None = field(default_factory=dict)
    same_composition: bool = True
    periodic_axes: int = 3
    dataset: str = ""

    @property
    def main(self) -> str:
        """Name of the main measure."""
        return self.metrics[0].name

    @property
    def ranked(self) -> tuple[str, ...]:
        """Names of the measures by which models are ranked: all that the family names one by one, and failures."""
        own = [metric.name for metric in self.metrics if not metric.name.endswith("*")]
        return tuple(dict.fromkeys([*own, "failed_percent"]))

    @property
    def relaxed(self) -> bool:
        """Whether structures are pushed apart and relaxed before they are measured."""
        return self.relaxation is not None

    def metric(self, name: str) -> MetricSpec | None:
        """Return how a metric is shown; None for one that the family does not name."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        for metric in self.metrics:
            prefix, star, _ = metric.name.partition("*")
            if star and name.startswith(prefix):
                return MetricSpec(name, metric.label.format(name.removeprefix(prefix)), metric.unit)
        return None


#: Measures that every family has, after its own.
COMMON = (
    MetricSpec("failed_percent", "failed", "%"),
    MetricSpec("mean_relaxation_steps", "relaxation steps"),
)
#: Title of the table of energies.
ENERGIES = "energies: mean ± standard deviation"
#: Properties that every family has, before its own.
COMMON_PROPERTIES = (PropertySpec("energy_per_atom", "energy", "eV/atom", ENERGIES),)
