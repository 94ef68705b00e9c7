"""The charts of a report as files for print, SVG and PDF: what the page draws with plotly, drawn with matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.errors import BadInput
from ..engine.files import write_atomically
from .charts import file_name
from .charts import plain_text as plain
from .content import Report
from .html import figures_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Width of a picture, inches: a column and a half of a journal.
WIDTH = 5.5
#: Pixels of a chart of the page that are one inch.
PIXELS = 105
DASHES = {"dash": "--", "dot": ":", "dashdot": "-."}
#: Equal charts give equal files.
STYLE: Any = {
    "svg.hashsalt": "dismai",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
}


def write_svgs(report: Report, folder: Path) -> list[Path]:
    """Write each chart as ``NN-title.svg`` into a folder; return the files.

    Raises:
        BadInput: there is no chart, or a file where the folder is to be.
    """
    pictures = _pictures(report)
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder}: is a file; --format svg writes one file a chart, give a folder")
    folder.mkdir(exist_ok=True)
    written = []
    for i, (title, figure) in enumerate(pictures, start=1):
        path = folder / f"{i:02d}-{file_name(title)}.svg"
        content = _saved(figure, "svg")
        write_atomically(path, lambda handle, content=content: handle.write(content))  # type: ignore[misc]
        written.append(path)
    return written


def pdf_of(report: Report) -> bytes:
    """Return all charts as one PDF, a page each.

    Raises:
        BadInput: there is no chart.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    target = io.BytesIO()
    with PdfPages(target, metadata={"CreationDate": None}) as pages:
        for _, figure in _pictures(report):
            pages.savefig(figure, bbox_inches="tight")
    return target.getvalue()


def _pictures(report: Report) -> list[tuple[str, Figure]]:
    import matplotlib as mpl

    charts = [chart for charts in figures_of(report).values() for chart in charts]
    if not charts:
        raise BadInput(f"{report.process['type']}: there is no chart in this report; use --format md")
    with mpl.rc_context(STYLE):
        return [(str(chart.layout.title.text or ""), draw(chart)) for chart in charts]


def _saved(figure: Figure, form: str) -> bytes:
    import matplotlib as mpl

    target = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(target, format=form, bbox_inches="tight", metadata={"Date": None})
    return target.getvalue()


