"""Numbers in the output of codes."""

from __future__ import annotations


def printed_number(word: str) -> float:
    """Return a number; NaN for stars and whatever else is none."""
    try:
        return float("nan" if "_" in word else word)  # Python would read 1_0 as ten
    except ValueError:
        return float("nan")
