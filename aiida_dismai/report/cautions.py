"""What a reader must know before quoting a number of a report: no DFT, not finished, small."""

from __future__ import annotations

from typing import Any

from ..engine.text import visible
from ..workchains.reasons import LIMIT
from .content import Report

#: Training sets with fewer structures have no scatter to compare with.
TOO_FEW = 3


def notes(report: Report) -> list[str]:
    """Return the warnings of a report: no DFT, labels of several methods, not finished, small."""
    found = []
    if report.stand_ins:
        from ..dft.origin import not_dft  # needs AiiDA, which reports of files do without

        found.append(not_dft(report.stand_ins))
    found += [f"Mixed labels: {line}." for line in report.mixed_labels]
    if report.study.get("mixed_labels"):
        found.append(f"Mixed labels: potentials of the data sets: {visible(report.study['mixed_labels'], LIMIT)}.")
    process = report.process
    if process["state"] == "excepted":
        found.append(f"The process raised an exception: {visible(process['exit_message'], LIMIT)}")
    elif process["state"] != "finished":
        found.append(f"The process is {process['state']}: only what is available so far is shown.")
    elif process["exit_status"]:
        found.append(f"The process failed [{process['exit_status']}]: {visible(process['exit_message'], LIMIT)}")
    n = report.n_training
    if n is not None and n < TOO_FEW:
        plural = "s" if n != 1 else ""
        found.append(f"Only {n} training structure{plural} to compare with: distances and noise floor are meaningless.")
    warnings = report.potential.get("warnings")
    if isinstance(warnings, list):
        found += [f"Labels of the potential: {visible(line, LIMIT)}." for line in warnings]
    found += report.problems
    small = smaller_than_paper(report)
    if small:
        found.append("Smaller than in the paper (whose value is in brackets): " + "; ".join(small) + ".")
    return found


def smaller_than_paper(report: Report) -> list[str]:
    """Return what there is less of than in the paper, in words."""
    scale = report.paper["scale"]
    generated = [model.metrics.get("n_generated") for model in report.models]
    sizes: dict[str, Any] = {
        "labelled_structures": report.labels.get("labelled_structures"),
        "labelled_steps": report.labels.get("labelled_steps"),
        "dataset": min((part.n_structures for part in report.datasets if part.n_structures is not None), default=None),
        "n_models": report.summary.get("n_models") if any(model.training for model in report.models) else None,
        "generated": min((number for number in generated if number is not None), default=None),
    }
    wanted = [(sizes[name], *scale[name]) for name in sizes]
    kinds = {str(model.training.get("model")) for model in report.models}
    of_kind = scale["epochs"].get(report.kind, {})
    for kind in sorted(kind for kind in kinds if kind in of_kind):
        epochs = [model.training["epochs"] for model in report.models if model.training.get("model") == kind]
        wanted.append((min(epochs), *of_kind[kind]))
    said = [f"{size} {what} ({paper})" for size, paper, what in wanted if size is not None and size < paper]
    return [text.replace("with DFT", "with the stand-in, not DFT") if report.stand_ins else text for text in said]
