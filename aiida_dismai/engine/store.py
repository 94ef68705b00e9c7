"""Finished pieces of a run in one file: appended one by one, found again by key, joined with those of other runs.

The file begins with a line of JSON, what its owner is of. A piece is ``key`` (32 bytes), ``mark`` (1 byte, what its
content is), the content's length (4 bytes, little endian), the content, and the CRC-32 of all that (4 bytes). Pieces
are only appended, so that a kill costs at most the one that is being made: one that was cut off, or that a bad copy has
damaged, is as if it were not there and is made again. Of pieces with the same key the last one counts.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .errors import BadInput
from .files import open_own, write_atomically
from .ownership import Owner
from .structures.npz import open_arrays
from .text import visible
from .untrusted import STATE, open_file, read_json

HEAD, CRC = struct.Struct("<32sBI"), struct.Struct("<I")
#: Bit of ``mark`` where a CRC follows; pieces of earlier versions (records of metrics only) have none.
CHECKED = 0x80
#: The file of the tasks whose checkpoint is such a file and nothing else.
PIECES = "pieces.bin"

Key = int | str | bytes
#: Bytes of the first line at most, which says whose run it is.
LONGEST = 16 * 2**20


class Damaged(BadInput):
    """What a run has kept cannot even be told whose it is."""


def print_line(line: str) -> None:
    """Write a line where the errors of a run go."""
    print(f"dismai: {line}", file=sys.stderr)


class Store:
    """The pieces of one run.

    Args:
        path: of the file; made with the first piece.
        owner: what the pieces are of.

    Raises:
        BadInput: the file holds pieces of another run, or is no such file.
    """

    def __init__(self, path: Path, owner: Owner) -> None:
        self.path = path
        self.owner = owner
        self.first_line = (json.dumps(owner.of, sort_keys=True) + "\n").encode()
        #: key → (mark, place of the content in the file, its length), in the order in which they were added
        self.index: dict[bytes, tuple[int, int, int]] = {}
        self.end = len(self.first_line)
        self.exists = path.is_file() and self._scan()

    @classmethod
    def in_folder(
        cls,
        folder: Path,
        owner: Owner,
        beside: Sequence[str] = (),
        warn: Callable[[str], None] = print_line,
    ) -> Store:
        """Return the store of a checkpoint folder; one damaged at its beginning is set aside and replaced.

        Args:
            folder: of the checkpoint.
            owner: what the run is of.
            beside: names of files that may be there before the store is.
            warn: called with a line where something is set aside.

        Raises:
            BadInput: the folder holds the checkpoint of another run, or of a version that kept other files.
        """
        path = folder / PIECES
        names = [other.name for other in folder.iterdir() if other.name not in beside and other.name[0] != "."]
        if names and not path.is_file():
            raise BadInput(
                f"{folder}: checkpoint of another task or of an earlier version ({min(names)}); remove it to start "
                "from scratch"
            )
        try:
            return cls(path, owner)
        except Damaged:
            aside = path.with_name(f".{path.name}.damaged")
            path.replace(aside)
            warn(f"{path}: damaged; it is set aside as {aside.name}, and the run starts from the beginning")
            return cls(path, owner)

    def _scan(self) -> bool:
        """Index the file; returns whether there is anything in it."""
        with open_file(self.path) as handle:
            line = handle.readline(LONGEST)
            if not line.endswith(b"\n") and self.first_line.startswith(line):
                return False  # killed while it was begun
            try:
                about = read_json(line, self.path, STATE)
            except BadInput as error:
                raise Damaged(f"{self.path}: damaged; remove it to start again ({error})") from error
            end = handle.tell()
            for key, mark, place, length in _pieces(handle, self.path.stat().st_size):
                self.index[key] = (mark, place, length)
                end = place + length + CRC.size * (mark >= CHECKED)
        if not self.index:
            return False  # nothing but a name: that run was refused or killed before there was a piece
        self.owner.require(about, self.path)
        self.first_line, self.end = line, end
        return True

    def __contains__(self, key: Key) -> bool:
        """Whether there is a piece of this key."""
        return _padded(key) in self.index

    def add(self, key: Key, content: bytes, mark: int = 0) -> None:
        """Append a piece; ``mark`` (below 128) says what its content is, where there are several kinds."""
        head = HEAD.pack(_padded(key), mark | CHECKED, len(content))
        with open_own(self.path, "r+b" if self.exists else "wb") as handle:
            if not self.exists:
                handle.write(self.first_line)
            handle.seek(self.end)
            handle.write(head + content + CRC.pack(zlib.crc32(content, zlib.crc32(head))))
            handle.truncate()
        self.exists = True
        self.index[_padded(key)] = (mark | CHECKED, self.end + HEAD.size, len(content))
        self.end += HEAD.size + len(content) + CRC.size

    def mark(self, key: Key) -> int:
        """Return the mark of a piece."""
        return self.index[_padded(key)][0] & ~CHECKED

    def read(self, key: Key, handle: BinaryIO | None = None) -> bytes:
        """Return the content of a piece; ``handle`` is the open file, where many are read."""
        if handle is None:
            with open_file(self.path) as opened:
                return self.read(key, opened)
        _, place, length = self.index[_padded(key)]
        handle.seek(place)
        return handle.read(length)

    def put(self, key: Key, **arrays: Any) -> None:
        """Append a piece that holds arrays, numbers and texts by name."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        self.add(key, buffer.getvalue())

    def get(self, key: Key) -> dict[str, Any]:
        """Return what :meth:`put` was given; numbers and texts are plain Python again."""
        with open_arrays(io.BytesIO(self.read(key)), f"a piece of {self.path}") as archive:
            found = {name: archive.read(name) for name in archive.names()}
        return {name: value if value.ndim else value.item() for name, value in found.items()}

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Inside, a piece that is not what the task writes is a refusal: the folder may have come from others.

        Raises:
            BadInput: in the place of the errors that wrong names, types and lengths lead to.
        """
        try:
            yield
        except (BadInput, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = str(error) if isinstance(error, BadInput) else type(error).__name__
            raise BadInput(
                f"{self.path}: a piece of it is not what this task writes ({visible(reason, 160)}); remove it to start "
                "again"
            ) from error

    def absorb(self, other: Store) -> int:
        """Take over the pieces of another store that are not here; returns how many."""
        new = [key for key in other.index if key not in self.index]
        for key in new:
            self.add(key, other.read(key), other.mark(key))
        return len(new)


def join(paths: Sequence[Path], target: Path) -> None:
    """Put the files of stores together into a new one, atomically.

    Raises:
        BadInput: none given, or files that are not of the same.
    """
    if not paths:
        raise BadInput("there is nothing to join")

    def write(handle: BinaryIO) -> None:
        first_line = None
        for path in paths:
            with open_file(path) as source:
                line = source.readline(LONGEST)
                if first_line is None:
                    first_line = line
                    handle.write(line)
                if line != first_line:
                    raise BadInput(f"{path}: differs in kind, parameters or version from {paths[0]}")
                while content := source.read(1 << 20):
                    handle.write(content)

    write_atomically(target, write)


def _padded(key: Key) -> bytes:
    padded = (key if isinstance(key, bytes) else str(key).encode()).ljust(32, b"\0")
    assert len(padded) == 32, key
    return padded


def _pieces(handle: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Iterate over the sound pieces from here on: key, mark, place and length of the content."""
    while len(head := handle.read(HEAD.size)) == HEAD.size:
        key, mark, length = HEAD.unpack(head)
        place = handle.tell()
        if place + length + CRC.size * (mark >= CHECKED) > size:
            return
        content = handle.read(length)
        if mark < CHECKED or handle.read(CRC.size) == CRC.pack(zlib.crc32(content, zlib.crc32(head))):
            yield key, mark, place, length
