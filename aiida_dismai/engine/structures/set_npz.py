"""Our own file of a set, ``.npz``: exact, and read whole or a block at a time."""

from __future__ import annotations

import io
import json
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import BadInput
from ..files import write_atomically
from ..text import visible
from .container import StructureSet
from .npz import Arrays, open_arrays
from .properties import Property

FORMAT = "dismai-structures"
VERSION = 1
META = "meta"
WHAT = "a structure set"


def write_npz(structures: StructureSet, path: Path | str | BinaryIO, note: str = "", compressed: bool = False) -> None:
    """Write a set to a path (atomically) or an open binary file; equal sets (and notes) give equal bytes.

    ``note`` says to readers of the file what no property does, such as who computed the energies. ``compressed`` is for
    files that are shipped; it takes longer, and no digit is lost.
    """
    meta: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "properties": {name: [prop.level, prop.unit] for name, prop in sorted(structures.properties.items())},
    }
    if note:
        meta["note"] = note
    arrays: dict[str, Any] = {META: np.array(json.dumps(meta, sort_keys=True))}
    arrays |= dict(sorted(structures.arrays().items()))

    def write(handle: BinaryIO) -> None:
        (np.savez_compressed if compressed else np.savez)(handle, allow_pickle=False, **arrays)

    if isinstance(path, (str, Path)):
        write_atomically(path, write)
    else:
        write(path)


def to_bytes(structures: StructureSet) -> bytes:
    """Return what :func:`write_npz` writes."""
    buffer = io.BytesIO()
    write_npz(structures, buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> StructureSet:
    """Read what :func:`to_bytes` gave."""
    return read_npz(io.BytesIO(content))


def read_npz(path: Path | str | BinaryIO) -> StructureSet:
    """Read a set.

    Raises:
        BadInput: missing, truncated, or not a file of this format.
    """
    with open_arrays(path, WHAT) as arrays:
        listed = _properties(arrays)
        try:
            return StructureSet(
                arrays.read("numbers", "iu"),
                arrays.read("positions", "f"),
                arrays.read("cells", "f"),
                arrays.read("pbc", "b"),
                arrays.read("offsets", "iu"),
                {name: Property(arrays.read(f"property.{name}"), *about) for name, about in listed.items()},
            )
        except BadInput as error:
            if str(error).startswith(arrays.where):
                raise
            raise BadInput(f"{arrays.where}: {error}") from error


def count_npz(path: Path) -> int:
    """Return the number of structures in a file.

    Raises:
        BadInput: as :func:`read_npz`.
    """
    with open_arrays(path, WHAT) as arrays:
        _properties(arrays)
        return max(0, arrays.rows("offsets", "iu").shape[0] - 1)


def blocks_of(path: Path, size: int, wanted: Container[str] | None) -> Iterator[StructureSet]:
    """Iterate over the structures of a file, ``size`` at a time, without the properties of atoms.

    Args:
        path: of the file.
        size: structures of a block.
        wanted: names of the properties that are read, None for all.

    Raises:
        BadInput: as :func:`read_npz`, also when the place is reached.
    """
    with open_arrays(path, WHAT) as arrays:
        offsets, cells, pbc = arrays.read("offsets", "iu"), arrays.read("cells", "f"), arrays.read("pbc", "b")
        atoms = _require_rising(arrays, offsets, len(cells), len(pbc))
        properties = {
            name: Property(arrays.read(f"property.{name}"), level, unit)
            for name, (level, unit) in _properties(arrays).items()
            if level == "structure" and (wanted is None or name in wanted)
        }
        with arrays.rows("numbers", "iu") as numbers, arrays.rows("positions", "f") as positions:
            for name, found in (("numbers", numbers.shape), ("positions", positions.shape)):
                if found[:1] != (atoms,):
                    raise BadInput(f"{arrays.where}: '{name}' has the shape {found} for {atoms} atoms")
            for start in range(0, len(offsets) - 1, size):
                stop = min(start + size, len(offsets) - 1)
                rows = int(offsets[stop] - offsets[start])
                chosen = {name: Property(p.values[start:stop], p.level, p.unit) for name, p in properties.items()}
                try:
                    block = StructureSet(
                        numbers.take(rows),
                        positions.take(rows),
                        cells[start:stop],
                        pbc[start:stop],
                        offsets[start : stop + 1] - offsets[start],
                        chosen,
                    )
                except BadInput as error:
                    raise BadInput(f"{arrays.where}: structures {start}–{stop - 1}: {error}") from error
                yield block


def _require_rising(arrays: Arrays, offsets: Any, n_cells: int, n_pbc: int) -> int:
    """Check the offsets; returns the number of atoms."""
    if offsets.ndim != 1 or not len(offsets) or not len(offsets) - 1 == n_cells == n_pbc:
        raise BadInput(f"{arrays.where}: {n_cells} cells and {n_pbc} pbc rows do not fit {len(offsets)} offsets")
    steps = np.diff(offsets.astype(np.int64))
    if offsets[0] != 0 or (steps < 0).any():
        raise BadInput(f"{arrays.where}: offsets must rise from 0 to the number of atoms")
    return int(offsets[-1])


def _properties(arrays: Arrays) -> dict[str, tuple[str, str]]:
    """Return level and unit of the properties that a file says it has."""
    if META not in arrays:
        raise BadInput(f"{arrays.where}: not {WHAT} ({FORMAT}); convert it with from_ase or write_npz")
    meta = arrays.json(META)
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        found = meta.get("format") if isinstance(meta, dict) else meta
        raise BadInput(f"{arrays.where}: not {WHAT}, its format is {visible(found, 60)}")
    version = meta.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise BadInput(
            f"{arrays.where}: version {visible(version, 20)} of {FORMAT} is not read by this version of aiida-dismai"
        )
    listed = meta.get("properties")
    if not isinstance(listed, dict):
        raise BadInput(f"{arrays.where}: says nothing of its properties")
    for name, about in listed.items():
        if not (isinstance(about, list) and len(about) == 2 and all(isinstance(item, str) for item in about)):
            raise BadInput(f"{arrays.where}: property '{visible(name, 60)}': level and unit are expected")
    unlisted = [name for name in arrays.names() if name.startswith("property.") and name[9:] not in listed]
    if unlisted:
        raise BadInput(f"{arrays.where}: says nothing of its array '{visible(unlisted[0], 60)}'")
    return {name: (about[0], about[1]) for name, about in listed.items()}
