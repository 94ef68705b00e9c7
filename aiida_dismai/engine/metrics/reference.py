"""The training set's side of the metrics, which is computed once and can be given again as ``reference.npz``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import write_arrays
from ..context import Context
from ..descriptors.chemistry import common_composition
from ..errors import BadInput
from ..families.base import Composition, FamilyMetrics, Vectors
from ..structures.npz import open_arrays
from ..text import visible
from .collect import Collected, describe_all, open_structures
from .records import RecordFile, Records, StoredRecords
from .statistics import average

WHAT = "a reference of this project"
FORMAT = "dismai-reference"
VERSION = 2
META = "meta"


@dataclass(frozen=True)
class Reference:
    """The records of the training structures, and what they belong to.

    Attributes:
        composition: atoms of each element in every structure, as far as it is known; empty where it may differ.
        structures_hash: SHA-256 over the training structures without their properties, or over the authors' files.
        n_structures: how many there were, with those that could not be analysed.
        records: of those that could.
        failures: (place, reason) of those that could not.
        energy_per_atom: ``(n,)`` of those that could, eV; None when unknown.
        area: ``(n,)`` Å², and ``n_atoms`` ``(n,)``, likewise.
        n_atoms: atoms of each structure.
        unknown: vectors of which the reference says nothing (published files can be incomplete).
    """

    composition: Composition
    structures_hash: str
    n_structures: int
    records: Records
    failures: list[tuple[int, str]] = field(default_factory=list)
    energy_per_atom: NDArray[np.float64] | None = None
    area: NDArray[np.float64] | None = None
    n_atoms: NDArray[np.int64] | None = None
    unknown: tuple[str, ...] = ()

    def averages(self, kind: FamilyMetrics) -> Vectors:
        """Return the average of every vector; NaN where it is unknown."""
        return average(self.records, lambda block: kind.vectors(block, self.composition))

    def save(self, path: Path, kind: FamilyMetrics) -> None:
        """Write the file, atomically; equal references give equal bytes."""
        meta = {
            "format": FORMAT,
            "version": VERSION,
            "about": kind.about(),
            "composition": dict(self.composition),
            "structures_hash": self.structures_hash,
            "n_structures": self.n_structures,
            "failures": [list(item) for item in self.failures],
            "unknown": list(self.unknown),
        }
        arrays: dict[str, Any] = {META: np.array(json.dumps(meta, sort_keys=True))}
        arrays |= {f"average.{name}": values for name, values in self.averages(kind).items()}
        for name, value in (("energy_per_atom", self.energy_per_atom), ("area", self.area), ("n_atoms", self.n_atoms)):
            if value is not None:
                arrays[name] = value
        blocks = list(self.records.blocks())
        arrays["records"] = np.concatenate(blocks) if blocks else np.zeros(0, self.records.dtype)
        write_arrays(path, arrays)


def make_reference(
    context: Context, stage: str, path: Path, kind: FamilyMetrics, file: RecordFile
) -> tuple[Reference, Collected | None]:
    """Read a reference, or make it from training structures.

    Args:
        context: of the task.
        stage: named in the progress.
        path: structures, a file of :meth:`Reference.save`, or a folder of the authors' csv files.
        kind: the family of metrics.
        file: where records are kept.

    Returns:
        The reference, and where it was made from structures what was noted of them.

    Raises:
        BadInput: nothing that can be a reference of this kind; says why.
        Unfinished: out of time.
    """
    if path.is_dir():
        return _published(path, kind), None
    if is_reference(path):
        return load_reference(path, kind), None
    stream = open_structures(path)
    where = f"{path} ({stage})"
    composition: Composition = {}
    if kind.spec.same_composition:
        composition = common_composition(stream, where)
        kind.require_elements(composition, where)
    elif not len(stream):
        raise BadInput(f"{where}: the set of structures is empty")
    found = describe_all(context, stage, stream, kind, file, composition)
    if not len(found.records):
        first = f"; structure {found.failures[0][0]}: {found.failures[0][1]}" if found.failures else ""
        raise BadInput(f"{where}: none of its {found.n} structures could be analysed{first}")
    digest = hashlib.sha256(b"".join(found.records.keys)).hexdigest()
    reference = Reference(
        composition, digest, found.n, found.records, found.failures, found.energy_per_atom, found.area, found.n_atoms
    )
    return reference, found


def _published(folder: Path, kind: FamilyMetrics) -> Reference:
    """Read the authors' csv files."""
    records, composition, known = kind.published(folder)
    unknown = tuple(name for name in kind.vectors(records[:1], composition) if name not in known)
    digest = hashlib.sha256(records.tobytes()).hexdigest()
    return Reference(composition, digest, len(records), StoredRecords(records), unknown=unknown)


def is_reference(path: Path) -> bool:
    """Say whether a file is one that :meth:`Reference.save` wrote (and not, say, structures)."""
    if path.suffix.lower() != ".npz":
        return False
    try:
        with open_arrays(path, WHAT) as arrays:
            meta = arrays.json(META) if META in arrays else None
            return isinstance(meta, dict) and meta.get("format") == FORMAT
    except BadInput:
        return False


def load_reference(path: Path, kind: FamilyMetrics) -> Reference:
    """Read a reference that was written before.

    Args:
        path: the file.
        kind: the family of metrics with its parameters; the file must have been made with the same.

    Raises:
        BadInput: truncated, made by another version, or with other parameters.
    """
    with open_arrays(path, WHAT) as archive:
        meta = archive.json(META)
        if meta["version"] != VERSION:
            raise BadInput(f"{path}: a reference of another version; give the training structures instead")
        if (made := meta["about"].get("kind")) != kind.name:
            raise BadInput(
                f"{path}: a reference for the kind '{visible(made, 40)}', not '{kind.name}'; give one of this kind"
            )
        if odd := _differences(meta["about"], json.loads(json.dumps(kind.about()))):
            raise BadInput(
                f"{path}: made with {visible(odd)}; give the training structures instead, or those parameters"
            )
        composition = {str(symbol): int(count) for symbol, count in meta["composition"].items()}
        records = archive.read("records", "V")
        if records.dtype != kind.dtype(composition) or records.ndim != 1:
            raise BadInput(f"{path}: damaged: its records are not those of the kind '{kind.name}'")
        names = ("energy_per_atom", "area", "n_atoms")
        arrays = {name: archive.read(name, "fiu") for name in names if name in archive}
        if odd_length := [name for name, array in arrays.items() if array.shape != records.shape]:
            raise BadInput(f"{path}: damaged: '{odd_length[0]}' is not as long as its records")
        return Reference(
            composition,
            str(meta["structures_hash"]),
            int(meta["n_structures"]),
            StoredRecords(records),
            [(int(place), str(reason)) for place, reason in meta["failures"]],
            arrays.get("energy_per_atom"),
            arrays.get("area"),
            arrays.get("n_atoms"),
            tuple(str(name) for name in meta["unknown"]),
        )


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return what differs in words, empty when nothing does."""
    return ", ".join(
        f"{name} {found.get(name)!r} (now {wanted.get(name)!r})"
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    )
