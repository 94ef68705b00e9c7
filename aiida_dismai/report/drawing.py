"""How charts are drawn: their look, their colours, texts in them, and distributions over common bins."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engine.text import visible

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Colours that stay apart for colour-blind readers (Okabe and Ito): data set, then the models.
DATA = "#5b6770"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: Colours of the sets that a potential was trained and tested on.
SETS = {"train": "#a7b4bf", "validation": "#e69f00", "test": "#0072b2"}
#: Characters of a name in a chart at most.
LABEL = 80
#: Of a chart, pixels.
HEIGHT = 360
#: Mark of a line that is the outline of a histogram (``meta`` of its trace).
STAIRS = "stairs"


def new_figure(title: str, x: str, y: str, height: int = HEIGHT) -> Figure:
    """Return an empty chart with titles of its axes."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0.012, "xanchor": "left", "y": 0.965, "yanchor": "top"},
        template="plotly_white",
        font={"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 12.5, "color": "#22303a"},
        margin={"l": 62, "r": 18, "t": 72, "b": 52},
        height=height,
        legend={"orientation": "h", "y": 1.01, "x": 0, "xanchor": "left", "yanchor": "bottom"},
    )
    figure.update_xaxes(
        title=x, showline=True, linecolor="#c5ced6", ticks="outside", gridcolor="#edf1f4", zeroline=False
    )
    figure.update_yaxes(
        title=y, showline=True, linecolor="#c5ced6", ticks="outside", gridcolor="#edf1f4", zeroline=False
    )
    return figure


def colour(index: int) -> str:
    """Return the colour of model ``index``."""
    return COLOURS[index % len(COLOURS)]


def title_of(name: str) -> str:
    """Return the name of a model as it is written in a legend."""
    return label_of(name.replace("_", " "))


def label_of(text: Any) -> str:
    """Return a text of others as it may stand in a chart, where plotly would obey tags and make links."""
    return html.escape(visible(text, LABEL), quote=False)


def add_histograms(figure: Figure, groups: Sequence[tuple[str, NDArray[Any], str]], bins: int = 40) -> None:
    """Draw distributions over common bins, each as a share of its own structures."""
    import plotly.graph_objects as go

    everything = np.concatenate([values for _, values, _ in groups])
    low, high = float(everything.min()), float(everything.max())
    if high == low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, min(bins, max(8, len(everything) // 3)) + 1)
    for name, values, shade in groups:
        counts, _ = np.histogram(values, edges)
        heights = 100 * counts / max(len(values), 1)
        figure.add_trace(
            go.Scatter(
                **stairs(edges, heights),
                name=f"{name} ({len(values)})",
                mode="lines",
                line={"color": shade, "width": 1.6},
                fill="tozeroy",
                fillcolor=transparent(shade, 0.18),
                meta=STAIRS,
            )
        )


def stairs(edges: NDArray[Any], heights: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the outline of a histogram, closed at both ends, with room beside the first and the last bin.

    Args:
        edges: of the bins, ``(n + 1,)``.
        heights: of the bins, ``(n,)``.

    Returns:
        ``x`` and ``y`` of a line, ``(2 n + 4,)``.
    """
    room = (edges[1] - edges[0]) / 2
    x = np.concatenate([[edges[0] - room], np.repeat(edges, 2), [edges[-1] + room]])
    return {"x": x, "y": np.concatenate([[0.0, 0.0], np.repeat(heights, 2), [0.0, 0.0]])}


def add_band(figure: Figure, x: Any, lower: Any, upper: Any, shade: str, alpha: float) -> None:
    """Fill what is between two lines over the same points, without an entry in the legend.

    Args:
        figure: the chart.
        x: of the points, ``(n,)``.
        lower: lower line, ``(n,)``.
        upper: upper line, ``(n,)``.
        shade: colour, ``#rrggbb``.
        alpha: its opacity.
    """
    import plotly.graph_objects as go

    figure.add_trace(
        go.Scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.concatenate([upper, lower[::-1]]),
            fill="toself",
            fillcolor=transparent(shade, alpha),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def transparent(shade: str, alpha: float) -> str:
    """Return a colour (``#rrggbb``) with an opacity."""
    red, green, blue = (int(shade[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