def draw(chart: Any) -> Figure:
    """Return a plotly figure of a report as one of matplotlib: lines, bands, markers, bars, panels, spider charts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, max(2.2, float(chart.layout.height or 360) / PIXELS)))
    panels: dict[str, Axes] = {}
    bars = [trace for trace in chart.data if trace.type == "bar"]
    for trace in chart.data:
        if trace.type == "scatterpolar":
            _spider(panels.setdefault("polar", figure.add_subplot(projection="polar")), trace, chart)
            continue
        name = f"{trace.xaxis or 'x'}{trace.yaxis or 'y'}"
        if name not in panels:
            panels[name] = figure.add_axes(_place(chart, trace))
            _axes(panels[name], chart, trace)
        axes = panels[name]
        if trace.type == "bar":
            _bar(axes, trace, bars.index(trace), len(bars))
        else:
            _line(axes, trace)
    if panels and (only := next(iter(panels.values()))) is not None:
        _shapes(only, chart)
        handles = [pair for axes in panels.values() for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
        known = {label: handle for handle, label in handles}
        if len(known) > 1 or (known and len(chart.data) > 1):
            figure.legend(list(known.values()), list(known), loc="lower left", bbox_to_anchor=(0.1, 1.0), ncols=3)
    for note in chart.layout.annotations or ():  # titles of panels
        if note.xref == "paper" and note.yref == "paper" and note.x is not None and note.y is not None:
            figure.text(0.1 + 0.85 * note.x, 0.12 + 0.84 * note.y, plain(note.text or ""), ha="center", va="bottom")
    return figure


def _place(chart: Any, trace: Any) -> tuple[float, float, float, float]:
    """Return where the panel of a trace is: left, bottom, width, height, as shares of the picture."""
    x0, x1 = _axis(chart, trace, "x").domain or (0, 1)
    y0, y1 = _axis(chart, trace, "y").domain or (0, 1)
    return 0.1 + 0.85 * x0, 0.12 + 0.84 * y0, 0.85 * (x1 - x0), 0.84 * (y1 - y0)


def _axis(chart: Any, trace: Any, name: str) -> Any:
    number = str(getattr(trace, f"{name}axis") or name).removeprefix(name)
    return chart.layout[f"{name}axis{number}"]


def _axes(axes: Axes, chart: Any, trace: Any) -> None:
    for name in ("x", "y"):
        axis = _axis(chart, trace, name)
        getattr(axes, f"set_{name}label")(plain(axis.title.text or ""))
        if axis.type == "log":
            getattr(axes, f"set_{name}scale")("log")
        if axis.autorange == "reversed":
            getattr(axes, f"invert_{name}axis")()


def _line(axes: Axes, trace: Any) -> None:
    line, fill = trace.line, trace.fill
    x, y = _numbers(trace.x), _numbers(trace.y)
    if fill == "toself":
        axes.fill(x, y, color=_shade(trace.fillcolor), linewidth=0)
        return
    markers = "markers" in str(trace.mode)
    label = plain(trace.name) if trace.name and trace.showlegend is not False else None
    style = DASHES.get(str(line.dash), "-") if "lines" in str(trace.mode) else ""
    look: Any = {"color": _shade((trace.marker.color if markers else None) or line.color), "label": label}
    look["linestyle"] = style
    errors = _errors(trace.error_y)
    if errors is not None:
        axes.errorbar(x, y, yerr=errors, marker="o", markersize=4, capsize=2, **look)
    else:
        axes.plot(x, y, marker="o" if markers else "", markersize=2.5, alpha=0.6 if markers else 1.0, **look)
    if fill == "tozeroy":
        axes.fill_between(x, y, color=_shade(trace.fillcolor), linewidth=0)


def _bar(axes: Axes, trace: Any, place: int, total: int) -> None:
    lying = trace.orientation == "h"
    names, values = (trace.y, trace.x) if lying else (trace.x, trace.y)
    at = np.arange(len(names)) + (place - (total - 1) / 2) * 0.8 / total
    heights = np.asarray([np.nan if value is None else value for value in values], dtype=float)
    errors = _errors(trace.error_x if lying else trace.error_y)
    look = {"color": _shade(trace.marker.color), "label": plain(trace.name or "") or None}
    thickness = 0.8 / total
    if lying:
        axes.barh(at, heights, height=thickness, xerr=errors, capsize=1.5, **look)
        axes.set_yticks(range(len(names)), [plain(str(name)) for name in names])
    else:
        axes.bar(at, heights, width=thickness, yerr=errors, capsize=1.5, **look)
        axes.set_xticks(range(len(names)), [plain(str(name)) for name in names], rotation=45, ha="right")


def _spider(axes: Axes, trace: Any, chart: Any) -> None:
    names = [plain(str(name)) for name in trace.theta]
    corners = list(dict.fromkeys(names))
    angles = [2 * np.pi * corners.index(name) / len(corners) for name in names]
    axes.plot(angles, trace.r, color=_shade(trace.line.color), label=plain(trace.name or ""), marker="o", markersize=3)
    axes.set_xticks([2 * np.pi * i / len(corners) for i in range(len(corners))], corners)
    start, end = chart.layout.polar.radialaxis.range
    axes.set_ylim(start, end)


def _shapes(axes: Axes, chart: Any) -> None:
    """Draw lines and areas across a panel: limits, diagonals, spreads of the training set."""
    for shape in chart.layout.shapes or ():
        line: Mapping[str, Any] = shape.line or {}
        if shape.type == "rect":
            axes.axvspan(shape.x0, shape.x1, color=_shade(shape.fillcolor), linewidth=0)
        elif shape.yref and "domain" in str(shape.yref):
            axes.axvline(shape.x0, color=_shade(line["color"]), linestyle=DASHES.get(str(line["dash"]), "-"))
        else:
            axes.plot([shape.x0, shape.x1], [shape.y0, shape.y1], color=_shade(line["color"]), linewidth=0.8)


def _errors(bars: Any) -> Any:
    if bars is None or bars.array is None:
        return None
    above = _numbers(bars.array)
    below = above if bars.arrayminus is None else _numbers(bars.arrayminus)
    return np.nan_to_num(np.array([below, above], dtype=float))


def _numbers(values: Any) -> Any:
    """Return numbers as an array with NaN for what is not known; names as they are."""
    listed = list(values)
    if any(isinstance(value, str) for value in listed):
        return [plain(str(value)) for value in listed]
    return np.asarray([np.nan if value is None else value for value in listed], dtype=float)


def _shade(colour: Any) -> Any:
    """Return a colour as matplotlib names it: ``rgba(r,g,b,a)`` as four numbers."""
    text = str(colour or "#5b6770")
    if text.startswith("rgba("):
        red, green, blue, alpha = (float(part) for part in text[5:-1].split(","))
        return red / 255, green / 255, blue / 255, alpha
    return text
