"""Numbers as a report writes them."""

from __future__ import annotations

from math import floor, log10
from typing import Any


def number(value: Any, digits: int = 4) -> str | None:
    """Return a number with so many significant digits; None stays None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return str(value) if isinstance(value, int) else f"{value:.{digits}g}"


def with_spread(mean: float, spread: float) -> str:
    """Return a mean and its spread, both to the second digit of the spread.

    Example:
        >>> with_spread(-4.80123, 0.0213)
        '-4.801 ± 0.021'
    """
    if not spread > 0:
        return f"{mean:.5g} ± 0"
    digits = max(0, 1 - floor(log10(spread)))
    return f"{mean:.{digits}f} ± {spread:.{digits}f}"


def distribution(entry: Any) -> Any:
    """Return a property of a set as it is shown: of a mapping ``mean`` and ``std``, anything else as it is."""
    if not isinstance(entry, dict):
        return entry
    return None if entry.get("mean") is None else with_spread(entry["mean"], entry["std"])
