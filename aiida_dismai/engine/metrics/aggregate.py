"""Bringing the results of several independently trained models together."""

from __future__ import annotations

from typing import Any

import numpy as np


def values_of(results: dict[str, Any]) -> dict[str, float | None]:
    """Return the measures in a metrics result: entries that have a ``value``, and plain numbers named ``mean_…``."""
    found: dict[str, float | None] = {}
    for name, entry in results.items():
        if isinstance(entry, dict) and "value" in entry:
            found[name] = entry["value"]
        elif name.startswith("mean_") and (entry is None or isinstance(entry, (int, float))):
            found[name] = entry
    return found


def intervals_of(results: dict[str, Any]) -> dict[str, tuple[float | None, float | None]]:
    """Return the ends of the interval of each measure that has one."""
    return {
        name: (entry.get("lower"), entry.get("upper"))
        for name, entry in results.items()
        if isinstance(entry, dict) and "value" in entry
    }


def floors_of(results: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return the noise floor of each measure that has one: ``floor``, and of distances also its interval."""
    intervals = (results.get("noise_floor") or {}).get("metrics") or {}
    return {
        name: {
            "floor": entry["floor"],
            "floor_lower": intervals.get(name, {}).get("lower"),
            "floor_upper": intervals.get(name, {}).get("upper"),
        }
        for name, entry in results.items()
        if isinstance(entry, dict) and "floor" in entry
    }


def validation_of(results: dict[str, Any]) -> dict[str, float | None]:
    """Return what the validation set gets, brought to the number of structures that was measured."""
    found = (results.get("noise_floor") or {}).get("validation") or {}
    return {name: entry.get("at_measured") for name, entry in (found.get("metrics") or {}).items()}


def summarise(models: list[dict[str, Any]]) -> dict[str, Any]:
    """Return mean, min and max over models of every measure (the paper reports these three).

    A model of which nothing could be analysed has no distance: it counts in ``failed_percent`` and is left out of the
    mean of the others.

    Args:
        models: results of the task ``metrics`` (``results.json``), one for each model.

    Returns:
        ``n_models``, and ``metrics``: of each measure ``mean``, ``min``, ``max``, ``models`` (how many values these are
        made of), ``per_model``, ``lower`` and ``upper`` (from the lowest to the highest end of the models' own
        intervals), the noise floor (``floor``, ``floor_lower``, ``floor_upper``) and ``validation`` (the
        validation set's value). Floor and validation are means over the models, too, since they depend on how many
        structures of a model were analysed. What is not known is None.
    """
    by_model = [values_of(results) for results in models]
    intervals = [intervals_of(results) for results in models]
    floors, validations = [floors_of(results) for results in models], [validation_of(results) for results in models]
    summary: dict[str, Any] = {}
    for measure in sorted(set().union(*by_model)):
        per_model = [values.get(measure) for values in by_model]
        numbers = _known(per_model)
        summary[measure] = {
            "mean": _mean(per_model),
            "min": float(min(numbers)) if numbers else None,
            "max": float(max(numbers)) if numbers else None,
            "models": len(numbers),
            "per_model": per_model,
            "lower": min(_known([ends.get(measure, (None, None))[0] for ends in intervals]), default=None),
            "upper": max(_known([ends.get(measure, (None, None))[1] for ends in intervals]), default=None),
            "validation": _mean([values.get(measure) for values in validations]),
        }
        for name in ("floor", "floor_lower", "floor_upper"):
            summary[measure][name] = _mean([values.get(measure, {}).get(name) for values in floors])
    return {"n_models": len(by_model), "metrics": summary}


#: What of a measure is a mean over models.
MEANS = ("validation", "floor", "floor_lower", "floor_upper")


def merge(summaries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the summary of all models of several summaries of the same kind, for example of several seeds."""
    if len(summaries) == 1:
        return summaries[0]
    merged: dict[str, Any] = {}
    for measure in sorted(set().union(*(summary["metrics"] for summary in summaries))):
        entries = [summary["metrics"].get(measure, {}) for summary in summaries]
        per_model = [
            value
            for entry, summary in zip(entries, summaries, strict=True)
            for value in entry.get("per_model", [None] * summary["n_models"])
        ]
        numbers = _known(per_model)
        merged[measure] = {
            "mean": _mean(per_model),
            "min": min(numbers, default=None),
            "max": max(numbers, default=None),
            "models": len(numbers),
            "per_model": per_model,
            "lower": min(_known([entry.get("lower") for entry in entries]), default=None),
            "upper": max(_known([entry.get("upper") for entry in entries]), default=None),
        }
        for name in MEANS:
            weighted = [
                (entry.get(name), summary["n_models"]) for entry, summary in zip(entries, summaries, strict=True)
            ]
            known = [(value, weight) for value, weight in weighted if value is not None]
            total = sum(weight for _, weight in known)
            merged[measure][name] = sum(value * weight for value, weight in known) / total if total else None
    return {"n_models": sum(summary["n_models"] for summary in summaries), "metrics": merged}


def _known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: list[float | None]) -> float | None:
    numbers = _known(values)
    return float(np.mean(numbers)) if numbers else None
