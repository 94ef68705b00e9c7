"""Reading a file of structures a block at a time, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ..errors import BadInput
from ..text import visible
from .container import StructureSet
from .extxyz import count_frames, frames_of
from .files import load_structures
from .frames import BLOCK, Frame, joined_blocks
from .set_npz import blocks_of, count_npz
from .source import content_suffixes


class StructureStream:
    """The structures of a file, in order.

    Blocks carry the properties of structures; those of atoms (forces and the like) are left out.

    Args:
        path: ``.npz`` of this project and extxyz are streamed; what else is read is read as a whole.
        properties: names of the properties that matter: others are left out, and need not be there in all frames;
            None for all.

    Raises:
        BadInput: missing, truncated or unreadable (also later, when the place is reached).
    """

    def __init__(self, path: Path | str, properties: Collection[str] | None = None) -> None:
        self.path = Path(path)
        self.properties = properties
        if not self.path.is_file():
            raise BadInput(f"{visible(self.path)}: {'this is a folder' if self.path.is_dir() else 'no such file'}")
        suffixes = content_suffixes(self.path)
        npz = self.path.suffix.lower() == ".npz"
        self._kind = "npz" if npz else "xyz" if {".extxyz", ".xyz"} & set(suffixes) else "other"
        self._length: int | None = None

    def __len__(self) -> int:
        """Return the number of structures; for extxyz the file is read through once."""
        if self._length is None:
            if self._kind == "npz":
                self._length = count_npz(self.path)
            elif self._kind == "xyz":
                self._length = count_frames(self.path)
            else:
                self._length = len(self._whole())
        return self._length

    def blocks(self, size: int = BLOCK) -> Iterator[StructureSet]:
        """Iterate over the structures, ``size`` at a time (the last block may be smaller).

        Raises:
            BadInput: as the readers, and where the file has another number of structures than it had before.
        """
        given = 0
        for block in self._blocks(size):
            given += len(block)
            yield block
        if given != len(self):
            raise BadInput(
                f"{visible(self.path)}: {len(self)} structures were counted, {given} read; did the file change?"
            )

    def _blocks(self, size: int) -> Iterator[StructureSet]:
        if self._kind == "npz":
            return blocks_of(self.path, size, self.properties)
        if self._kind == "xyz":
            return self._frame_blocks(size)
        whole = self._whole()
        return (whole[start : start + size] for start in range(0, len(whole), size))

    def _whole(self) -> StructureSet:
        whole = load_structures(self.path)
        left_out = [
            name
            for name, prop in whole.properties.items()
            if prop.level == "atom" or (self.properties is not None and name not in self.properties)
        ]
        return whole.without_properties(*left_out) if left_out else whole

    def _frame_blocks(self, size: int) -> Iterator[StructureSet]:
        return joined_blocks(self._prepared(), size)

    def _prepared(self) -> Iterator[Frame]:
        for frame in frames_of(self.path):
            frame.require_lattice()
            frame.prepare(self.properties, atoms=False)
            yield frame
