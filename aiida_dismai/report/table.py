"""A report in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..engine.text import visible
from ..terminal import table
from ..workchains.reasons import LIMIT
from .cautions import TOO_FEW
from .comparison import comparison_tables
from .content import Report
from .details import detail_tables
from .family import DISTANCES, FamilyReport
from .numbers import number
from .paper import paper_lines, paper_of_study
from .study import study_tables
from .verdict import verdict

#: Entries of the results of `potential.train`, what they are, and their digits.
ERRORS = (
    ("test_mae_energy", "energy, meV/atom", 2),
    ("test_mae_forces", "forces, meV/Å", 1),
    ("test_mae_stress", "stress, GPa", 4),
)


#: Stands behind a noise floor that the value does not exceed.
MARK = "✓"
#: Stands behind a bootstrap interval in which the value is not, and what is said of it below the table.
OUTSIDE_MARK = "*"
OUTSIDE = (
    " the interval does not contain the value: resamples repeat structures, and the scatter of their averages can "
    "only lengthen a distance. The pivotal interval subtracts this, and near the floor it lies below the value: "
    "compare the value with the floor there."
)
WITHIN = f"{MARK} within the noise floor: as close to the training set as a second sample of it"


def measure_name(family: FamilyReport, name: str) -> str:
    """Return what a measure is called in tables."""
    metric = family.metric(name)
    return f"{name}  ({metric.title})" if metric.label else name


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


class MetricRow(NamedTuple):
    """A measure as it is printed.

    Attributes:
        name: what it is called.
        value: mean over the models.
        spread: smallest and largest of the models; of one model the bootstrap interval.
        floor: what another sample of the training set would get, with interval where it is a distance.
        validation: what the validation set gets, at the number of structures that was measured.
        within: whether the value is not above the noise floor's interval; never with one or two training structures.
        warning: what to know of the training set beside the noise floor; empty for nothing.
        outside: whether the interval does not hold the value.
    """

    name: str
    value: str | None
    spread: str | None
    floor: str | None
    validation: str | None
    within: bool
    warning: str = ""
    outside: bool = False


def spread_title(report: Report) -> str:
    """Return what the numbers beside a mean are."""
    return "bootstrap interval" if report.summary.get("n_models") == 1 else "(min, max)"


def metric_rows(report: Report) -> list[MetricRow]:
    """Return a row for each measure."""
    if report.family is None:
        return []
    rows = []
    n = report.n_training
    warning = f"{n} training structure{'s' if n != 1 else ''} only" if n is not None and n < TOO_FEW else ""
    for name in report.measures():
        entry = report.summary["metrics"][name]
        outside = _outside(report, name, entry)
        floor = number(entry["floor"], 3)
        if entry["floor_upper"] is not None:
            floor = f"{floor} ({number(entry['floor_lower'], 3)}, {number(entry['floor_upper'], 3)})"
        known = entry["mean"] is not None and entry["floor_upper"] is not None and not warning
        rows.append(
            MetricRow(
                measure_name(report.family, name),
                number(entry["mean"]),
                _spread(report, name, entry),
                floor,
                number(entry["validation"], 3),
                known and entry["mean"] <= entry["floor_upper"],
                warning if name.startswith(DISTANCES) else "",
                outside,
            )
        )
    return rows


def _spread(report: Report, name: str, entry: dict[str, Any]) -> str | None:
    if entry["min"] is None:
        return None
    if report.summary["n_models"] == 1:
        interval = report.models[0].metrics.get(name)
        if not isinstance(interval, dict) or interval.get("lower") is None:
            return None
        return f"({number(interval['lower'])}, {number(interval['upper'])})"
    spread = f"({number(entry['min'])}, {number(entry['max'])})"
    if entry["models"] < report.summary["n_models"]:
        spread += f" of {entry['models']} models"
    return spread


def _outside(report: Report, name: str, entry: dict[str, Any]) -> bool:
    """Whether the bootstrap interval of the only model does not hold the value."""
    if report.summary["n_models"] != 1 or entry["mean"] is None:
        return False
    interval = report.models[0].metrics.get(name)
    if not isinstance(interval, dict) or interval.get("lower") is None or interval.get("upper") is None:
        return False
    return not interval["lower"] <= entry["mean"] <= interval["upper"]


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


def failures_title(report: Report) -> str:
    """Return what stands above the failures."""
    shown, total = len(report.tree.failures), report.tree.n_failures
    return "what failed" if shown == total else f"what failed: the first {shown} of {total}"


def failure_rows(report: Report) -> list[tuple[str | None, ...]]:
    """Return a row for each job that failed: its stage, process, exit status, and why."""
    return [
        (
            visible(item["stage"]),
            f"{visible(item['label'] or '?')}<{item['pk']}>",
            None if item["exit_status"] is None else str(item["exit_status"]),
            visible(item["reason"], LIMIT),
        )
        for item in report.tree.failures
    ]


def _cells(row: MetricRow) -> tuple[str | None, ...]:
    spread = f"{row.spread} {OUTSIDE_MARK}" if row.outside else row.spread
    return row.name, row.value, spread, marked(row), row.validation


def marked(row: MetricRow) -> str | None:
    """Return the noise floor with a mark where the value is within it, or with what to know of it."""
    if row.warning:
        return f"{row.floor or '–'} ! {row.warning}"
    return f"{row.floor} {MARK}" if row.within else row.floor


def render(report: Report) -> Iterator[Any]:
    """Yield the parts of the report for a rich console."""
    from rich.text import Text

    process = report.process
    head = f"{process['type']}<{process['pk']}>  {process['uuid']}  {process['state']}"
    yield Text(visible(head, LIMIT) + (f", {duration(process['seconds'])}" if process["seconds"] else ""), style="bold")
    yield Text(visible(" ".join(verdict(report)), LIMIT))
    for note in report.notes:
        yield Text(f"! {visible(note, LIMIT)}", style="yellow")
    for one in (*study_tables(report.study), *paper_of_study(report.study), *comparison_tables(report.comparison)):
        yield table(one.title, one.columns, one.rows, numeric=range(1, len(one.columns)))
        for note in one.notes:
            yield Text(f"  {visible(note, LIMIT)}", style="dim")
    if report.measures():
        models = report.summary.get("n_models", 0)
        title = f"metrics ({report.kind}): {f'mean over {models} models' if models != 1 else 'one model'}"
        heads = ("measure", "mean" if models != 1 else "value", spread_title(report), "noise floor", "validation set")
        rows = metric_rows(report)
        yield table(title, heads, [_cells(row) for row in rows], numeric=(1, 4))
        if any(row.within for row in rows):
            yield Text(WITHIN + "\n", style="dim")
        if any(row.outside for row in rows):
            yield Text(OUTSIDE + "\n", style="dim")
        for line in paper_lines(report.paper_tables()):
            yield Text(f"In the paper, with other data and potentials: {line}", style="dim")
        yield Text("")
    for detail in detail_tables(report):
        yield table(detail.title, detail.columns, detail.rows, numeric=range(1, len(detail.columns)))
    for part in report.datasets:
        numeric = range(1, len(part.columns)) if part.has_headings else ()
        yield table(part.title, part.columns, part.rows(), numeric=numeric)
        if part.text:
            yield Text(visible(part.text, LIMIT) + "\n", style="dim")
    if report.labels:
        numbers = [(key.replace("_", " "), number(item)) for key, item in report.labels.items()]
        yield table(report.labels_title, ("", ""), numbers)
    if report.potential:
        yield table("potential", ("", ""), potential_rows(report))
    if report.tree.stages:
        rows_by_stage = [
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
            "jobs by stage",
            ("stage", "jobs", "failed", "waiting and running", "computing"),
            rows_by_stage,
            numeric=(1, 2, 3, 4),
        )
    if report.tree.losses:
        rows_lost = [(item["stage"], item["what"], item["count"], item["of"]) for item in report.tree.losses]
        yield table("structures lost", ("stage", "why", "structures", "of"), rows_lost, numeric=(2, 3))
    if report.tree.failures:
        yield table(failures_title(report), ("stage", "process", "exit", "why"), failure_rows(report), numeric=(2,))
    if report.tree.versions:
        listed = ", ".join(f"{name} {'/'.join(found)}" for name, found in sorted(report.tree.versions.items()))
        devices = ", ".join(map(str, report.tree.devices)) or "an unknown device"
        yield Text(visible(f"computed with {listed} on {devices}", LIMIT), style="dim")
