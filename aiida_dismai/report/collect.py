"""From nodes to plain data: everything that a report shows is gathered here.

What there is decides what is gathered, not the name of the process: a failed benchmark may have trained models but no
summary, a pipeline has both a data set and a benchmark, an evaluation has one model.
"""

from __future__ import annotations

from typing import Any

from ..dft.origin import origin_of
from ..engine.errors import BadInput
from ..engine.families.parameters import DescribeParameters
from ..engine.metrics.aggregate import summarise
from ..provenance import inputs_of, outputs_of
from ..workchains.reasons import reason_of
from .axis import read_axis
from .cautions import notes
from .comparison import read_comparison
from .content import Report
from .family import find_report, make_report
from .lineage import lineage_of
from .makers import makers_of
from .model import Model
from .nodes import arrays_of, energies_of, relaxed_until
from .paper import read_paper
from .scenes import scenes_of
from .sets import listed, sets_behind, unread_with
from .stages import read_tree, unread_losses
from .study import read_study
from .study_scenes import study_scenes


def collect(node: Any) -> Report:
    """Gather the report on a process.

    Args:
        node: a benchmark, a pipeline, an evaluation or a data set; it may have failed or still run.

    Raises:
        BadInput: the process has nothing that a report could show.
    """
    outputs = outputs_of(node)
    report = Report(_process(node), paper=read_paper())
    _add_models(report, outputs["benchmark"] if isinstance(outputs.get("benchmark"), dict) else outputs)
    report.study = read_study(outputs)
    if report.study:
        report.scenes, report.study_analysed = study_scenes(report.study, outputs["summaries"])
        report.varied = read_axis(report.study, outputs["summaries"])
        axis = inputs_of(node).get("axis")
        report.axis = "value" if axis is None else str(axis["name"])
    report.comparison, arrays = read_comparison(outputs)
    if arrays:
        report.arrays["comparison"] = arrays
    _add_datasets(report, node)
    _add_single(report, outputs)
    shown = report.study or report.comparison or report.models or report.datasets or report.labels or report.potential
    if not shown and node.is_finished_ok:
        raise BadInput(
            f"{node.process_label}<{node.pk}> has nothing to report; give a study, a benchmark, a comparison, "
            "a pipeline, an evaluation, a data set, a potential or labels"
        )
    report.tree = read_tree(node)
    report.tree.losses[:0] = unread_losses(report.models)
    report.lineage = lineage_of(node)
    report.again = _again(node)
    origin = origin_of(node)
    report.stand_ins, report.mixed_labels = origin.stand_ins, origin.mixed_labels
    report.notes = notes(report)
    return report


def _again(node: Any) -> list[tuple[str, str]]:
    """Return what to type to have it computed again: the same inputs, with their seeds, are in the node."""
    again = f"submit(load_node('{node.uuid}').get_builder_restart())"
    return [
        (
            "the process once more, from the same inputs, seeds included",
            f'verdi shell -c "from aiida.engine import submit; from aiida.orm import load_node; print({again})"',
        ),
        ("where a number is from", f"aiida-dismai trace {node.uuid}"),
        ("this page", f"aiida-dismai report {node.uuid} --format html -o report.html"),
    ]


def _process(node: Any) -> dict[str, Any]:
    state = node.process_state
    return {
        "pk": node.pk,
        "uuid": node.uuid,
        "type": node.process_label,
        "label": node.label,
        "state": "created" if state is None else state.value,
        "exit_status": node.exit_status,
        "exit_message": reason_of(node) if node.is_excepted else node.exit_message,
        "started": node.ctime.isoformat(timespec="seconds"),
        "seconds": round((node.mtime - node.ctime).total_seconds(), 1) if node.is_terminated else None,
    }


# ---------------------------------------------------------------------- parts
def _add_models(report: Report, outputs: dict[str, Any]) -> None:
    metrics = outputs.get("metrics")
    nodes = [metrics[name] for name in sorted(metrics)] if isinstance(metrics, dict) else [metrics]
    if isinstance(metrics, dict):
        for name in sorted(metrics):
            parts = {
                part: (outputs.get(group) or {}).get(name)
                for part, group in (
                    ("metrics", "metrics"),
                    ("training", "training"),
                    ("curves", "curves"),
                    ("generator", "generators"),
                    ("generated", "generated"),
                    ("relaxed", "relaxed"),
                    ("per_structure", "per_structure"),
                )
            }
            report.models.append(_model(name, parts))
    elif metrics is not None:
        report.models.append(
            _model("generated", {name: outputs.get(name) for name in ("metrics", "relaxed", "per_structure")})
        )
    if "summary" in outputs:
        report.summary = outputs["summary"].get_dict()
    elif report.models:
        report.summary = summarise([model.metrics for model in report.models])
    if report.models:
        kind = report.models[0].metrics.get("kind", DescribeParameters.model_fields["kind"].default)
        report.family = find_report(str(kind))
        report.add_problem(report.family.problem)
        for model, metrics in zip(report.models, nodes, strict=True):
            generated = model.nodes.get("generated")
            model.unread = unread_with(metrics, generated)
            sets = sets_behind(metrics, generated)
            if sets is not None:
                report.scenes += scenes_of(model, report.family, sets)
                model.listed = listed(model, sets)


def _model(name: str, parts: dict[str, Any]) -> Model:
    model = Model(name, parts["metrics"].get_dict())
    model.nodes = {part: node.pk for part, node in parts.items() if node is not None}
    if parts.get("training") is not None:
        model.training = parts["training"].get_dict()
    if parts.get("curves") is not None:
        model.curves = arrays_of(parts["curves"])
    if parts.get("per_structure") is not None:
        model.per_structure = arrays_of(parts["per_structure"])
    if parts.get("relaxed") is not None:
        model.energies = energies_of(parts["relaxed"].structures)
        model.fmax = relaxed_until(parts["relaxed"])
    return model


def _add_datasets(report: Report, node: Any) -> None:
    """Add what the families say of their data sets, and the potential and the labels that came with these."""
    for spec, made in makers_of(node):
        family = make_report(spec)
        report.add_problem(family.problem)
        part = family.dataset(made)
        if part is not None:
            report.datasets.append(part)
        _add_potential(report, made.outputs)


def _add_potential(report: Report, outputs: dict[str, Any]) -> None:
    if "potential_results" in outputs:
        report.potential = outputs["potential_results"].get_dict()
        report.potential["pk"] = outputs["potential"].pk if "potential" in outputs else None
        if "potential_check" in outputs:
            report.potential["table5"] = outputs["potential_check"].get_dict().get("table5")
    for name in ("potential_curves", "potential_parity"):
        if name in outputs:
            report.arrays[name] = arrays_of(outputs[name])
    if "label_summary" in outputs:
        report.labels = outputs["label_summary"].get_dict()


def _add_single(report: Report, outputs: dict[str, Any]) -> None:
    """Add what a process gives out that makes a potential, or labels, and nothing else."""
    if "potential" in outputs and "results" in outputs:
        named = {"potential": "potential", "results": "potential_results", "check": "potential_check"}
        named |= {"curves": "potential_curves", "parity": "potential_parity"}
        _add_potential(report, {name: outputs[port] for port, name in named.items() if port in outputs})
    elif "labelled" in outputs and "summary" in outputs:
        _add_potential(report, {"label_summary": outputs["summary"]})
