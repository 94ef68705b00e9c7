"""A report as one web page that needs no network: charts, tables and the script that draws them are in it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

from ..engine.files import write_atomically
from . import plots
from .collect import Report
from .table import dataset_rows, duration, metric_rows, number, potential_rows

#: Charts follow the width of the page; zooming is by dragging, so that no tool bar covers the titles.
CONFIG = {"displayModeBar": False, "responsive": True}


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
        dataset=dataset_rows(report) if report.dataset else [],
        potential=potential_rows(report) if report.potential else [],
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
    for name, what in (
        ("d_all", "fingerprint distance d_all"),
        ("failed_percent", "failed"),
        ("mean_relaxation_steps", "relaxation steps"),
    ):
        entry = (report.summary.get("metrics") or {}).get(name)
        if entry is None or entry["mean"] is None:
            continue
        value = f"{number(entry['mean'], 3)}{' %' if name == 'failed_percent' else ''}"
        beside = (
            f"min {number(entry['min'], 3)}, max {number(entry['max'], 3)} of {entry['models']} models"
            if entry["models"] > 1
            else "one model"
        )
        baseline = report.baseline_value(name)
        if baseline is not None:
            beside += f" · validation set {number(baseline, 3)}"
        found.append((value, what, beside))
    if report.dataset.get("structures") is not None:
        beside = f"of {report.dataset['looked_at']} candidates · E_cut {number(report.dataset['e_cut'], 5)} eV/atom"
        found.append((str(report.dataset["structures"]), "structures in the data set", beside))
    if report.potential.get("test_mae_forces") is not None:
        beside = f"energies {report.potential['test_mae_energy']:.2f} meV/atom · test set"
        found.append((f"{report.potential['test_mae_forces']:.1f} meV/Å", "force error of the potential", beside))
    return found


def sections(report: Report) -> list[dict[str, Any]]:
    """Return the charts under their headings; headings without charts are left out."""
    cations = sorted({cation for model in report.models for cation in (model.metrics.get("motifs") or {})})
    layout = [
        ("Generated structures", [plots.energies(report), plots.distances(report), plots.steps(report)]),
        ("Coordination motifs", [plots.motifs(report, cation) for cation in cations]),
        ("Training of the generative models", [plots.model_curves(report)]),
        ("Data set", [plots.interface_energies(report)]),
        (
            "Potential",
            [plots.potential_curves(report), *(plots.parity(report, name) for name in ("energy", "forces", "stress"))],
        ),
    ]
    result = []
    for title, figures in layout:
        drawn = [
            figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG, default_width="100%")
            for figure in figures
            if figure is not None
        ]
        if drawn:
            result.append({"title": title, "charts": drawn})
    return result
