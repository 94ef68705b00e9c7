"""Bringing the results of several independently trained models together."""

from __future__ import annotations

from aiida.engine import calcfunction
from aiida.orm import Dict

from ...engine.metrics.aggregate import summarise


@calcfunction
def aggregate_metrics(**results: Dict) -> Dict:
    """Return mean, min and max over models of every measure.

    What is in it says :func:`~aiida_dismai.engine.metrics.aggregate.summarise`.
    """
    return Dict(summarise([results[name].get_dict() for name in sorted(results)]))
