"""The data sets of a record as nodes, with where they are from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput
from ...engine.structures import load_structures
from ...engine.text import visible
from ...engine.untrusted import open_file
from .layout import DOI, PAPER, DataSet, Record

#: Extra of the nodes, by which they are found again; its entry ``doi`` is the record's.
EXTRA = "dismai_record"
LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt")


def licence_of(record: Record, given: str | None) -> str:
    """Return the licence of a record: given, the first line of a file of it, or where it is stated."""
    if given:
        return given
    for name in LICENCES:
        path = record.folder / name
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as handle:
                lines = handle.read(4096).decode(errors="replace").splitlines()
            first = next((line.strip() for line in lines if line.strip()), "")
            return f"{visible(first, 120)} (file {name})"
    return f"as stated at https://doi.org/{DOI}"


def store_sets(record: Record, datasets: Sequence[DataSet], licence: str) -> list[tuple[str, Any]]:
    """Store training and validation sets, and the csv files of their references.

    What is there already, by the content of its file, stays as it is. Nothing is stored unless every file can be read.

    Returns:
        Label and node of each.

    Raises:
        BadInput: no set of these data sets in the record, or a file that cannot be read.
    """
    from aiida.orm import FolderData

    from ...data import StructureSetData
    from ..published import published_folder

    files = [(item, part, path) for item in datasets for part, path in sorted(record.sets.get(item.name, {}).items())]
    if not files:
        names = ", ".join(item.name for item in datasets)
        raise BadInput(
            f"{visible(record.folder)}: no training or validation set of {names} was found in train_val_data; `--list` "
            "shows what was found"
        )
    fresh: list[tuple[str, Any, dict[str, Any]]] = []
    for item, part, path in files:
        about = _about(record, item, part, path, licence)
        node = _known(StructureSetData, about) or StructureSetData(load_structures(path).require(str(path)))
        fresh.append((f"record:{item.name}.{part}", node, about))
    for item in datasets:
        if item.name in record.references:
            folder = record.references[item.name]
            about = _about(record, item, "reference", folder, licence)
            found = _known(FolderData, about) or published_folder(folder, f"record: {item.name}")
            fresh.append((f"record:{item.name}.reference", found, about))
    return [(label, _store(label, node, about)) for label, node, about in fresh]


def _about(record: Record, dataset: DataSet, part: str, path: Path, licence: str) -> dict[str, Any]:
    return {
        "doi": DOI,
        "paper": PAPER,
        "licence": licence,
        "set": dataset.name,
        "part": part,
        "kind": dataset.kind,
        "file": str(path.relative_to(record.folder)),
        "sha256": content_digest(path),
    }


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or over names and contents of the files of a folder."""
    digest = hashlib.sha256()
    files = sorted(item for item in path.rglob("*.csv*") if item.is_file()) if path.is_dir() else [path]
    for file in files:
        if path.is_dir():
            digest.update(f"{file.relative_to(path)}\0".encode())
        with open_file(file) as handle:
            while content := handle.read(2**20):
                digest.update(content)
    return digest.hexdigest()


def _known(kind: type, about: dict[str, Any]) -> Any:
    from aiida.orm import QueryBuilder

    query = QueryBuilder().append(kind, filters={f"extras.{EXTRA}.sha256": about["sha256"]})
    same = {"set", "part"}
    return next((n for n in query.all(flat=True) if all(n.base.extras.get(EXTRA)[k] == about[k] for k in same)), None)


def _store(label: str, node: Any, about: dict[str, Any]) -> Any:
    if node.is_stored:
        return node
    node.label = label
    node.description = (
        f"{about['part']} of {about['set']}, published record https://doi.org/{DOI} of the paper "
        f"https://doi.org/{PAPER}; licence: {about['licence']}"
    )
    node.store()
    node.base.extras.set(EXTRA, about)
    return node
