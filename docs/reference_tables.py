"""Markdown tables and pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NOTE = "<!-- Written by docs/generate_reference.py; edit the docstrings, ports and fields that it reads. -->\n"


def cell(text: Any) -> str:
    """Return text that can stand in a cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def table(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a Markdown table; without rows an empty string."""
    heads, rows = list(heads), [list(row) for row in rows]
    if not rows:
        return ""
    lines = [heads, ["---"] * len(heads), *([cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def section(*parts: str) -> str:
    """Join the parts that are not empty."""
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)
