"""A report in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..cli.console import table
from .collect import MEASURES, Report

#: Entries of the results of `potential.train`, what they are, and their digits.
ERRORS = (
    ("test_mae_energy", "energy, meV/atom", 2),
    ("test_mae_forces", "forces, meV/Å", 1),
    ("test_mae_stress", "stress, GPa", 4),
)


def number(value: Any, digits: int = 4) -> str | None:
    """Return a number with so many significant digits; None stays None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return str(value) if isinstance(value, int) else f"{value:.{digits}g}"


def measure_name(name: str) -> str:
    """Return what a measure is called in tables."""
    if name in MEASURES:
        return f"{name}  ({MEASURES[name]})"
    return name


def duration(seconds: float | None) -> str | None:
    """Return a time as people write it.

    Example:
        >>> duration(3750.0)
        '1 h 02 min'
    """
    if seconds is None:
        return None
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def metric_rows(report: Report) -> list[tuple[str, str | None, str | None, str | None]]:
    """Return a row for each measure: name, mean, ``(min, max)``, and that of the validation set."""
    rows = []
    for name in report.measures():
        entry = (report.summary.get("metrics") or {}).get(name) or {}
        spread = None
        if entry.get("min") is not None:
            spread = f"({number(entry['min'])}, {number(entry['max'])})"
            if entry["models"] < report.summary["n_models"]:
                spread += f" of {entry['models']} models"
        rows.append((measure_name(name), number(entry.get("mean")), spread, number(report.baseline_value(name))))
    return rows


def dataset_rows(report: Report) -> list[tuple[str, str | None]]:
    """Return what there is to say about the data set."""
    data = report.dataset
    return [
        ("structures", number(data.get("structures"))),
        ("formula", ", ".join(data.get("formulas") or []) or None),
        (
            "training / validation",
            f"{data['n_train']} / {data['n_validation']}" if data.get("n_train") is not None else None,
        ),
        ("seed of the split", number(data.get("split_seed"))),
        ("candidates looked at", number(data.get("looked_at"))),
        ("of them converged", number(data.get("converged"))),
        ("of low interface energy", number(data.get("low"))),
        ("E_cut, eV/atom", number(data.get("e_cut"), 7)),
        ("lowest, eV/atom", number(data.get("lowest"), 7)),
        ("window, J/m²", number(data.get("window"))),
    ]


def potential_rows(report: Report) -> list[tuple[str, str | None]]:
    """Return the test-set errors of the potential and what it was trained on."""
    data = report.potential
    rows: list[tuple[str, str | None]] = [
        (f"test error {what}", f"{data[key]:.{digits}f}") for key, what, digits in ERRORS if data.get(key) is not None
    ]
    if not rows:
        rows.append(("test error", "none: no trajectory was left for the test set"))
    rows += [
        (
            "training / validation / test frames",
            " / ".join(str(data.get(f"n_{name}")) for name in ("train", "validation", "test")),
        ),
        ("trajectories", number(data.get("n_trajectories"))),
        ("epochs (best)", f"{data.get('epochs')} ({data.get('best_epoch')}), ended by {data.get('stopped')}"),
        ("parameters", number(data.get("n_parameters"))),
    ]
    return rows


def render(report: Report) -> Iterator[Any]:
    """Yield the parts of the report for a rich console."""
    from rich.text import Text

    process = report.process
    head = f"{process['type']}<{process['pk']}>  {process['uuid']}  {process['state']}"
    yield Text(head + (f", {duration(process['seconds'])}" if process["seconds"] else ""), style="bold")
    for note in report.notes:
        yield Text(f"! {note}", style="yellow")
    if report.measures():
        models = report.summary.get("n_models", 0)
        title = f"metrics: mean (min, max) over {models} model{'s' if models != 1 else ''}"
        yield table(title, ("measure", "mean", "(min, max)", "validation set"), metric_rows(report), numeric=(1, 3))
        quoted = ", ".join(f"{name} {value}" for name, value in report.paper["d_all"].items())
        yield Text(f"The paper's d_all, with another potential and other data: {quoted}\n", style="dim")
    if report.dataset:
        yield table("data set", ("", ""), dataset_rows(report))
    if report.labels:
        yield table(
            "DFT relaxations", ("", ""), [(key.replace("_", " "), number(item)) for key, item in report.labels.items()]
        )
    if report.potential:
        yield table("potential", ("", ""), potential_rows(report))
    if report.tree.stages:
        rows = [
            (
                stage.name,
                stage.jobs,
                stage.failed_jobs or None,
                duration(stage.seconds),
                duration(stage.compute_seconds or None),
            )
            for stage in report.tree.stages.values()
        ]
        yield table(
            "jobs by stage", ("stage", "jobs", "failed", "waiting and running", "computing"), rows, numeric=(1, 2, 3, 4)
        )
    if report.tree.losses:
        rows_lost = [(item["stage"], item["what"], item["count"], item["of"]) for item in report.tree.losses]
        yield table("structures lost", ("stage", "why", "structures", "of"), rows_lost, numeric=(2, 3))
    if report.tree.versions:
        listed = ", ".join(f"{name} {'/'.join(found)}" for name, found in sorted(report.tree.versions.items()))
        yield Text(f"computed with {listed} on {', '.join(report.tree.devices) or 'an unknown device'}", style="dim")
