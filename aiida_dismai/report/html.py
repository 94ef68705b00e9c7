"""A report as one web page that needs no network: charts, tables and the script that draws them are in it."""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from ..engine.files import plain, write_atomically, write_text
from ..engine.text import visible
from . import plots
from .axis import draw_axis
from .charts import chart_csv, file_name
from .comparison import comparison_tables, draw_distributions
from .content import Report
from .details import detail_tables
from .family import DISTANCES, FamilyReport
from .lineage import to_svg
from .numbers import number
from .paper import paper_lines, paper_of_study
from .parts import Headline
from .scenes import BY_EACH, viewer_data
from .study import draw_ranks, study_tables
from .study_scenes import CHOSEN
from .table import (
    MARK,
    OUTSIDE,
    OUTSIDE_MARK,
    WITHIN,
    duration,
    failure_rows,
    failures_title,
    metric_rows,
    potential_rows,
    spread_title,
)
from .verdict import verdict

#: Charts follow the width of the page; zooming is by dragging, so that no tool bar covers the titles.
CONFIG = {"displayModeBar": False, "responsive": True}
#: Characters of a text of the page at most.
TEXT = 5000
#: Files that pages of one site share.
PLOTLY, VIEWER, LICENCE = "plotly-min.js", "3Dmol-min.js", "3Dmol-LICENSE.txt"
#: Room that the title takes in a chart that stands alone, pixels.
TITLE = 40


def write_page(report: Report, path: Path, libraries: str | None = None) -> None:
    """Write the page; arguments as of :func:`page`."""
    content = page(report, libraries).encode()

    def write(handle: BinaryIO) -> None:
        handle.write(content)

    write_atomically(path, write)


def write_libraries(folder: Path) -> None:
    """Write the scripts that pages share, with their licence, into a folder; see ``libraries`` of :func:`page`."""
    for name, content in ((PLOTLY, _plotly()), (VIEWER, _part(VIEWER)), (LICENCE, _part(LICENCE))):
        write_text(folder / name, content)


def page(report: Report, libraries: str | None = None) -> str:
    """Return the page as HTML.

    Args:
        report: what it shows.
        libraries: the address of the folder in which :func:`write_libraries` has written, from the page, with a slash
            at its end; without it, plotly.js and 3Dmol.js are in the page, which is then one file.
    """
    from jinja2 import Environment, select_autoescape

    environment = Environment(
        autoescape=select_autoescape(default=True), trim_blocks=True, lstrip_blocks=True, finalize=_as_text
    )
    environment.filters |= {"duration": duration, "number": number}
    viewer = viewer_data(report.scenes, report.n_analysed, CHOSEN if report.study else BY_EACH)
    template = environment.from_string(_part("page.html"))
    text: str = template.render(
        report=report,
        process=report.process,
        verdict=verdict(report),
        metrics=metric_rows(report),
        spread=spread_title(report),
        mark=MARK,
        within=WITHIN,
        outside=OUTSIDE,
        outside_mark=OUTSIDE_MARK,
        tables=[*study_tables(report.study), *paper_of_study(report.study), *comparison_tables(report.comparison)],
        details=detail_tables(report),
        paper=paper_lines(report.paper_tables()),
        pairs=[(part.title, part.rows()) for part in report.datasets if not part.has_headings],
        datasets=[(part.columns, part.rows(), part.text) for part in report.datasets if part.has_headings],
        potential=potential_rows(report) if report.potential else [],
        failures=failure_rows(report),
        failures_title=failures_title(report),
        sections=sections(report),
        libraries=libraries,
        plotly_file=PLOTLY,
        viewer_file=VIEWER,
        plotly="" if libraries else _plotly(),
        lineage_svg=to_svg(report.lineage),
        lineage_part=_part("lineage.js"),
        viewer=viewer,
        viewer_json=_json(viewer),
        viewer_script=f"{_part(VIEWER)}\n" if viewer and not libraries else "",
        viewer_part=_part("viewer.js") if viewer else "",
        style=_part("style.css"),
        script=_part("page.js"),
        headline=headline(report),
    )
    return text


def _as_text(value: Any) -> Any:
    """Return a value of the template with nothing hidden in it; what is HTML of ours stays as it is."""
    return value if not isinstance(value, str) or hasattr(value, "__html__") else visible(value, TEXT)


