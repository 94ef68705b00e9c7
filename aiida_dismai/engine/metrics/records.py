"""What is known of every structure, on disk: one record a structure, found again by the structure's hash.

They are the pieces of a :class:`~..store.Store`, whose owner is what the records are (kind, parameters, versions): the
numbers of an analysed structure (one item of its kind's dtype) or, as text, the reason why it could not be analysed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NotAnalysed
from ..ownership import Owner
from ..store import Store

FORMAT = "dismai-records"
VERSION = 1
FOREIGN = "records of other structures' kind or parameters, or of another version"
#: Mark of a structure that could not be analysed.
FAILED = 1
#: Records that are read at once.
BLOCK = 256


class RecordFile(Store):
    """Records on disk, by the 32 bytes of a structure's hash.

    Args:
        path: the file; made with the first record.
        about: what the records belong to; plain values.

    Raises:
        BadInput: the file is there and holds something else.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        super().__init__(path, Owner({"format": FORMAT, "version": VERSION} | dict(about), what=FOREIGN))

    def keep(self, key: bytes, content: bytes | NotAnalysed) -> None:
        """Append the numbers of a structure, or the reason why it has none."""
        failed = isinstance(content, NotAnalysed)
        self.add(key, str(content).encode() if isinstance(content, NotAnalysed) else content, FAILED * failed)

    def reason(self, key: bytes) -> str | None:
        """Return why a recorded structure was not analysed; None if it was."""
        return self.read(key).decode() if self.mark(key) == FAILED else None


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
                content = b"".join(self.file.read(key, handle) for key in self.keys[start : start + size])
                yield np.frombuffer(content, self.dtype)

    def some(self, places: Sequence[int]) -> NDArray[Any]:
        """Return the records at some places, ``(n,)``."""
        chosen = Records(self.file, [self.keys[place] for place in places], self.dtype)
        blocks = list(chosen.blocks())
        return np.concatenate(blocks) if blocks else np.zeros(0, self.dtype)

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

    def some(self, places: Sequence[int]) -> NDArray[Any]:
        """Return the records at some places, ``(n,)``."""
        return np.asarray(self.array[list(places)])

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[Any]]:
        """Iterate over structured arrays of up to ``size`` records."""
        for start in range(0, len(self.array), size):
            yield self.array[start : start + size]
