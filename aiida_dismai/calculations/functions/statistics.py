"""Bringing the results of several independently trained models together."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict


def values_of(results: dict[str, Any]) -> dict[str, float | None]:
    """Return the measures in a metrics result: entries that have a ``value``, and plain numbers named ``mean_…``."""
    found: dict[str, float | None] = {}
    for name, entry in results.items():
        if isinstance(entry, dict) and "value" in entry:
            found[name] = entry["value"]
        elif name.startswith("mean_") and (entry is None or isinstance(entry, (int, float))):
            found[name] = entry
    return found


@calcfunction
def aggregate_metrics(**results: Dict) -> Dict:
    """Return mean, min and max over models of every measure (the paper reports these three).

    A model of which nothing could be analysed has no distance: it counts in ``failed_percent`` and is
    left out of the mean of the others, and ``models`` says how many values each mean is made of.
    """
    by_model = [values_of(results[name].get_dict()) for name in sorted(results)]
    measures = sorted(set().union(*by_model)) if by_model else []
    summary: dict[str, Any] = {}
    for measure in measures:
        per_model = [values.get(measure) for values in by_model]
        numbers = [value for value in per_model if value is not None]
        summary[measure] = {
            "mean": float(np.mean(numbers)) if numbers else None,
            "min": float(min(numbers)) if numbers else None,
            "max": float(max(numbers)) if numbers else None,
            "models": len(numbers),
            "per_model": per_model,
        }
    return Dict({"n_models": len(by_model), "metrics": summary})
