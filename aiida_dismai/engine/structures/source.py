"""Text files as lines with numbers: compression, encodings, and what is no data at all.

A file may come from a stranger. A line, and what a small compressed file unpacks to, are bounded, so that reading
ends in bounded time and memory whatever the file says of itself.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

from ..errors import BadInput
from ..text import visible

#: Characters of a line at most; a longer one is not of a file of structures.
MAX_LINE = 4 * 2**20
#: A compressed file may unpack to so many bytes, or to so many times its own size, whichever is more.
MAX_UNPACKED = 32 * 2**20
MAX_RATIO = 50
#: What compressed files begin with, and what opens them.
COMPRESSIONS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
#: Endings of compressed files.
COMPRESSED = (".gz", ".bz2", ".xz")
#: What files begin with that are often found under a wrong name.
SIGNATURES = {
    b"version https://git-lfs": "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`",
    b"PK\x03\x04": "a zip archive (or npz); unpack it, or give it its right ending",
    b"%PDF": "a PDF document",
    b"\x89HDF": "an HDF5 file; convert it to extxyz",
    b"\x80\x02": "a pickle, which can execute code and is never loaded",
    b"\x80\x03": "a pickle, which can execute code and is never loaded",
    b"\x80\x04": "a pickle, which can execute code and is never loaded",
    b"\x80\x05": "a pickle, which can execute code and is never loaded",
    b"\xff\xfe": "text in UTF-16; save it as UTF-8",
    b"\xfe\xff": "text in UTF-16; save it as UTF-8",
}
#: Errors of reading damaged compressed files.
UNPACKING = (OSError, EOFError, zlib.error, lzma.LZMAError)


def content_suffixes(path: Path) -> list[str]:
    """Return the endings of a name in lower case, without that of a compression.

    Example:
        >>> content_suffixes(Path("train.extxyz.gz"))
        ['.extxyz']
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[:-1] if suffixes and suffixes[-1] in COMPRESSED else suffixes


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, through the compression that its first bytes name.

    Raises:
        BadInput: no such file, or it cannot be opened.
    """
    if not path.is_file():
        reason = "this is a folder" if path.is_dir() else "no such file"
        raise BadInput(f"{visible(path)}: {reason}")
    try:
        with path.open("rb") as handle:
            start = handle.read(8)
        for magic, opened in COMPRESSIONS.items():
            if start.startswith(magic):
                return io.BufferedReader(_Bounded(path, opened(path)))
        return path.open("rb")
    except OSError as error:
        raise BadInput(f"{visible(path)}: cannot be read ({error.strerror or error})") from error


def refuse_what_is_no_data(path: Path) -> None:
    """Refuse an empty file, a Git LFS pointer, a web page and the like, by name.

    Raises:
        BadInput: says what the file is.
    """
    try:
        with open_bytes(path) as handle:
            start = handle.read(4096)
    except UNPACKING as error:
        raise BadInput(f"{visible(path)}: damaged compressed file ({error})") from error
    if not start.strip(b"\xef\xbb\xbf \t\r\n\0"):
        raise BadInput(f"{visible(path)}: {'blank' if start else 'empty'} file; copy or download it again")
    for magic, what in SIGNATURES.items():
        if start.startswith(magic):
            raise BadInput(f"{visible(path)}: {what}")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        raise BadInput(f"{visible(path)}: a web page (HTML), not the file itself; download it again, logged in")


class _Bounded(io.RawIOBase):
    """What a compressed file unpacks to, up to the bound."""

    def __init__(self, path: Path, handle: IO[bytes]) -> None:
        self.path = path
        self.handle = handle
        self.left = max(MAX_UNPACKED, MAX_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        content = self.handle.read(min(len(buffer), 2**20))
        self.left -= len(content)
        if self.left < 0:
            raise BadInput(
                f"{visible(self.path)}: unpacks to more than {MAX_RATIO} times its size; if you trust it, unpack it "
                "yourself"
            )
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self.handle.close()
        super().close()


class Lines:
    """The lines of a text file, one after the other.

    Attributes:
        path: of the file.
        number: of the line that was read last, from 1.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            BadInput: no such file, or no data.
        """
        refuse_what_is_no_data(path)
        self.path = path
        self.number = 0
        # What is not UTF-8 is found when its line is read, so that the line can be named.
        self._handle = io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", errors="surrogateescape")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._handle.close()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the lines that are left."""
        while (line := self.next()) is not None:
            yield line

    def next(self) -> str | None:
        """Return the next line without its end, None after the last.

        Raises:
            BadInput: too long, not text, or damaged.
        """
        try:
            line = self._handle.readline(MAX_LINE + 1)
        except UNPACKING as error:
            raise BadInput(f"{visible(self.path)}: cut off or damaged after line {self.number} ({error})") from error
        if not line:
            return None
        self.number += 1
        if len(line) > MAX_LINE:
            raise self.refusal(f"longer than {MAX_LINE} characters")
        if "\0" in line or not (line.isascii() or _is_text(line)):
            raise self.refusal("not text in UTF-8 (a binary file, or another encoding)")
        return line.rstrip("\n")

    def refusal(self, reason: str) -> BadInput:
        """Return the error for the line that was read last."""
        return BadInput(f"{visible(self.path)}: line {self.number}: {reason}")


def _is_text(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
