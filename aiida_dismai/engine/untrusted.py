"""Files and JSON of others: results of jobs, checkpoints, the configuration of weights, what comes out of an archive.

``json.loads`` believes any size, depth and number. Here everything is bounded before it is built, what no database
holds is refused (NaN, integers beyond 64 bits, NUL, lone surrogates), a key that appears twice is refused because
readers disagree about which one counts, and there is one error. Only files are opened: a pipe or a device with the name
of one would be waited for, or read without end.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from .errors import BadInput
from .text import visible

#: Whole numbers beyond these are none that a program of ours writes, and no database holds them.
SMALLEST, LARGEST = -(2**63), 2**64 - 1


@dataclass(frozen=True)
class Limits:
    """What is read at most.

    Attributes:
        size: bytes.
        values: values, names of values included, counted by the commas, brackets and braces of the text.
        depth: levels of objects and lists.
        key: characters of the name of a value.
        text: characters of a text.
        finite: whether NaN, infinities and whole numbers beyond 64 bits are refused; scores and states of random
            generators in checkpoints may be such.
    """

    size: int = 16 * 2**20
    values: int = 1_000_000
    depth: int = 32
    key: int = 256
    text: int = 2**20
    finite: bool = True


#: Digits of a whole number at most, where numbers need not be those of a database.
DIGITS = 100
DEFAULT = Limits()
#: For one line of a progress file.
LINE = Limits(size=65_536, values=1_000, depth=8, text=4_096)
#: For the part of a checkpoint that is not arrays.
STATE = Limits(size=64 * 2**20, values=4_000_000, depth=32, finite=False)


class Refused(ValueError):
    """Why a text was refused, inside this module."""


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading, and nothing else: not a pipe, a device or a folder.

    Raises:
        OSError: there is none, it cannot be read, or it is not a file; :func:`reason_of` says it in words.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
    try:
        mode = os.fstat(number).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "a pipe or a device, not a file")
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def reason_of(error: OSError) -> str:
    """Return in words why a file cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if error.errno == errno.ENXIO:  # a socket, or a device without its driver
        return "a pipe or a device, not a file"
    return error.strerror or "cannot be read"


def read_json(source: bytes | str | Path, where: str | Path = "", limits: Limits = DEFAULT) -> Any:
    """Return what a JSON text holds.

    Args:
        source: the text, or the path of a file.
        where: named in the errors; the path, when there is one.
        limits: what is read at most.

    Raises:
        BadInput: no such file, not UTF-8, not JSON, or beyond the limits; in one line.
    """
    place = visible(where or (source if isinstance(source, Path) else "JSON"))
    try:
        return _checked(_text_of(source, limits), limits)
    except OSError as error:
        raise BadInput(f"{place}: {reason_of(error)}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{place}: not JSON (not UTF-8, at byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise BadInput(f"{place}: not JSON ({error})") from error  # names line and column, quotes nothing
    except RecursionError as error:
        raise BadInput(f"{place}: nested more than {limits.depth} levels deep") from error
    except ValueError as error:
        raise BadInput(f"{place}: {visible(error, 160)}") from error


def read_object(source: bytes | str | Path, where: str | Path = "", limits: Limits = DEFAULT) -> dict[str, Any]:
    """Return the object that a JSON text holds.

    Raises:
        BadInput: as :func:`read_json`, or it holds a list or a single value.
    """
    content = read_json(source, where, limits)
    if not isinstance(content, dict):
        place = visible(where or (source if isinstance(source, Path) else "JSON"))
        raise BadInput(f'{place}: must be an object such as {{"name": value}}, not {kind_of(content)}')
    return content


def kind_of(value: Any) -> str:
    """Return what a value is, in JSON's words.

    Example:
        >>> kind_of([1])
        'a list'
    """
    if value is None:
        return "null"
    for types, name in (
        ((bool,), "true or false"),
        ((int, float), "a number"),
        ((str,), "a text"),
        ((list,), "a list"),
    ):
        if isinstance(value, types):
            return name
    return "an object"


def _text_of(source: bytes | str | Path, limits: Limits) -> str:
    if isinstance(source, Path):
        with open_file(source) as handle:
            source = handle.read(limits.size + 1)
    if len(source) > limits.size:
        raise Refused(f"larger than {limits.size} bytes")
    return source.decode() if isinstance(source, bytes) else source


def _checked(text: str, limits: Limits) -> Any:
    if sum(text.count(mark) for mark in ",[{") >= limits.values:
        raise Refused(f"more than {limits.values} values")
    content = json.loads(
        text,
        object_pairs_hook=lambda pairs: _object(pairs, limits),
        parse_constant=_no_number if limits.finite else None,
        parse_float=_finite if limits.finite else None,
        parse_int=_whole if limits.finite else _any_whole,
    )
    waiting = [(content, 0)]
    while waiting:  # not by recursion, which has a depth of its own
        value, depth = waiting.pop()
        if depth >= limits.depth and isinstance(value, (dict, list)):
            raise RecursionError
        if isinstance(value, dict):
            waiting += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list):
            waiting += [(item, depth + 1) for item in value]
        elif isinstance(value, str):
            _check_text(value, limits.text)
    return content


def _object(pairs: list[tuple[str, Any]], limits: Limits) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in pairs:
        if not name:
            raise Refused("a value without a name")
        _check_text(name, limits.key)
        if name in result:
            raise Refused(f"'{visible(name, 40)}' appears twice")
        result[name] = value
    return result


def _check_text(text: str, limit: int) -> None:
    if len(text) > limit:
        raise Refused(f"a text of {len(text)} characters, more than {limit}: '{visible(text, 40)}'")
    if "\0" in text or not (text.isascii() or _is_unicode(text)):
        raise Refused(f"a text with characters that are none: '{visible(text, 40)}'")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _no_number(name: str) -> NoReturn:
    raise Refused(f"holds {name}, which is not a number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Refused(f"the number {visible(text, 40)} is too large")
    return value


def _whole(text: str) -> int:
    if len(text) > 20 or not SMALLEST <= int(text) <= LARGEST:
        raise Refused(f"the whole number {visible(text, 40)} is too large")
    return int(text)


def _any_whole(text: str) -> int:
    if len(text) > DIGITS:
        raise Refused(f"the whole number {visible(text, 40)} is too large")
    return int(text)
