"""The families of metrics: ``interface``, ``amorphous`` and ``alloy``, each with one module.

``base`` says what a family gives: what is computed of one structure, and which averages are compared.
"""

from __future__ import annotations

import importlib

from ..parameters import DescribeParameters
from .base import MetricKind

#: Each is imported only when it is asked for: compiled code is slow to load, and worker processes load it too.
KINDS = {"interface": "InterfaceKind", "amorphous": "AmorphousKind", "alloy": "AlloyKind"}


def find_kind(parameters: DescribeParameters) -> MetricKind:
    """Return the family that the parameters ask for."""
    module = importlib.import_module(f".{parameters.kind}", __name__)
    kind: MetricKind = getattr(module, KINDS[parameters.kind])(parameters)
    return kind


__all__ = ["MetricKind", "find_kind"]
