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
        made of), ``per_model``, the noise floor (``floor``, ``floor_lower``, ``floor_upper``) and ``validation`` (the
        validation set's value). Floor and validation are means over the models, too, since they depend on how many
        structures of a model were analysed. What is not known is None.
    """
    by_model = [values_of(results) for results in models]
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
            "validation": _mean([values.get(measure) for values in validations]),
        }
        for name in ("floor", "floor_lower", "floor_upper"):
            summary[measure][name] = _mean([values.get(measure, {}).get(name) for values in floors])
    return {"n_models": len(by_model), "metrics": summary}


def _known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: list[float | None]) -> float | None:
    numbers = _known(values)
    return float(np.mean(numbers)) if numbers else None
