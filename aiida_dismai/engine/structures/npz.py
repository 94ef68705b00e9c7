"""Arrays in ``.npz`` files of strangers: no pickle, and no array larger than the file can hold.

``numpy.load`` believes what the header of an array says, and raises a dozen types of errors for damaged files. Here
the header is compared with the size of the member before anything is allocated, and there is one error.
"""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..text import visible
from ..untrusted import Limits, read_json
from .source import MAX_RATIO, MAX_UNPACKED, refuse_what_is_no_data

#: Kinds of arrays that are read: truth values, numbers, text; and records of these where they are asked for.
KINDS = "biufU"
#: Bounds of a JSON text in an array.
META = Limits(size=16 * 2**20, values=200_000)
#: What damaged zip files and arrays raise.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, ValueError, TypeError, OSError, SyntaxError,
    NotImplementedError, RuntimeError, RecursionError, OverflowError, AttributeError, MemoryError, IndexError,
    tokenize.TokenError,
)  # fmt: skip


class Arrays:
    """The arrays of an open ``.npz`` file; made by :func:`open_arrays`."""

    def __init__(self, archive: zipfile.ZipFile, where: str, size: int) -> None:
        self._archive = archive
        self.where = where
        self._size = size
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if len(self._members) != len(archive.infolist()):
            raise BadInput(f"{where}: an array appears twice")
        unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > max(MAX_UNPACKED, MAX_RATIO * size):
            raise BadInput(f"{where}: says that it unpacks to {unpacked} bytes, more than {MAX_RATIO} times its size")

    def __contains__(self, name: str) -> bool:
        """Whether there is an array of that name."""
        return name in self._members

    def names(self) -> list[str]:
        """Return the names of the arrays."""
        return list(self._members)

    def rows(self, name: str, kinds: str = KINDS) -> Rows:
        """Open an array to read it from its first row to its last.

        Raises:
            BadInput: there is no such array, it is of another kind, or it is not as long as it says.
        """
        if name not in self._members:
            raise BadInput(f"{self.where}: has no array '{visible(name, 60)}'")
        info = self._members[name]
        return Rows(self._archive.open(info), info.file_size, f"{self.where}: array '{visible(name, 60)}'", kinds)

    def read(self, name: str, kinds: str = KINDS) -> NDArray[Any]:
        """Read an array; ``kinds`` are those of numpy's dtypes, ``V`` among them for records without objects.

        Raises:
            BadInput: as :meth:`rows`.
        """
        with self.rows(name, kinds) as rows:
            return rows.whole()

    def json(self, name: str, limits: Limits = META) -> Any:
        """Read an array that holds one text with JSON.

        Raises:
            BadInput: it does not.
        """
        array = self.read(name, "U")
        if array.ndim or array.nbytes > 4 * limits.size:
            raise BadInput(f"{self.where}: array '{visible(name, 60)}' is not one text")
        return read_json(str(array), f"{self.where}: array '{visible(name, 60)}'", limits)


class Rows:
    """An array in an open ``.npy`` file.

    Attributes:
        shape: of the whole array.
        dtype: of its items.
    """

    def __init__(self, handle: IO[bytes], size: int, where: str, kinds: str) -> None:
        self._handle = handle
        self._where = where
        version = np.lib.format.read_magic(handle)
        if version not in ((1, 0), (2, 0)):
            raise BadInput(f"{where}: version {version} of the npy format is not read")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        self.shape, self._fortran, self.dtype = read_header(handle)
        if self.dtype.kind not in kinds or self.dtype.hasobject:
            raise BadInput(f"{where}: holds {visible(self.dtype, 60)}, which is not read")
        if any(length < 0 for length in self.shape):
            raise BadInput(f"{where}: has the shape {self.shape}")
        self._left = self.dtype.itemsize
        for length in self.shape:
            self._left *= int(length)
        there = size - handle.tell()
        if self._left != there:
            raise BadInput(f"{where}: says {self._left} bytes, but the file holds {there}: truncated or damaged")
        self._row = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=object)) if self.shape else 0

    def __enter__(self) -> Rows:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._handle.close()

    def take(self, rows: int) -> NDArray[Any]:
        """Return the next rows.

        Raises:
            BadInput: there are not so many left.
        """
        if self._fortran and len(self.shape) > 1:
            raise BadInput(f"{self._where}: in column order; it cannot be read a block at a time")
        return self._array(rows * self._row, (rows, *self.shape[1:]))

    def whole(self) -> NDArray[Any]:
        """Return the array from where it is read to."""
        if self._fortran:
            return self._array(self._left, self.shape[::-1]).T
        return self._array(self._left, self.shape)

    def _array(self, size: int, shape: tuple[int, ...]) -> NDArray[Any]:
        if size > self._left:
            raise BadInput(f"{self._where}: ends {size - self._left} bytes too early: truncated or damaged")
        content = self._handle.read(size)
        self._left -= size
        if len(content) != size:
            raise BadInput(f"{self._where}: cut off")
        array = np.frombuffer(content, self.dtype).reshape(shape)
        if array.dtype.kind == "U":
            array.tolist()  # numpy finds code points that are none only when they are looked at
        return array.copy()  # writable, and aligned


@contextmanager
def open_arrays(source: Path | str | BinaryIO, what: str) -> Iterator[Arrays]:
    """Open an ``.npz`` file.

    Args:
        source: path, or an open binary file that can seek.
        what: it should be, for the error.

    Raises:
        BadInput: missing, truncated, or not such a file; also for what is raised while it is read.
    """
    where = visible(source if isinstance(source, (str, Path)) else getattr(source, "name", what))
    if isinstance(source, (str, Path)):
        refuse_no_archive(Path(source), what)
    try:
        with zipfile.ZipFile(source) as archive:
            yield Arrays(archive, where, _size(source))
    except DAMAGED as error:
        raise BadInput(f"{where}: truncated, or not {what} ({visible(error or type(error).__name__, 160)})") from error


def refuse_no_archive(path: Path, what: str) -> None:
    """Refuse what does not begin like a zip file, saying what it is instead.

    Raises:
        BadInput: always where it is none.
    """
    if not path.is_file():
        raise BadInput(f"{visible(path)}: {'this is a folder' if path.is_dir() else 'no such file'}")
    with path.open("rb") as handle:
        start = handle.read(4)
    if start != b"PK\x03\x04":
        refuse_what_is_no_data(path)
        raise BadInput(f"{visible(path)}: not {what} (not an npz file)")


def _size(source: Path | str | BinaryIO) -> int:
    if isinstance(source, (str, Path)):
        return Path(source).stat().st_size
    place = source.tell()
    source.seek(0, 2)
    size = source.tell()
    source.seek(place)
    return size
