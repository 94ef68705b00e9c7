"""A row for each generated structure: where it is from, whether and why it failed, and every measure of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import write_text
from ..neighbours import usable
from ..spreadsheet import cell
from ..structures import StructureSet
from ..text import visible

#: Begins the names of arrays of ``per_structure.npz`` that are no measure of one structure.
NO_MEASURE = ("vector", "average", "curve", "labels", "shown", "motifs")
COLUMNS = ("index", "file", "frame", "formula", "atoms", "outcome", "stage", "reason")
#: Characters of a reason.
REASON = 300
PUSHED = "atoms could not be pushed apart"
NO_NUMBERS = "coordinates that are no numbers, or a cell without volume"
NOT_CONVERGED = "ran out of steps before the force tolerance was met"


def listing(
    generated: StructureSet,
    results: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    relaxed: StructureSet | None = None,
    not_pushed: Iterable[int] = (),
) -> list[dict[str, Any]]:
    """Return the rows, in the order of the structures.

    Args:
        generated: all structures; their properties ``file`` and ``frame`` name them.
        results: of the metrics.
        arrays: of ``per_structure.npz``.
        relaxed: what the relaxation gave, with ``source_index``; None where nothing was relaxed.
        not_pushed: places of those that were lost in the post-processing.
    """
    rows = [_begun(generated, i) for i in range(len(generated))]
    for i in not_pushed:
        own = generated.atoms_of(i)
        reason = PUSHED if usable(generated.positions[own], generated.cells[i]) else NO_NUMBERS
        rows[i] |= _failed("postprocess", reason)
    source = np.arange(len(generated))
    if relaxed is None:
        _add_relaxed(rows, generated, source)  # what was relaxed before may say so
    else:
        source = relaxed.values("source_index") if "source_index" in relaxed.properties else np.arange(len(relaxed))
        _add_relaxed(rows, relaxed, source)
    for item in results.get("not_analysed") or ():
        place = int(item["index"])
        if 0 <= place < len(source):
            rows[int(source[place])] |= _failed("analysis", str(item["reason"]))
    _add_measures(rows, arrays)
    return rows


def unreadable(file: str, frame: int, reason: str) -> dict[str, Any]:
    """Return the row of a structure that could not be read."""
    return {"file": file, "frame": frame, **_failed("reading", reason)}


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV; a cell without a value is empty."""
    names = list(COLUMNS)
    for row in rows:
        names += [name for name in row if name not in names]
    target = io.StringIO()
    writer = csv.DictWriter(target, names, restval="", lineterminator="\n")
    writer.writerow({name: cell(name) for name in names})
    writer.writerows({name: cell("" if value is None else value) for name, value in row.items()} for row in rows)
    return target.getvalue()


def write_csv(rows: Sequence[Mapping[str, Any]], path: Any) -> None:
    """Write rows as CSV, atomically."""
    write_text(path, to_csv(rows))


def _begun(generated: StructureSet, i: int) -> dict[str, Any]:
    properties = generated.properties
    return {
        "index": i,
        "file": str(properties["file"].values[i]) if "file" in properties else "",
        "frame": int(properties["frame"].values[i]) if "frame" in properties else i,
        "formula": generated.formulas[i],
        "atoms": int(generated.n_atoms[i]),
        "outcome": "not measured",
        "stage": "",
        "reason": "",
    }


def _failed(stage: str, reason: str) -> dict[str, Any]:
    return {"outcome": "failed", "stage": stage, "reason": visible(" ".join(reason.split()), REASON)}


def _add_relaxed(rows: list[dict[str, Any]], relaxed: StructureSet, source: NDArray[Any]) -> None:
    properties = relaxed.properties
    for place, i in enumerate(source.tolist()):
        row = rows[int(i)]
        for name in ("energy_initial", "energy", "fmax", "steps"):
            if name in properties:
                row[f"{name}_eV" if name.startswith("energy") else name] = _plain(properties[name].values[place])
        if "converged" in properties:
            row["converged"] = bool(properties["converged"].values[place])
            if not row["converged"]:
                failure = str(properties["failure"].values[place]) if "failure" in properties else ""
                row |= _failed("relaxation", failure or NOT_CONVERGED)


def _add_measures(rows: list[dict[str, Any]], arrays: Mapping[str, NDArray[Any]]) -> None:
    index = arrays.get("index")
    if index is None:
        return
    source = arrays.get("source_index", index)
    names = [
        name
        for name, values in arrays.items()
        if values.shape == index.shape
        and name not in ("index", "source_index", "steps")
        and not name.startswith(NO_MEASURE)
    ]
    for k, i in enumerate(source.tolist()):
        row = rows[int(i)]
        row["outcome"] = "measured"
        for name in names:
            key = "energy_per_atom_eV" if name == "energy_per_atom" else name
            row[key] = _plain(arrays[name][k])


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
