"""What a report is made of: plain data, in the order of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .axis import Varied
from .family import FamilyReport
from .lineage import Lineage
from .model import Arrays, Model
from .parts import DataSetPart
from .scenes import Scene
from .stages import Tree


@dataclass
class Report:
    """All of one report.

    Attributes:
        process: pk, uuid, label, state, exit status and message, times of the process reported on.
        summary: ``n_models`` and ``metrics`` (mean, min, max, per model, noise floor); empty without models.
        models: one entry each.
        study: the table of a study, models by data sets with ranks; empty for other processes.
        varied: of a study that varies a hyper-parameter, what each value gave; empty for others.
        axis: name of that hyper-parameter.
        study_analysed: structures that were analysed in all benchmarks of a study; 0 for other processes.
        family: how the family of the models is shown; None without models.
        comparison: results of a structural comparison, and its ``arrays`` by the name ``comparison``; empty for others.
        datasets: the data set that the process has made, or that it was given; at most one of each family.
        potential: test-set errors and what it was trained on; empty without.
        labels: what DFT did; empty without.
        arrays: ``potential_curves`` and ``potential_parity``, with the arrays of each.
        scenes: structures for the viewer of the page.
        lineage: the provenance graph, as the page draws it.
        tree: the processes.
        stand_ins: codes that stood in for a DFT code in what the process was given, computed or gave out.
        mixed_labels: in what labels differ that were trained on, or compared, together.
        problems: why the part of a family is missing.
        notes: what a reader must know before quoting a number.
        paper: the paper's numbers and where they are from.
        again: what to type to make it again: what for, and the command.
    """

    process: dict[str, Any]
    summary: dict[str, Any] = field(default_factory=dict)
    models: list[Model] = field(default_factory=list)
    study: dict[str, Any] = field(default_factory=dict)
    varied: list[Varied] = field(default_factory=list)
    axis: str = ""
    comparison: dict[str, Any] = field(default_factory=dict)
    study_analysed: int = 0
    family: FamilyReport | None = None
    datasets: list[DataSetPart] = field(default_factory=list)
    potential: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Arrays] = field(default_factory=dict)
    scenes: list[Scene] = field(default_factory=list)
    lineage: Lineage = field(default_factory=Lineage)
    tree: Tree = field(default_factory=Tree)
    stand_ins: list[str] = field(default_factory=list)
    mixed_labels: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    paper: dict[str, Any] = field(default_factory=dict)
    again: list[tuple[str, str]] = field(default_factory=list)

    @property
    def kind(self) -> str | None:
        """The name of the models' family; None without models."""
        return self.family.name if self.family else None

    def add_problem(self, problem: str) -> None:
        """Add a problem once; an empty one is none."""
        if problem and problem not in self.problems:
            self.problems.append(problem)

    @property
    def labels_title(self) -> str:
        """What the relaxations that labels are from are called."""
        return "relaxations with the stand-in (not DFT)" if self.stand_ins else "DFT relaxations"

    @property
    def n_training(self) -> int | None:
        """Structures in the smallest training set that was compared with; None where it is not known."""
        counts = [model.metrics.get("n_reference") for model in self.models]
        return min((int(count) for count in counts if isinstance(count, int)), default=None)

    @property
    def n_analysed(self) -> int:
        """Structures that were analysed, of which ``scenes`` has some."""
        return self.study_analysed + sum(len(model.per_structure.get("index", ())) for model in self.models)

    def measures(self) -> list[str]:
        """Return the names of the measures, the important ones first."""
        metrics = self.summary.get("metrics") or {}
        # what was not relaxed has no steps of a relaxation
        names = [name for name in metrics if metrics[name]["models"] or not name.startswith("mean_")]
        return self.family.ordered(names) if self.family else sorted(names)

    def paper_tables(self) -> list[dict[str, Any]]:
        """Return what the paper reports for structures of this kind: ``data``, and values by model by measure."""
        tables: list[dict[str, Any]] = self.paper["tables"].get(self.kind, [])
        return tables
