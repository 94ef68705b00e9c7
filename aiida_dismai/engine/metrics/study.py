"""The table of a study: models × data sets, with ranks; plain data in, plain data out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .aggregate import merge
from .ranking import DataSetRanks, Score, rank_on, rank_overall


@dataclass(frozen=True)
class Result:
    """What one benchmark of a study gave.

    Attributes:
        dataset: name of the data set.
        model: name of the model in the study.
        summary: from :func:`~.aggregate.summarise`; None where there is none.
        reason: why there is none.
        value: of the hyper-parameter that the study varies; None without one.
        baseline: whether the model learns nothing; it is shown and not ranked.
        run: name of the benchmark in the process.
    """

    dataset: str
    model: str
    summary: Mapping[str, Any] | None = None
    reason: str = ""
    value: Any = None
    baseline: bool = False
    run: str = ""


def tabulate(
    results: Sequence[Result], families: Mapping[str, str], ranked: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Bring the benchmarks of a study together.

    Args:
        results: one for each benchmark; those of a model on a data set, with other seeds, become one row.
        families: family by data set.
        ranked: names of the measures that count for ranks, by family.

    Returns:
        ``datasets``: of each data set ``family``, ``rows`` and ``ranks``. A row has ``model``, ``value``, ``baseline``,
        ``n_models``, ``metrics`` (as in a summary; empty without any), ``reason`` (of what is missing) and ``runs``.
        ``ranks`` has ``measures``, ``mean`` and ``rank`` of :class:`~.ranking.DataSetRanks`, or is None.
        ``overall``: of :class:`~.ranking.Overall`, or None without any ranks.
    """
    datasets: dict[str, Any] = {}
    of_sets: dict[str, DataSetRanks] = {}
    for name in dict.fromkeys(result.dataset for result in results):
        family = families[name]
        rows = _rows([result for result in results if result.dataset == name])
        ranks = _ranks(rows, ranked[family])
        if ranks is not None:
            of_sets[name] = ranks
        datasets[name] = {"family": family, "rows": rows, "ranks": None if ranks is None else asdict(ranks)}
    overall = rank_overall(of_sets) if of_sets else None
    return {"datasets": datasets, "overall": None if overall is None else asdict(overall)}


def name_of(model: str, value: Any) -> str:
    """Return what a model with a value of the varied hyper-parameter is called."""
    return model if value is None else f"{model} ({value})"


def _rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(name_of(result.model, result.value), []).append(result)
    return [_row(name, group) for name, group in rows.items()]


def _row(name: str, results: Sequence[Result]) -> dict[str, Any]:
    summaries = [dict(result.summary) for result in results if result.summary is not None]
    merged = merge(summaries) if summaries else {"n_models": 0, "metrics": {}}
    reasons = dict.fromkeys(result.reason for result in results if result.summary is None)
    first = results[0]
    return {
        "name": name,
        "model": first.model,
        "value": first.value,
        "baseline": first.baseline,
        "n_models": merged["n_models"],
        "metrics": merged["metrics"],
        "reason": "; ".join(filter(None, reasons)),
        "runs": [result.run for result in results],
    }


def _ranks(rows: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> DataSetRanks | None:
    """Rank the models that gave anything, baselines left out; None without any."""
    models = [row for row in rows if row["metrics"] and not row["baseline"]]
    scores: dict[str, dict[str, Score]] = {}
    for measure in measures:
        of_models = {row["name"]: _score(row["metrics"].get(measure)) for row in models}
        known = {name: score for name, score in of_models.items() if score is not None}
        if known:
            scores[measure] = known
    return rank_on(scores) if scores else None


def _score(entry: Mapping[str, Any] | None) -> Score | None:
    return None if entry is None or entry["mean"] is None else Score.of(entry["mean"], entry["lower"], entry["upper"])
