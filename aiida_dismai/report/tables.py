"""All tables of a report as text, for the formats that are text: Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterator

from .comparison import comparison_tables
from .content import Report
from .details import detail_tables
from .numbers import number
from .paper import paper_of_study, paper_tables
from .parts import TextTable
from .study import study_tables
from .table import (
    OUTSIDE,
    OUTSIDE_MARK,
    WITHIN,
    duration,
    failure_rows,
    failures_title,
    marked,
    metric_rows,
    potential_rows,
    spread_title,
)


def text_tables(report: Report) -> list[TextTable]:
    """Return the tables that there is something in, the important ones first."""
    found = [*study_tables(report.study), *paper_of_study(report.study), *comparison_tables(report.comparison)]
    found += _metrics(report)
    if report.family is not None and not report.study:
        found += paper_tables([report.family.name])
    found += [
        TextTable(detail.title, tuple(detail.columns), [tuple(row) for row in detail.rows])
        for detail in detail_tables(report)
    ]
    for part in report.datasets:
        columns = part.columns if part.has_headings else ("", "")
        found.append(TextTable(part.title, columns, part.rows(), (part.text,) if part.text else ()))
    if report.labels:
        pairs: list[tuple[str | None, ...]] = [
            (key.replace("_", " "), number(item)) for key, item in report.labels.items()
        ]
        found.append(TextTable(report.labels_title, ("", ""), pairs))
    if report.potential:
        found.append(TextTable("potential", ("", ""), [tuple(row) for row in potential_rows(report)]))
    return [table for table in [*found, *_course(report)] if table.rows]


def _metrics(report: Report) -> Iterator[TextTable]:
    rows = metric_rows(report)
    if not rows:
        return
    several = report.summary["n_models"] != 1
    columns = ("measure", "mean" if several else "value", spread_title(report), "noise floor", "validation set")
    cells = [
        (
            row.name,
            row.value,
            f"{row.spread} {OUTSIDE_MARK}" if row.outside else row.spread,
            marked(row),
            row.validation,
        )
        for row in rows
    ]
    notes = [WITHIN] if any(row.within for row in rows) else []
    notes += [OUTSIDE_MARK + OUTSIDE] if any(row.outside for row in rows) else []
    models = f"mean over {report.summary['n_models']} models" if several else "one model"
    yield TextTable(f"metrics ({report.kind}): {models}", columns, [*cells], tuple(notes))


def _course(report: Report) -> Iterator[TextTable]:
    """Yield how it was computed: models, stages, what was lost, what failed."""
    models: list[tuple[str | None, ...]] = [
        (
            model.name,
            number(model.training.get("model")),
            number(model.training.get("epochs")),
            number(model.training.get("seed")),
            number(model.metrics.get("n_generated")),
            number(model.metrics.get("n_analysed")),
        )
        for model in report.models
    ]
    yield TextTable("models", ("model", "kind", "epochs", "seed", "generated", "analysed"), models)
    stages: list[tuple[str | None, ...]] = [
        (
            stage.name,
            number(stage.jobs),
            number(stage.failed_jobs or None),
            duration(stage.seconds),
            duration(stage.compute_seconds or None),
        )
        for stage in report.tree.stages.values()
    ]
    yield TextTable("jobs by stage", ("stage", "jobs", "failed", "waiting and running", "computing"), stages)
    lost: list[tuple[str | None, ...]] = [
        (item["stage"], item["what"], number(item["count"]), number(item["of"])) for item in report.tree.losses
    ]
    yield TextTable("structures lost", ("stage", "why", "structures", "of"), lost)
    yield TextTable(failures_title(report), ("stage", "process", "exit", "why"), failure_rows(report))
