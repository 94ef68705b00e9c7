"""Cells of CSV files that a spreadsheet opens."""

from __future__ import annotations

import re
from typing import Any

from .text import visible

#: Begins a formula in a spreadsheet, in all its scripts; a number may begin so, too.
FORMULA = ("=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠")
#: Begins one where a semicolon separates cells, as in spreadsheets of some languages, whatever wrote the file.
INSIDE = re.compile(r"([;；]\s*)(?=[=+\-@|%＝＋－＠])")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
#: Characters of a text at most.
CELL = 1000


def cell(value: Any) -> Any:
    """Return a value as it may stand in a CSV file that a spreadsheet opens.

    Names and texts come from files and nodes of others. Control characters are made visible, and a text that a
    spreadsheet would take for a formula gets an apostrophe in front, which spreadsheets do not show; also
    inside, behind a semicolon.

    Example:
        >>> cell("=HYPERLINK(0)"), cell(-1.5), cell("-1.5")
        ("'=HYPERLINK(0)", -1.5, '-1.5')
    """
    if not isinstance(value, str):
        return value
    text = INSIDE.sub(r"\1'", visible(value, CELL))
    return f"'{text}" if text.lstrip().startswith(FORMULA) and not NUMBER.fullmatch(text) else text
