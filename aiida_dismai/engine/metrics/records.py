"""What is known of every structure, on disk: one record a structure, found again by the structure's hash.

A file begins with a line of JSON that says what the records are (kind, parameters, versions); each record
is ``key`` (32 bytes, SHA-256), ``state`` (1 byte), the length of what follows (4 bytes, little endian), and then the
numbers of an analysed structure (one item of its kind's dtype) or, as text, the reason why it could not be
analysed. Records are only appended; one that was cut off by a kill is as if it were not there. Files
that say the same in their first line can be put one after the other (:func:`merge`).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..files import write_atomically

FORMAT = "dismai-records"
VERSION = 1
HEAD = struct.Struct("<32sBI")
ANALYSED, FAILED = 0, 1
#: Records that are read at once.
BLOCK = 256


class NotAnalysed(Exception):
    """A structure that has no record; the message says why."""


class RecordFile:
    """Records on disk, appended one by one.

    Args:
        path: the file; made with the first :meth:`add`.
        about: what the records belong to; plain values.

    Raises:
        BadInput: the file is there and holds something else.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        description = {"format": FORMAT, "version": VERSION} | dict(about)
        self.first_line = (json.dumps(description, sort_keys=True) + "\n").encode()
        #: key → (state, place of the content in the file, its length)
        self.index: dict[bytes, tuple[int, int, int]] = {}
        self.end = len(self.first_line)
        self.exists = path.is_file() and self._scan()

    def _scan(self) -> bool:
        """Index the file; returns whether there is anything in it."""
        with self.path.open("rb") as handle:
            line = handle.readline()
            if line != self.first_line:
                if not line.endswith(b"\n") and self.first_line.startswith(line):
                    return False  # killed while it was begun
                raise BadInput(
                    f"{self.path}: holds records of other structures' kind or parameters, or of another version; "
                    "remove it to compute them again"
                )
            size = self.path.stat().st_size
            while len(head := handle.read(HEAD.size)) == HEAD.size:
                key, state, length = HEAD.unpack(head)
                place = handle.tell()
                if place + length > size:
                    break
                self.index[key] = (state, place, length)
                self.end = place + length
                handle.seek(length, 1)
        return True

    def __contains__(self, key: bytes) -> bool:
        """Whether a structure is recorded, analysed or not."""
        return key in self.index

    def add(self, key: bytes, content: bytes | NotAnalysed) -> None:
        """Append the numbers of a structure, or the reason why it has none."""
        state, body = (FAILED, str(content).encode()) if isinstance(content, NotAnalysed) else (ANALYSED, content)
        with self.path.open("r+b" if self.exists else "wb") as handle:
            if not self.exists:
                handle.write(self.first_line)
            handle.seek(self.end)
            handle.write(HEAD.pack(key, state, len(body)) + body)
            handle.truncate()
        self.exists = True
        self.index[key] = (state, self.end + HEAD.size, len(body))
        self.end += HEAD.size + len(body)

    def reason(self, key: bytes) -> str | None:
        """Return why a recorded structure was not analysed; None if it was."""
        state, place, length = self.index[key]
        if state == ANALYSED:
            return None
        with self.path.open("rb") as handle:
            handle.seek(place)
            return handle.read(length).decode()

    def absorb(self, path: Path) -> int:
        """Take over the records of another file of the same description; returns how many were new.

        Raises:
            BadInput: records of something else.
        """
        other = RecordFile(path, json.loads(self.first_line))
        new = 0
        with path.open("rb") as handle:
            for key, (state, place, length) in other.index.items():
                if key not in self:
                    handle.seek(place)
                    body = handle.read(length)
                    self.add(key, NotAnalysed(body.decode()) if state == FAILED else body)
                    new += 1
        return new


def open_records(folder: Path, about: Mapping[str, Any]) -> RecordFile:
    """Return the records of this description in a folder; those of other parameters have files of their own."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    return RecordFile(folder / f"records-{digest}.bin", about)


class Records:
    """The records of chosen structures, in their order, read when they are asked for.

    Args:
        file: where they are.
        keys: of analysed structures.
        dtype: of one record.
    """

    def __init__(self, file: RecordFile, keys: Sequence[bytes], dtype: np.dtype[Any]) -> None:
        self.file = file
        self.keys = list(keys)
        self.dtype = dtype

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.keys)

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[Any]]:
        """Iterate over structured arrays of up to ``size`` records."""
        if not self.keys:
            return
        with self.file.path.open("rb") as handle:
            for start in range(0, len(self.keys), size):
                content = b"".join(self._read(handle, key) for key in self.keys[start : start + size])
                yield np.frombuffer(content, self.dtype)

    def _read(self, handle: BinaryIO, key: bytes) -> bytes:
        _, place, length = self.file.index[key]
        handle.seek(place)
        return handle.read(length)

    def column(self, name: str) -> NDArray[Any]:
        """Return one field of all records, ``(n, …)``."""
        field = self.dtype[name]
        result = np.empty((len(self), *field.shape), field.base)
        start = 0
        for block in self.blocks():
            result[start : start + len(block)] = block[name]
            start += len(block)
        return result


class StoredRecords(Records):
    """Records in memory: those of a reference that was read from a file."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.dtype = array.dtype

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.array)

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[Any]]:
        """Iterate over structured arrays of up to ``size`` records."""
        for start in range(0, len(self.array), size):
            yield self.array[start : start + size]


def merge(paths: Sequence[Path], target: Path) -> None:
    """Put record files together into a new one, atomically.

    Raises:
        BadInput: none given, or files that differ in their first line.
    """
    if not paths:
        raise BadInput("no records to put together")

    def write(handle: BinaryIO) -> None:
        first_line = None
        for path in paths:
            with path.open("rb") as source:
                line = source.readline()
                if first_line is None:
                    first_line = line
                    handle.write(line)
                if line != first_line:
                    raise BadInput(f"{path}: its records differ in kind, parameters or version from {paths[0]}")
                while content := source.read(1 << 20):
                    handle.write(content)

    write_atomically(target, write)
