"""The page of an evaluation that ran without AiiDA: gathered from files instead of nodes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.metrics.aggregate import summarise
from ..engine.structures import StructureSet
from ..engine.structures.npz import open_arrays
from ..engine.text import visible
from ..engine.untrusted import read_object
from .cautions import notes
from .content import Report
from .family import find_report
from .html import write_page
from .lineage import Box, Lineage
from .model import Model
from .nodes import energies_of
from .paper import read_paper
from .scenes import Sets, scenes_of
from .stages import LOSSES, Stage, Tree, add_seed, unread_losses

#: Bytes of a file that are hashed at once.
BLOCK = 2**20
#: Characters of the beginning of a hash.
SHOWN = 12


def write_files_page(page: Path, **content: Any) -> None:
    """Write the page; arguments as of :func:`report_of_files`."""
    write_page(report_of_files(**content), page)


def report_of_files(
    title: str,
    command: str,
    results: Path,
    arrays: Path,
    tasks: Sequence[Mapping[str, Any]],
    generated: StructureSet | None,
    measured: StructureSet,
    training: StructureSet | None,
    files: Mapping[str, Path],
    unread: Sequence[Mapping[str, Any]] = (),
) -> Report:
    """Gather the report on an evaluation.

    Args:
        title: of the page.
        command: that made it; shown, so that it can be made again.
        results: results of the metrics (JSON).
        arrays: the numbers of every structure (npz).
        tasks: that ran: ``name``, ``task``, ``parameters``, ``done`` and ``folder`` (with its ``results.json``; None
            for the metrics).
        generated: what the model gave; None where only what was measured is known.
        measured: what the metrics were given.
        training: training structures; None where the reference holds none.
        files: that were given, by what they are.
        unread: ``file``, ``frame`` and ``reason`` of each structure that could not be read.
    """
    found = read_object(results)
    model = Model("generated", found, per_structure=read_arrays(arrays))
    model.energies = energies_of(measured)
    model.unread = [dict(row) for row in unread]
    relaxation = next((task for task in tasks if task["name"] == "relax"), None)
    if relaxation is not None:
        model.fmax = float(relaxation["parameters"].get("fmax", 0.05))
    report = Report(_process(title, results), models=[model], paper=read_paper(), summary=summarise([found]))
    report.family = find_report(str(found.get("kind")))
    report.add_problem(report.family.problem)
    before = generated if generated is not None else measured
    sets = Sets(measured, generated, training, relaxation is not None, _names(before))
    report.scenes = scenes_of(model, report.family, sets)
    report.tree = _tree(tasks, found)
    report.tree.losses[:0] = unread_losses(report.models)
    report.process["seconds"] = sum(stage.compute_seconds for stage in report.tree.stages.values()) or None
    report.lineage = _lineage(tasks, files, found)
    report.again = [("structures, metrics and this page", command)]
    report.notes = notes(report)
    return report


def _process(title: str, results: Path) -> dict[str, Any]:
    when = datetime.fromtimestamp(results.stat().st_mtime, UTC)
    return {
        "pk": None,
        "uuid": None,
        "type": "dismai",
        "label": title,
        "state": "finished",
        "exit_status": 0,
        "exit_message": None,
        "started": when.isoformat(timespec="seconds"),
        "seconds": None,
    }


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the numbers of every structure under the names that array nodes give them."""
    with open_arrays(path, "the measures of an evaluation") as archive:
        return {name.replace(".", "_"): archive.read(name) for name in archive.names()}


def _names(structures: StructureSet) -> list[str]:
    if "file" not in structures.properties:
        return []
    frames = structures.values("frame") if "frame" in structures.properties else np.arange(len(structures))
    return [f"{file}, frame {frame}" for file, frame in zip(structures.values("file"), frames, strict=True)]


def _tree(tasks: Sequence[Mapping[str, Any]], results: Mapping[str, Any]) -> Tree:
    """Return what the tasks have cost, lost and run with."""
    tree = Tree()
    for task in tasks:
        found = dict(results) if task["folder"] is None else read_object(Path(task["folder"]) / "results.json")
        seconds = float((found.get("timings") or {}).get("total") or 0.0)
        tree.stages[task["name"]] = Stage(task["name"], 1, 0, seconds, seconds)
        for library, version in (found.get("versions") or {}).items():
            tree.versions.setdefault(library, [])
            if version not in tree.versions[library]:
                tree.versions[library].append(version)
        if found.get("device") and found["device"] not in tree.devices:
            tree.devices.append(found["device"])
        add_seed(tree, task["name"], found.get("seed"))
        total, kinds = LOSSES.get(task["task"], ("", ()))
        tree.losses += [
            {"stage": task["name"], "what": what, "count": int(found[key]), "of": int(found.get(total) or 0)}
            for key, what in kinds
            if found.get(key)
        ]
    return tree


def _lineage(tasks: Sequence[Mapping[str, Any]], files: Mapping[str, Path], results: Mapping[str, Any]) -> Lineage:
    """Return the graph: the files that were given, the tasks, and what came out."""
    boxes: list[Box] = []
    arrows: list[tuple[int, int]] = []
    place: dict[str, int] = {}
    for name, path in files.items():
        place[name] = len(boxes)
        boxes.append(Box("data", name, path.name, f"{name}: {visible(path.name, 80)}, SHA-256 {digest_of(path)}"))
    last = place.get("generated")
    for task in tasks:
        here = len(boxes)
        parameters = ", ".join(f"{key} {visible(value, 60)}" for key, value in task["parameters"].items())
        boxes.append(Box("process", task["task"], task["done"], f"{task['task']}: {parameters or 'defaults'}"))
        given = {"relax": ("potential",), "metrics": ("reference", "validation")}.get(task["name"], ())
        arrows += [(place[name], here) for name in given if name in place]
        arrows += [] if last is None else [(last, here)]
        last = here + 1
        if task["name"] == "metrics":
            what = f"{results['n_analysed']} of {results['n_generated']} measured"
            boxes.append(Box("result", "results", what, f"results.json: {what}"))
        else:
            boxes.append(Box("data", "structures", "relaxed" if task["name"] == "relax" else "pushed apart"))
        arrows.append((here, last))
    return Lineage(boxes, arrows)


def digest_of(path: Path) -> str:
    """Return the beginning of the SHA-256 of a file, or of the names and contents of the files in a folder."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        digest.update(b"" if file == path else file.relative_to(path).as_posix().encode())
        with file.open("rb") as handle:
            while block := handle.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()[:SHOWN]
