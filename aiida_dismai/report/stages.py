"""The process tree: what ran in which stage, how long it took, and what was lost on the way."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..provenance import walk
from ..workchains.reasons import reason_of, traceback_of
from .model import Model

#: Call labels that only number the parts of a stage: ``chunk_0003``, ``lane_000``, ``iteration_01``.
COUNTERS = re.compile(r"^(chunk|lane|iteration|structure|run)_?\d+.*$|^CALL$")
#: A number or a model at the end of a call label: ``train_model_2`` and ``relax_0`` are one stage each (but the two
#: stages of DFT, ``stage_1`` and ``stage_2``, stay two).
NUMBERED = re.compile(r"(?<!^stage)(_model)?_\d+$")
#: What tasks count as lost: task → ((entry of its results, what happened), …) and the entry it is counted of.
LOSSES: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "interfaces.build": ("n_structures", (("packing_failures", "could not be packed"),)),
    "amorphous.network": ("n_requested", (("n_missing", "no attempt passed the gate"),)),
    "amorphous.quench": ("n_requested", (("n_missing", "no attempt passed the gate"),)),
    "amorphous.carve": ("n_requested", (("n_missing", "no attempt passed the gate"),)),
    "relax": ("n_structures", (("n_not_converged", "ran out of steps"), ("n_failed", "failed in the relaxation"))),
    "generator.sample": (
        "n_requested",
        (("n_nonfinite", "NaN or infinite coordinates"), ("n_rejected", "rejected by the model")),
    ),
    "postprocess": (
        "n_structures",
        (("failed", "atoms could not be pushed apart"), ("failed_nonfinite", "NaN coordinates or flat cell")),
    ),
    "metrics": ("n_given", (("n_not_analysed", "could not be analysed"),)),
}
#: The calcfunction that counts structures as failed whose job has failed (``calculations.functions.sets``).
LOST = "count_as_failed"
#: Exit codes that are no failures: the job went on in the next one.
GONE_ON = (120, 140, 400, 420, 421, 422, 430)
#: At most so many failures are listed.
MAX_FAILURES = 50
#: Structures that could not be read and are named; the list of structures has all.
NAMED = 10
#: Seeds of a stage that are listed.
MAX_SEEDS = 20
#: At most so many processes are listed; a paper-sized run has tens of thousands.
MAX_LISTED = 500


@dataclass
class Stage:
    """All jobs of one stage.

    Attributes:
        name: its place in the workflow.
        jobs: how many.
        failed_jobs: how many of them failed (each restart counts).
        seconds: time of the jobs, from submission to end, added up.
        compute_seconds: of this, what the tasks themselves measured.
    """

    name: str
    jobs: int = 0
    failed_jobs: int = 0
    seconds: float = 0.0
    compute_seconds: float = 0.0


@dataclass
class Tree:
    """A process and all it called.

    Attributes:
        stages: by name, in order of their first job.
        losses: ``stage``, ``what``, ``count``, ``of``.
        failures: of jobs that failed and processes that raised: stage, pk, label, exit_status, reason (with the place
            of a crash) and traceback (its last lines).
        n_failures: how many there are in all; the rows end at :data:`MAX_FAILURES`.
        versions: library → the versions that computed.
        devices: where tasks computed.
        seeds: by stage, the seeds of its jobs, :data:`MAX_SEEDS` at most.
        processes: one row each: depth, pk, uuid, label, stage, state, exit_status, exit_message, seconds.
        n_processes: how many there are in all; the rows end at :data:`MAX_LISTED`.
    """

    stages: dict[str, Stage] = field(default_factory=dict)
    losses: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    n_failures: int = 0
    versions: dict[str, list[str]] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    seeds: dict[str, list[int]] = field(default_factory=dict)
    processes: list[dict[str, Any]] = field(default_factory=list)
    n_processes: int = 0


def read_tree(root: Any) -> Tree:
    """Gather everything that the processes under ``root`` tell."""
    from aiida.orm import CalcJobNode

    tree = Tree()
    losses: dict[tuple[str, str], list[int]] = {}
    for called in walk(root):
        node, depth = called.node, called.depth
        path = stage_of(called.labels)
        tree.n_processes += 1
        if len(tree.processes) < MAX_LISTED:
            tree.processes.append(_row(node, depth, path))
        if node.is_excepted or (isinstance(node, CalcJobNode) and node.is_failed and node.exit_status not in GONE_ON):
            tree.n_failures += 1
            if len(tree.failures) < MAX_FAILURES:
                tree.failures.append(_failure(node, path))
        if isinstance(node, CalcJobNode):
            _add_job(tree, losses, node, " / ".join(path) or task_name(node))
        elif node.process_label == LOST:
            given = node.inputs
            entry = losses.setdefault((" / ".join(path), "lost with a job that failed"), [0, len(given.structures)])
            entry[0] += given.stop.value - given.start.value
    tree.losses = [
        {"stage": stage, "what": what, "count": count, "of": total}
        for (stage, what), (count, total) in losses.items()
        if count
    ]
    return tree


def unread_losses(models: Iterable[Model]) -> list[dict[str, Any]]:
    """Return what was lost because it could not be read, as in :attr:`Tree.losses`; the first are named, with why."""
    found = []
    for model in models:
        named = [str(row["reason"]) for row in model.unread[:NAMED]]
        more = [f"and {len(model.unread) - NAMED} more"] if len(model.unread) > NAMED else []
        if named:
            what = f"could not be read: {'; '.join([*named, *more])}"
            total = model.metrics.get("n_generated")
            found.append({"stage": "reading", "what": what, "count": len(model.unread), "of": total})
    return found


def stage_of(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the stage of a process from the labels of the calls that lead to it."""
    return functools.reduce(extend, labels, ())


