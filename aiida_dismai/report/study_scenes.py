"""The structures of a study: of each model on each data set the best, the median and the worst by the main measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.metrics.places import choose
from ..provenance import outputs_of
from .family import FamilyReport, find_report
from .model import Model
from .nodes import arrays_of
from .scenes import Scene, measures_of, scenes_of
from .sets import sets_behind

#: Which structures the page of a study shows, in words.
CHOSEN = (
    "of each model on each data set (the trained model in the middle, where there are several) the best, the median "
    "and the worst by the main measure"
)
#: What is kept first where not all find a place: something of each model.
ORDER = {"median": 0, "best": 1, "worst": 2}


@dataclass
class Trained:
    """One trained model of a benchmark."""

    run: str
    name: str
    metrics: Any
    per_structure: Any
    generated: Any


def study_scenes(study: Mapping[str, Any], summaries: Mapping[str, Any]) -> tuple[list[Scene], int]:
    """Return the scenes of a study, and how many structures were analysed in all of it.

    Args:
        study: the table of the study.
        summaries: the nodes of its output ``summaries``, by the names of the benchmarks; of those whose benchmark is
            not in this profile nothing is shown.
    """
    found: list[Scene] = []
    analysed = 0
    for dataset, entry in study["datasets"].items():
        family = find_report(entry["family"])
        for row in entry["rows"]:
            trained = [one for run in row["runs"] if run in summaries for one in trained_of(run, summaries[run])]
            analysed += sum(int(one.metrics.get_dict().get("n_analysed") or 0) for one in trained)
            found += _of_row(dataset, str(row["name"]), trained, family)
    return found, analysed


def benchmark_of(summary: Any) -> Any:
    """Return the process of the benchmark that a summary is from; None if it is not in this profile."""
    return None if summary.creator is None else summary.creator.caller


def trained_of(run: str, summary: Any) -> Iterator[Trained]:
    """Yield the trained models of the benchmark that a summary is from."""
    benchmark = benchmark_of(summary)
    if benchmark is None:
        return
    outputs = outputs_of(benchmark)
    for name, metrics in sorted((outputs.get("metrics") or {}).items()):
        beside = ((outputs.get(group) or {}).get(name) for group in ("per_structure", "generated"))
        yield Trained(run, name, metrics, *beside)


def _of_row(dataset: str, name: str, trained: list[Trained], family: FamilyReport) -> list[Scene]:
    values = [(one.metrics.get_dict().get(family.main) or {}).get("value") for one in trained]
    places = choose(np.array([np.nan if value is None else value for value in values], dtype=float))
    if not len(places):
        return []
    one = trained[int(places[1])]
    sets = sets_behind(one.metrics, None if one.generated is None else one.generated.pk)
    if one.per_structure is None or sets is None:
        return []
    model = Model(name, one.metrics.get_dict(), per_structure=arrays_of(one.per_structure))
    known = measures_of(model, family)
    found = scenes_of(model, family, sets, [family.main] if family.main in known else known[:1])
    for scene in found:
        scene.dataset, scene.order = dataset, ORDER[scene.place]
        scene.title += f" · {one.run}, {one.name}"
    return found
