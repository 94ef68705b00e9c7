"""What a file holds, through its compressions: pieces of bytes in which something can be looked for.

Files of any size are read a piece at a time; pieces overlap, so that nothing is cut in two. What unpacks without end is
left off after ``MOST`` bytes, and said so.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

#: Bytes of a piece, and of what two pieces share.
PIECE, OVERLAP = 4 * 2**20, 64 * 2**10
#: Compressions in compressions that are looked through.
DEPTH = 4
#: Bytes of one file, unpacked, that are looked through.
MOST = 4 * 2**30
#: An archive in an archive is kept in memory up to this size, then in a temporary file.
IN_MEMORY = 32 * 2**20
STREAMS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
#: Bytes written as letters, in lines or not, and as JSON has the ends of lines; nothing that was matched is tried in
#: another way, which would take a day for some files of megabytes.
BASE64 = re.compile(rb"[A-Za-z0-9+/]{60,}+(?:(?:\\[nr]|\s)++[A-Za-z0-9+/]{60,}+)*+")
#: Letters of such a text at least; fewer hold no file.
LETTERS = 240
DAMAGED = (
    OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, ValueError, RuntimeError,
    NotImplementedError, KeyError,
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A part of what a file holds.

    Attributes:
        name: of the file, behind it those of the members of archives, as ``outer!inner``.
        content: as it is; text in UTF-16 or UTF-32 without the zeros between its characters.
        whole: whether nothing was left off before it.
    """

    name: str
    content: bytes
    whole: bool = True


def pieces(name: str, handle: IO[bytes]) -> Iterator[Piece]:
    """Iterate over all that a file holds.

    Args:
        name: of the file.
        handle: opened for reading.
    """
    yield from _pieces(name, handle, DEPTH, [MOST])


def _pieces(name: str, handle: IO[bytes], depth: int, left: list[int]) -> Iterator[Piece]:
    start = handle.read(512)
    if depth:
        opened = next((item for magic, item in STREAMS.items() if start.startswith(magic)), None)
        is_archive = start.startswith(b"PK") or start[257:262] == b"ustar"
        if opened is not None or is_archive:
            with tempfile.SpooledTemporaryFile(IN_MEMORY) as kept:
                for content in _read(start, handle, left):
                    kept.write(content)
                kept.seek(0)
                unpacked = _stream(name, kept, opened) if opened else _members(name, kept, start.startswith(b"PK"))
                try:
                    for inner, stream in unpacked:
                        yield from _pieces(inner, stream, depth - 1, left)
                except DAMAGED:  # what can be read of it was looked through
                    pass
                kept.seek(0)
                yield from _plain(name, kept.read(512), kept, [MOST])
                return
    yield from _plain(name, start, handle, left)


def _read(start: bytes, handle: IO[bytes], left: list[int]) -> Iterator[bytes]:
    content = start
    while content and left[0] > 0:
        left[0] -= len(content)
        yield content
        content = handle.read(PIECE)


def _plain(name: str, start: bytes, handle: IO[bytes], left: list[int]) -> Iterator[Piece]:
    last = b""
    empty = True
    for content in _read(start, handle, left):
        empty = False
        joined = last + content
        yield Piece(name, joined)
        if b"\0" in joined:
            yield Piece(name, joined.replace(b"\0", b""))
        for match in BASE64.finditer(joined):
            letters = re.sub(rb"\\[nr]|[^A-Za-z0-9+/]", b"", match[0])
            if len(letters) < LETTERS:
                continue
            with suppress(ValueError):
                decoded = base64.b64decode(letters[: len(letters) // 4 * 4])
                yield from _pieces(name, io.BytesIO(decoded), 1, [MOST])
        last = joined[-OVERLAP:]
    if empty or left[0] <= 0:
        yield Piece(name, b"", left[0] > 0)


def _stream(name: str, kept: Any, opened: Any) -> Iterator[tuple[str, IO[bytes]]]:
    with opened(kept) as stream:
        yield name, io.BufferedReader(stream)


def _members(name: str, kept: Any, zipped: bool) -> Iterator[tuple[str, IO[bytes]]]:
    if zipped:
        with zipfile.ZipFile(kept) as archive:
            for info in archive.infolist():
                with archive.open(info) as member:
                    yield f"{name}!{info.filename}", member
        return
    with tarfile.open(fileobj=kept, mode="r:") as archive:
        for item in archive:
            content = archive.extractfile(item) if item.isfile() else None
            if content is not None:
                yield f"{name}!{item.name}", content