def extend(path: tuple[str, ...], label: str) -> tuple[str, ...]:
    """Return the stage of a process that was called with this label from a process of the stage ``path``."""
    if COUNTERS.match(label):
        return path
    name = NUMBERED.sub("", label).replace("_", " ")
    return path if path and path[-1] == name else (*path, name)


def task_name(node: Any) -> str:
    """Return the task of a job (``relax``), or its plugin (of a DFT job)."""
    return str((node.process_type or "").rpartition(":")[2]).removeprefix("dismai.") or str(node.process_label)


def add_seed(tree: Tree, stage: str, seed: Any) -> None:
    """Note the seed of a job once; None is none."""
    known = tree.seeds.setdefault(stage, []) if isinstance(seed, int) else [seed]
    if seed not in known and len(known) < MAX_SEEDS:
        known.append(seed)


def _row(node: Any, depth: int, path: tuple[str, ...]) -> dict[str, Any]:
    state = node.process_state
    return {
        "depth": depth,
        "pk": node.pk,
        "uuid": node.uuid,
        "label": node.process_label,
        "stage": " / ".join(path),
        "state": None if state is None else state.value,
        "exit_status": node.exit_status,
        "exit_message": _message(node),
        "seconds": _seconds(node),
    }


def _message(node: Any) -> str | None:
    """Return the exit message; of a process that raised, what it raised."""
    return reason_of(node) if node.is_excepted else node.exit_message


def _failure(node: Any, path: tuple[str, ...]) -> dict[str, Any]:
    return {
        "stage": " / ".join(path) or task_name(node),
        "pk": node.pk,
        "label": node.process_label,
        "exit_status": node.exit_status,
        "reason": reason_of(node),
        "traceback": traceback_of(node),
    }


def _seconds(node: Any) -> float | None:
    return round((node.mtime - node.ctime).total_seconds(), 1) if node.is_terminated else None


def _add_job(tree: Tree, losses: dict[tuple[str, str], list[int]], node: Any, name: str) -> None:
    stage = tree.stages.setdefault(name, Stage(name))
    stage.jobs += 1
    stage.failed_jobs += bool(node.is_terminated and not node.is_finished_ok)
    stage.seconds += _seconds(node) or 0.0
    results = node.outputs.results.get_dict() if "results" in node.outputs else {}
    stage.compute_seconds += float((results.get("timings") or {}).get("total") or 0.0)
    for library, version in (results.get("versions") or {}).items():
        known = tree.versions.setdefault(library, [])
        if version not in known:
            known.append(version)
    add_seed(tree, name, results.get("seed"))
    device = results.get("device")
    if device and device not in tree.devices:
        tree.devices.append(device)
    if not node.is_finished_ok:
        return
    total, kinds = LOSSES.get(task_name(node), ("", ()))
    for key, what in kinds:
        entry = losses.setdefault((name, what), [0, 0])
        entry[0] += int(results.get(key) or 0)
        entry[1] += int(results.get(total) or 0)