def _part(name: str) -> str:
    """Return a file of the page: template, style or script."""
    return files(__package__).joinpath("page", name).read_text()


def _json(value: Any) -> str:
    """Return plain data as JSON that may stand in a script: nothing in it can end the script."""
    text = json.dumps(plain(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def headline(report: Report) -> list[Headline]:
    """Return the numbers at the top of the page."""
    found = []
    if report.family is not None:
        found += [_of_measure(report, report.family, name) for name in _top_measures(report, report.family)]
        found += report.family.headline(report.models)
    for part in report.datasets:
        found += part.headline()
    if report.potential.get("test_mae_forces") is not None:
        beside = f"energies {report.potential['test_mae_energy']:.2f} meV/atom · test set"
        value = f"{report.potential['test_mae_forces']:.1f} meV/Å"
        found.append(Headline(value, "force error of the potential", beside))
    return found


def _top_measures(report: Report, family: FamilyReport) -> list[str]:
    """Return the measures of which there is a mean, the main one first."""
    return [name for name in family.top() if (report.summary["metrics"].get(name) or {}).get("mean") is not None]


def _of_measure(report: Report, family: FamilyReport, name: str) -> Headline:
    entry, metric = report.summary["metrics"][name], family.metric(name)
    value = f"{number(entry['mean'], 3)}{f' {metric.unit}' if metric.unit else ''}"
    beside = "one model"
    if entry["models"] > 1:
        beside = f"min {number(entry['min'], 3)}, max {number(entry['max'], 3)} of {entry['models']} models"
    distance = name.startswith(DISTANCES)
    if entry["floor"] is not None:
        beside += f" · {'noise floor' if distance else 'training set'} {number(entry['floor'], 3)}"
    if entry["validation"] is not None:
        beside += f" · validation set {number(entry['validation'], 3)}"
    return Headline(value, f"{metric.label}: {name}" if distance else metric.label, beside)


def figures_of(report: Report) -> dict[str, list[Any]]:
    """Return the charts (plotly figures) by heading; headings without charts are left out."""
    groups = list(dict.fromkeys(group for model in report.models for group in (model.metrics.get("motifs") or {})))
    family = report.family
    layout = [
        ("Ranks", [draw_ranks(report.study)]),
        (f"Varied: {report.axis}", list(draw_axis(report.varied, report.axis))),
        ("Radial distributions", draw_distributions(report.arrays.get("comparison", {}))),
        ("Generated structures", [plots.energies(report), plots.distances(report), plots.steps(report)]),
        ("Distributions", [plots.curve(report, spec) for spec in (family.spec.curves if family else ())]),
        *(family.figures(report.models) if family else {}).items(),
        ("Coordination motifs", [plots.motifs(report, group) for group in groups]),
        ("Training of the generative models", [plots.model_curves(report)]),
        ("Data set", [figure for part in report.datasets for figure in part.figures()]),
        (
            "Potential",
            [plots.potential_curves(report), *(plots.parity(report, name) for name in ("energy", "forces", "stress"))],
        ),
        ("Cost by stage", [plots.costs(report)]),
    ]
    charts: dict[str, list[Any]] = {}
    for title, figures in layout:
        charts.setdefault(title, []).extend(figure for figure in figures if figure is not None)
    return {title: drawn for title, drawn in charts.items() if drawn}


def sections(report: Report) -> list[dict[str, Any]]:
    """Return the charts under their headings, as HTML with their numbers as CSV."""
    number = count(1)
    return [
        {"title": title, "charts": [_chart(figure, next(number)) for figure in drawn]}
        for title, drawn in figures_of(report).items()
    ]


def _chart(figure: Any, number: int) -> dict[str, str]:
    """Return a chart and its title apart: the page folds a long title, a chart would cut it off."""
    title, numbers = str(figure.layout.title.text or ""), chart_csv(figure)
    top = max(int(figure.layout.margin.t or 0) - TITLE, 12)
    figure.update_layout(title_text="", margin_t=top, height=int(figure.layout.height) - TITLE)
    drawn = figure.to_html(
        full_html=False, include_plotlyjs=False, config=CONFIG, default_width="100%", div_id=f"chart-{number}"
    )
    # nothing in it may end the script that it stands in
    return {
        "title": title,
        "html": drawn,
        "csv": numbers.replace("<", "‹"),
        "id": f"numbers-{number}",
        "name": file_name(title),
    }
