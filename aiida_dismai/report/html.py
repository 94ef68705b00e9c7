"""A report as one web page that needs no network: charts, tables and the script that draws them are in it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

from ..engine.files import write_atomically
from . import alloys, amorphous, kind_plots, plots
from .collect import MAIN_MEASURE, MEASURES, Report
from .details import detail_tables
from .numbers import number
from .table import (
    MARK,
    OUTSIDE,
    OUTSIDE_MARK,
    WITHIN,
    dataset_rows,
    duration,
    failure_rows,
    failures_title,
    metric_rows,
    paper_lines,
    potential_rows,
    spread_title,
)

#: Charts follow the width of the page; zooming is by dragging, so that no tool bar covers the titles.
CONFIG = {"displayModeBar": False, "responsive": True}
#: Room that the title takes in a chart that stands alone, pixels.
TITLE = 40


def write_page(report: Report, path: Path) -> None:
    """Write the page."""
    content = page(report).encode()

    def write(handle: BinaryIO) -> None:
        handle.write(content)

    write_atomically(path, write)


def page(report: Report) -> str:
    """Return the page as HTML."""
    from jinja2 import Environment, select_autoescape

    environment = Environment(autoescape=select_autoescape(default=True), trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"duration": duration, "number": number}
    template = environment.from_string(files(__package__).joinpath("page.html").read_text())
    text: str = template.render(
        report=report,
        process=report.process,
        metrics=metric_rows(report),
        spread=spread_title(report),
        mark=MARK,
        within=WITHIN,
        outside=OUTSIDE,
        outside_mark=OUTSIDE_MARK,
        details=detail_tables(report),
        paper=paper_lines(report),
        dataset=dataset_rows(report) if report.dataset else [],
        alloy_columns=alloys.COLUMNS,
        alloy_rows=alloys.rows(report.alloys),
        amorphous_columns=amorphous.COLUMNS,
        amorphous_rows=amorphous.rows(report.amorphous) if report.amorphous else [],
        amorphous_origin=amorphous.origin(report.amorphous) if report.amorphous else "",
        potential=potential_rows(report) if report.potential else [],
        failures=failure_rows(report),
        failures_title=failures_title(report),
        sections=sections(report),
        plotly=_script(),
        headline=headline(report),
    )
    return text


def _script() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def headline(report: Report) -> list[tuple[str, str, str]]:
    """Return the numbers at the top of the page: value, what it is, and what stands beside it."""
    found = []
    for name in _top_measures(report):
        entry = report.summary["metrics"][name]
        value = f"{number(entry['mean'], 3)}{' %' if name.endswith('_percent') else ''}"
        beside = (
            f"min {number(entry['min'], 3)}, max {number(entry['max'], 3)} of {entry['models']} models"
            if entry["models"] > 1
            else "one model"
        )
        if entry["floor"] is not None:
            beside += f" · {'noise floor' if name.startswith('d_') else 'training set'} {number(entry['floor'], 3)}"
        if entry["validation"] is not None:
            beside += f" · validation set {number(entry['validation'], 3)}"
        what = MEASURES[name].removesuffix(", %")
        found.append((value, f"{what}: {name}" if name.startswith("d_") else what, beside))
    if report.dataset.get("structures") is not None:
        beside = f"of {report.dataset['looked_at']} candidates · E_cut {number(report.dataset['e_cut'], 5)} eV/atom"
        found.append((str(report.dataset["structures"]), "structures in the data set", beside))
    for one in report.alloys:
        beside = (
            f"of {one.summary['looked_at']} snapshots · {number(one.summary['passed_percent'], 3)} % pass the filter"
        )
        found.append((str(one.summary["kept"]), f"structures: {one.name}", beside))
    if report.amorphous is not None and report.amorphous.n_structures:
        beside = f"of {report.amorphous.looked_at} candidates"
        found.append((str(report.amorphous.n_structures), "structures in the data set", beside))
        measures = report.amorphous.measures[""]
        sigma = measures.get("bond_angle_sigma")
        if sigma is not None:
            authors = ((measures.get("targets") or {}).get("six_structures") or {}).get("bond_angle_sigma")
            beside = f"six of the authors' structures {number(authors, 3)}°" if authors else "of the data set"
            found.append((f"{number(sigma, 3)}°", "standard deviation of the bond angles", beside))
    if report.potential.get("test_mae_forces") is not None:
        beside = f"energies {report.potential['test_mae_energy']:.2f} meV/atom · test set"
        found.append((f"{report.potential['test_mae_forces']:.1f} meV/Å", "force error of the potential", beside))
    return found


def _top_measures(report: Report) -> list[str]:
    """Return the measures of which there is a mean, the distance of the kind first."""
    if report.kind is None:
        return []
    wanted = (MAIN_MEASURE[report.kind], "vacancy_percent", "failed_percent", "mean_relaxation_steps")
    return [name for name in wanted if (report.summary["metrics"].get(name) or {}).get("mean") is not None]


def sections(report: Report) -> list[dict[str, Any]]:
    """Return the charts under their headings; headings without charts are left out."""
    groups = list(dict.fromkeys(group for model in report.models for group in (model.metrics.get("motifs") or {})))
    layout = [
        ("Generated structures", [plots.energies(report), plots.distances(report), plots.steps(report)]),
        ("Distributions", [kind_plots.curve(report, name) for name in kind_plots.CURVES]),
        (
            "Order on the lattice",
            [
                kind_plots.order(report),
                kind_plots.clusters(report),
                kind_plots.vacancies(report),
                kind_plots.formation_energies(report),
            ],
        ),
        ("Coordination motifs", [plots.motifs(report, group) for group in groups]),
        ("Training of the generative models", [plots.model_curves(report)]),
        (
            "Data set",
            [
                plots.interface_energies(report),
                alloys.energies(report.alloys),
                *alloys.orders(report.alloys),
                *amorphous.figures(report.amorphous),
            ],
        ),
        (
            "Potential",
            [plots.potential_curves(report), *(plots.parity(report, name) for name in ("energy", "forces", "stress"))],
        ),
    ]
    result = []
    for title, figures in layout:
        drawn = [_chart(figure) for figure in figures if figure is not None]
        if drawn:
            result.append({"title": title, "charts": drawn})
    return result


def _chart(figure: Any) -> dict[str, str]:
    """Return a chart and its title apart: the page folds a long title, a chart would cut it off."""
    title = str(figure.layout.title.text or "")
    top = max(int(figure.layout.margin.t or 0) - TITLE, 12)
    figure.update_layout(title_text="", margin_t=top, height=int(figure.layout.height) - TITLE)
    drawn = figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG, default_width="100%")
    return {"title": title, "html": drawn}
