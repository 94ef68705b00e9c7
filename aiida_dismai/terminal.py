"""The terminal: one console, one look of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .engine.text import visible

#: Characters of a cell of a table at most; what is longer is cut in the middle.
CELL = 2000
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
        title: printed above it, as text.
        columns: the headings; when all are empty, no heading is printed.
        rows: cells; None is printed as a dash, all else as text, in which nothing is hidden: names and messages come
            from files and nodes of others.
        numeric: indices of the columns that are aligned to the right.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(
        title=Text(visible(title)),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_header=any(columns),
    )
    for index, column in enumerate(columns):
        result.add_column(Text(visible(column)), justify="right" if index in numeric else "left", overflow="fold")
    for row in rows:
        result.add_row(
            *(cell if isinstance(cell, Text) else Text("–" if cell is None else visible(cell, CELL)) for cell in row)
        )
    return result
