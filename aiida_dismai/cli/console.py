"""Printing: one console, one look of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

#: Columns where the output is not a terminal: wide enough that no number is cut in a log or a pipe.
PLAIN_WIDTH = 160


def console() -> Any:
    """Return a rich console on the present standard output."""
    import sys

    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=PLAIN_WIDTH)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], numeric: Sequence[int] = ()) -> Any:
    """Return a rich table.

    Args:
        title: printed above it.
        columns: the headings; when all are empty, no heading is printed.
        rows: cells; None is printed as a dash, all else as text.
        numeric: indices of the columns that are aligned to the right.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_header=any(columns),
    )
    for index, column in enumerate(columns):
        result.add_column(column, justify="right" if index in numeric else "left", overflow="fold")
    for row in rows:
        result.add_row(*(cell if isinstance(cell, Text) else Text("–" if cell is None else str(cell)) for cell in row))
    return result
