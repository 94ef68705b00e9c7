"""Relaxed structures under the names that they had: a file for each file given.

It is in the format of that file if this is CIF, POSCAR or extended XYZ, and in extended XYZ otherwise.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from ..files import write_atomically
from ..structures import StructureSet, write_extxyz
from ..structures.source import COMPRESSED
from ..structures.write_single import single_file, single_format

#: Folder of those whose relaxation did not end: their files cannot say so themselves.
NOT_CONVERGED = "not_converged"


def write_relaxed(relaxed: StructureSet, folder: Path) -> list[Path]:
    """Write relaxed structures; those that have not converged go into a folder of their own.

    Args:
        relaxed: with the properties ``file`` and ``converged``.
        folder: where to; made if it is not there.

    Returns:
        The files, in the order of the names given.
    """
    files = relaxed.values("file")
    converged = relaxed.values("converged") if "converged" in relaxed.properties else np.ones(len(relaxed), dtype=bool)
    written = []
    for name in dict.fromkeys(str(file) for file in files):
        for good in (True, False):
            chosen = np.flatnonzero((files == name) & (converged.astype(bool) == good))
            if len(chosen):
                place = folder if good else folder / NOT_CONVERGED
                written.append(_write(relaxed[chosen], place / _relative(name)))
    return written


def _relative(name: str) -> Path:
    """Return the name of a file below the folder: names are those of files that were there, and stay inside."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
    return Path(*parts)


def _write(structures: StructureSet, path: Path) -> Path:
    if path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    path.parent.mkdir(parents=True, exist_ok=True)
    if single_format(path) is None or len(structures) > 1:
        if path.suffix.lower() not in (".extxyz", ".xyz"):
            path = path.with_name(f"{path.name}.extxyz")
        write_extxyz(structures, path)
        return path
    content = single_file(structures, path)
    write_atomically(path, lambda handle: handle.write(content))
    return path
