"""The families of metrics: ``interface``, ``amorphous`` and ``alloy``, each with one module.

``base`` says what a family gives: what is computed of one structure, and which averages are compared.
"""

from __future__ import annotations

from ..parameters import DescribeParameters
from .base import MetricKind


def find_kind(parameters: DescribeParameters) -> MetricKind:
    """Return the family that the parameters ask for."""
    from .alloy import AlloyKind
    from .amorphous import AmorphousKind
    from .interface import InterfaceKind

    kinds: tuple[type[MetricKind], ...] = (InterfaceKind, AmorphousKind, AlloyKind)
    return {kind.name: kind for kind in kinds}[parameters.kind](parameters)


__all__ = ["MetricKind", "find_kind"]
