"""Ranks of models on data sets, from measures with intervals; of all measures a smaller one is better.

The paper ranks its models by their general performance on each data set (Fig. 10) and does not say how the ranks are
formed. Here a model's rank in one measure is one more than the number of models that are better beyond doubt: those
whose interval ends below the beginning of its own. Models whose intervals overlap are not ordered, so that they may
share a rank. On a data set, models are ordered by the mean of their ranks in its measures, and overall by the mean of
their ranks on the data sets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: Means of ranks that differ by less are equal: sums in another order.
EQUAL = 1e-9


@dataclass(frozen=True)
class Score:
    """A measure of a model with its interval.

    Attributes:
        value: the measure; NaN where nothing could be analysed.
        lower: lower end of the interval.
        upper: its upper end.
    """

    value: float
    lower: float
    upper: float

    @classmethod
    def of(cls, value: float | None, lower: float | None = None, upper: float | None = None) -> Score:
        """Return a score; an end that is not known is the value itself."""
        number = math.nan if value is None else value
        return cls(number, number if lower is None else lower, number if upper is None else upper)


def ranks_in(scores: Mapping[str, Score]) -> dict[str, int]:
    """Rank models in one measure.

    Args:
        scores: by model; one with NaN is behind all others.

    Returns:
        1 + the number of models whose interval lies wholly below.
    """
    known = [score for score in scores.values() if not math.isnan(score.value)]
    return {
        model: 1 + (len(known) if math.isnan(score.value) else sum(other.upper < score.lower for other in known))
        for model, score in scores.items()
    }


def order(means: Mapping[str, float]) -> dict[str, int]:
    """Rank models by a mean of ranks; equal means share the better rank."""
    return {model: 1 + sum(other < mean - EQUAL for other in means.values()) for model, mean in means.items()}


@dataclass(frozen=True)
class DataSetRanks:
    """Ranks on a data set.

    Attributes:
        measures: rank by model by measure.
        mean: mean of these ranks by model.
        rank: by model.
    """

    measures: dict[str, dict[str, int]]
    mean: dict[str, float]
    rank: dict[str, int]


def rank_on(scores: Mapping[str, Mapping[str, Score]]) -> DataSetRanks:
    """Rank models on a data set.

    Args:
        scores: by measure, and there by model. A model that lacks a measure which others have, because nothing of it
            could be analysed, is behind all others in it.
    """
    models = list(dict.fromkeys(model for by_model in scores.values() for model in by_model))
    filled = {
        name: {model: by_model.get(model, Score.of(None)) for model in models} for name, by_model in scores.items()
    }
    measures = {name: ranks_in(by_model) for name, by_model in filled.items() if by_model}
    mean = {model: sum(ranks[model] for ranks in measures.values()) / len(measures) for model in models}
    return DataSetRanks(measures, mean, order(mean))


@dataclass(frozen=True)
class Overall:
    """Ranks over all data sets.

    Attributes:
        ranks: by model by data set; a model that was not run on a data set shares the place behind all that were.
        mean: mean of these ranks by model.
        rank: by model.
        missing: data sets on which a model was not run, by model; models with none are left out.
    """

    ranks: dict[str, dict[str, int]]
    mean: dict[str, float]
    rank: dict[str, int]
    missing: dict[str, list[str]]


def rank_overall(datasets: Mapping[str, DataSetRanks]) -> Overall:
    """Rank models over data sets, each of which counts the same."""
    models = list(dict.fromkeys(model for ranks in datasets.values() for model in ranks.rank))
    ranks = {
        name: {model: found.rank.get(model, len(found.rank) + 1) for model in models}
        for name, found in datasets.items()
    }
    mean = {model: sum(of_set[model] for of_set in ranks.values()) / len(ranks) for model in models}
    missing = {model: [name for name, found in datasets.items() if model not in found.rank] for model in models}
    return Overall(ranks, mean, order(mean), {model: names for model, names in missing.items() if names})
