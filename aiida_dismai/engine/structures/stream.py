"""Reading a file of structures a block at a time, so that memory does not grow with their number."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from .container import Property, StructureSet
from .convert import from_ase
from .files import META, load_structures, read_npz

#: Structures of one block.
BLOCK = 64


class StructureStream:
    """The structures of a file, in order.

    Blocks carry the properties of structures; those of atoms (forces and the like) are left out.

    Args:
        path: ``.npz`` of this project and extxyz are streamed; what else ASE reads is read as a whole.

    Raises:
        BadInput: missing, truncated or unreadable (also later, when the place is reached).
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise BadInput(f"{self.path}: no such file")
        suffixes = self.path.suffixes
        self._kind = "npz" if self.path.suffix == ".npz" else "xyz" if {".extxyz", ".xyz"} & set(suffixes) else "other"
        self._length: int | None = None

    def __len__(self) -> int:
        """Return the number of structures; for extxyz the file is read through once."""
        if self._length is None:
            counts = {"npz": self._count_npz, "xyz": self._count_frames, "other": lambda: len(self._whole())}
            self._length = counts[self._kind]()
        return self._length

    def blocks(self, size: int = BLOCK) -> Iterator[StructureSet]:
        """Iterate over the structures, ``size`` at a time (the last block may be smaller)."""
        if self._kind == "npz":
            return self._npz_blocks(size)
        if self._kind == "xyz":
            return self._frame_blocks(size)
        whole = self._whole()
        return (whole[start : start + size] for start in range(0, len(whole), size))

    def _whole(self) -> StructureSet:
        return _without_those_of_atoms(load_structures(self.path))

    # ------------------------------------------------------------------ npz
    def _count_npz(self) -> int:
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                return len(archive["offsets"]) - 1
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError):
            return len(read_npz(self.path))  # says what is wrong

    def _npz_blocks(self, size: int) -> Iterator[StructureSet]:
        if not len(self):
            return
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                meta = json.loads(str(archive[META]))
                offsets, cells, pbc = archive["offsets"], archive["cells"], archive["pbc"]
                properties = {
                    name: Property(archive[f"property.{name}"], level, unit)
                    for name, (level, unit) in meta["properties"].items()
                    if level == "structure"
                }
            with (
                zipfile.ZipFile(self.path) as archive_file,
                archive_file.open("numbers.npy") as numbers_file,
                archive_file.open("positions.npy") as positions_file,
            ):
                numbers, positions = _Rows(numbers_file), _Rows(positions_file)
                for start in range(0, len(offsets) - 1, size):
                    stop = min(start + size, len(offsets) - 1)
                    atoms = int(offsets[stop] - offsets[start])
                    chosen = {name: Property(p.values[start:stop], p.level, p.unit) for name, p in properties.items()}
                    yield StructureSet(
                        numbers.take(atoms),
                        positions.take(atoms),
                        cells[start:stop],
                        pbc[start:stop],
                        offsets[start : stop + 1] - offsets[start],
                        chosen,
                    )
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
            raise BadInput(f"{self.path}: truncated or not a structure set ({error})") from error

    # ------------------------------------------------------------------ extxyz
    def _open(self) -> IO[str]:
        if self.path.suffix == ".gz":
            return gzip.open(self.path, "rt")
        return self.path.open()

    def _count_frames(self) -> int:
        frames = 0
        try:
            with self._open() as handle:
                while line := handle.readline():
                    if not line.strip():
                        continue
                    for _ in range(int(line) + 1):
                        if not handle.readline():
                            raise EOFError(f"frame {frames} is cut off")
                    frames += 1
        except (ValueError, EOFError, OSError) as error:
            raise BadInput(f"{self.path}: not readable as extxyz ({error})") from error
        return frames

    def _frame_blocks(self, size: int) -> Iterator[StructureSet]:
        from ase.io import iread

        if not len(self):
            return
        frames: list[Any] = []
        names: set[str] | None = None
        index = 0
        reader = iread(self.path, index=":", format="extxyz")
        while True:
            try:
                atoms = next(reader, None)
            except Exception as error:  # ASE raises many types for one meaning
                raise BadInput(
                    f"{self.path}: not readable as extxyz (frame {index}: {type(error).__name__}: {error})"
                ) from error
            if atoms is None:
                break
            if abs(atoms.cell.volume) < 1e-6:
                raise BadInput(
                    f'{self.path}: frame {index} has no lattice; add Lattice="ax ay az bx …" to its comment line'
                )
            for name in set(atoms.arrays) - {"numbers", "positions"}:
                del atoms.arrays[name]
            frames.append(atoms)
            index += 1
            if len(frames) == size or index == len(self):
                try:
                    block = _without_those_of_atoms(from_ase(frames))
                except BadInput as error:
                    raise BadInput(
                        f"{self.path}: {error} (counted from frame {index - len(frames)} on); give it to all frames "
                        "or to none"
                    ) from error
                names = set(block.properties) if names is None else names
                if odd := names ^ set(block.properties):
                    raise BadInput(f"{self.path}: not all frames have the properties {', '.join(sorted(odd))}")
                yield block
                frames = []


def _without_those_of_atoms(structures: StructureSet) -> StructureSet:
    atoms = [name for name, prop in structures.properties.items() if prop.level == "atom"]
    return structures.without_properties(*atoms) if atoms else structures


class _Rows:
    """The rows of an array in an open ``.npy`` file, from the first to the last."""

    def __init__(self, handle: IO[bytes]) -> None:
        self.handle = handle
        version = np.lib.format.read_magic(handle)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, self.dtype = read_header(handle)
        if fortran and len(shape) > 1:
            raise ValueError("arrays in column order cannot be streamed")
        self.shape = shape[1:]
        self.row = self.dtype.itemsize * int(np.prod(self.shape, dtype=int))

    def take(self, rows: int) -> NDArray[Any]:
        """Return the next rows."""
        content = self.handle.read(rows * self.row)
        if len(content) != rows * self.row:
            raise EOFError("the file is cut off")
        return np.frombuffer(content, self.dtype).reshape(rows, *self.shape)
