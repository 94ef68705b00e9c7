"""Writing files so that a kill at any moment leaves the old one or the new one, never half of one.

Folders may be shared with others. What is written first has a name that nobody can guess, is never opened where there
is something already, and is readable for no more people than the file that it replaces. An output that is a symbolic
link is replaced by a file; what it leads to stays as it is. Devices and pipes (``/dev/stdout``) are written to.
"""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from .errors import BadInput
from .text import visible

#: Of the errors of a place that cannot be written, those that the user can do something about.
NO_PLACE = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


def write_atomically(path: Path | str, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write`` on a new file beside ``path``, sync it, and rename it into place.

    The permissions of a file that was there are kept.
    """
    path = Path(path)
    if _is_device(path):
        with path.open("wb") as device:
            write(device)
        return
    temporary, handle = _open_beside(path)
    try:
        with handle:
            write(handle)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # a folder that may be written to, but not listed
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _is_device(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _open_beside(path: Path) -> tuple[Path, BinaryIO]:
    """Return a new, empty file in the folder of ``path``, with the permissions that ``path`` has or will have."""
    try:
        found = path.lstat()
    except OSError:
        found = None
    keep = stat.S_IMODE(found.st_mode) & 0o777 if found is not None and stat.S_ISREG(found.st_mode) else None
    while True:
        temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with suppress(FileExistsError):
            number = os.open(temporary, flags, 0o666 if keep is None else 0o600)
            break
    if keep is not None:
        with suppress(OSError):  # file systems without permissions
            os.fchmod(number, keep)
    return temporary, os.fdopen(number, "wb")


def write_text(path: Path | str, text: str) -> None:
    """Write a text in UTF-8, atomically.

    Raises:
        BadInput: the folder is not there, or nothing can be written there.
    """
    try:
        write_atomically(path, lambda handle: handle.write(text.encode(errors="backslashreplace")))
    except NO_PLACE as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror}); give a path in a folder of yours") from error


def open_own(path: Path, mode: str) -> BinaryIO:
    """Open a file that grows (``r+b``, ``wb``), but not through a symbolic link.

    Raises:
        BadInput: it is a link, which somebody else may have put there.
    """
    flags = {"r+b": os.O_RDWR, "wb": os.O_WRONLY | os.O_CREAT | os.O_TRUNC}[mode]
    try:
        return os.fdopen(os.open(path, flags | os.O_NOFOLLOW, 0o666), mode)  # type: ignore[return-value]
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BadInput(f"{visible(path)}: a symbolic link, which is not written through; remove it") from error
        raise


def open_text(path: Path, encoding: str = "utf-8", errors: str = "strict") -> TextIO:
    """Open a text file for writing, but not through a symbolic link.

    Raises:
        BadInput: it is a link, which somebody else may have put there.
    """
    return io.TextIOWrapper(open_own(path, "wb"), encoding=encoding, errors=errors)


def make_own_folder(path: Path) -> None:
    """Make a folder for what is not finished, or take the one that an earlier run of the same user left.

    Raises:
        BadInput: there is a link, or a folder of somebody else, who could change what is in it.
        OSError: there is a file, or nothing can be made there.
    """
    with suppress(FileExistsError):
        path.mkdir()
    found = path.lstat()
    if stat.S_ISREG(found.st_mode):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), path.parent.stat().st_uid):
        raise BadInput(f"{visible(path)}: a link, or not a folder of yours; remove it, or write to another folder")


def append_line(path: Path, line: str) -> None:
    """Append one line to a file, which is made when it is not there.

    Raises:
        BadInput: it is a symbolic link, which somebody else may have put there.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BadInput(f"{path}: a symbolic link, which is not written through; remove it") from error
        raise
    with os.fdopen(number, "w", encoding="utf-8") as handle:
        handle.write(line + "\n")


def write_json(path: Path | str, content: Any) -> None:
    """Write ``content`` as indented JSON, atomically; NaN becomes null so that every reader can parse it."""
    text = json.dumps(plain(content), indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda handle: handle.write(text.encode()))


def plain(value: Any) -> Any:
    """Turn numpy scalars and arrays into plain Python, and NaN or infinity into None.

    Texts keep what is a character; NUL and lone surrogates (of file names that are not UTF-8), which no database
    holds, are written as escapes.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {_characters(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return _characters(value) if isinstance(value, str) else value


def _characters(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
