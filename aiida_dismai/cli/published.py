"""The csv files of the benchmark's authors as a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..engine.errors import BadInput


def published_folder(path: Path, what: str) -> Any:
    """Return a folder node (not stored yet) with the csv files of a folder, and nothing else of it.

    Raises:
        BadInput: no csv file in it, or a link that leaves it.
    """
    from aiida.orm import FolderData

    files = sorted(file for pattern in ("*.csv", "*.csv.gz") for file in path.rglob(pattern))
    if not files:
        raise BadInput(f"{what}: no csv file in the folder {path}; give the authors' record, structures, or a node")
    node = FolderData()
    inside = path.resolve()
    for file in files:
        try:
            real = file.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise BadInput(f"{what}: {file} is a link to nothing; remove it") from error
        if not real.is_relative_to(inside):
            raise BadInput(f"{what}: {file} is a link that leaves {path}; copy the file into the folder if it belongs")
        node.base.repository.put_object_from_file(str(real), str(file.relative_to(path)))
    node.label = path.resolve().name
    return node
