"""The numbers of a chart: what is drawn, as a table with a row for each point."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine.spreadsheet import cell
from .drawing import STAIRS

#: Digits of a number.
DIGITS = 10
#: Columns of the table of a chart; those that no trace fills are left out.
COLUMNS = ("series", "panel", "x", "x_to", "y", "lower", "upper", "x_lower", "x_upper")
LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def chart_csv(figure: Any) -> str:
    """Return the numbers of a figure as CSV.

    Bins of a histogram are given by their edges (``x``, ``x_to``) and height, bands around a line as ``lower`` and
    ``upper`` of its points, error bars likewise.
    """
    rows = list(_rows(figure))
    names = [name for name in COLUMNS if any(row.get(name) not in (None, "") for row in rows)]
    target = io.StringIO()
    writer = csv.DictWriter(target, names, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(row.get(name, "")) for name in names} for row in rows)
    return target.getvalue()


def file_name(title: str) -> str:
    """Return a name for a file from the title of a chart.

    Example:
        >>> file_name("Motifs of Li: shares, %")
        'motifs-of-li-shares'
    """
    return re.sub(r"[^a-z0-9]+", "-", plain_text(title).lower()).strip("-")[:60] or "chart"


def _rows(figure: Any) -> Iterator[dict[str, Any]]:
    band: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    for trace in figure.data:
        if trace.type not in ("scatter", "bar", "scatterpolar"):
            continue
        x, y = (trace.theta, trace.r) if trace.type == "scatterpolar" else (trace.x, trace.y)
        if x is None or y is None:
            continue
        if getattr(trace, "fill", None) == "toself" and not trace.showlegend:
            band = _band(np.asarray(x), np.asarray(y))
            continue
        given = {"series": plain_text(trace.name or ""), "panel": _panel(trace)}
        if getattr(trace, "meta", None) == STAIRS:
            yield from ({**given, **row} for row in _bins(np.asarray(x), np.asarray(y)))
        else:
            yield from ({**given, **row} for row in _points(trace, list(x), list(y), band))
        band = None


def _points(trace: Any, x: list[Any], y: list[Any], band: Any) -> Iterator[dict[str, Any]]:
    errors = {axis: _ends(getattr(trace, f"error_{axis}", None), values) for axis, values in (("x", x), ("y", y))}
    with_band = band is not None and len(band[0]) == len(x)
    for i, (one, other) in enumerate(zip(x, y, strict=False)):
        row = {"x": _value(one), "y": _value(other)}
        if with_band:
            row |= {"lower": _value(band[1][i]), "upper": _value(band[2][i])}
        for axis, prefix in (("x", "x_"), ("y", "")):
            ends = errors[axis]
            if ends is not None:
                row |= {f"{prefix}lower": _value(ends[0][i]), f"{prefix}upper": _value(ends[1][i])}
        yield row


def _band(x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return x, lower and upper bound of a band, which is drawn forth along the upper and back along the lower one."""
    n = len(x) // 2
    return x[:n], y[n:][::-1], y[:n]


def _bins(x: Any, y: Any) -> Iterator[dict[str, Any]]:
    """Return the bins of the outline of a histogram, see :func:`~.drawing.stairs`."""
    edges, heights = x[1:-1:2], y[2:-2:2]
    for low, high, height in zip(edges, edges[1:], heights, strict=False):
        yield {"x": _value(low), "x_to": _value(high), "y": _value(height)}


def _ends(bars: Any, values: list[Any]) -> tuple[list[Any], list[Any]] | None:
    """Return the lower and upper ends of error bars; None without any."""
    if bars is None or bars.array is None:
        return None
    above = list(bars.array)
    below = above if bars.arrayminus is None else list(bars.arrayminus)
    lower = [None if down is None else value - down for value, down in zip(values, below, strict=False)]
    upper = [None if up is None else value + up for value, up in zip(values, above, strict=False)]
    return lower, upper


def _panel(trace: Any) -> str:
    axis = str(getattr(trace, "xaxis", None) or "") + str(getattr(trace, "yaxis", None) or "")
    return "" if axis in ("", "xy") else axis


def _value(value: Any) -> Any:
    if isinstance(value, (bool, str)) or value is None:
        return plain_text(value) if isinstance(value, str) else value
    number = float(value)
    if not np.isfinite(number):
        return ""
    return int(number) if number.is_integer() and abs(number) < 1e15 else float(f"{number:.{DIGITS}g}")


def plain_text(text: str) -> str:
    """Return a text of a chart, in which plotly sees tags, as plain text."""
    return html.unescape(LINE_BREAK.sub(" ", text))
