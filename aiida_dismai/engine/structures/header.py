r"""The comment line of extended XYZ: ``key=value`` pairs, read and written.

The grammar is that of https://github.com/libAtoms/extxyz and of ASE, with what other writers do: keys without a value
are flags, ``"…"`` and ``'…'`` are quoted with ``\\`` as escape, ``{…}`` and ``"1 2 3"`` are old-style arrays,
``[…]`` new-style
ones, ``_JSON …`` is JSON. What is written is read back as it was, also by ASE.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import numpy as np

from ..errors import BadInput
from ..untrusted import Limits, read_json

KEY = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s=]+))[ \t]*(=?)[ \t]*""")
QUOTED = {'"': re.compile(r'"((?:[^"\\]|\\.)*)"'), "'": re.compile(r"'((?:[^'\\]|\\.)*)'")}
BRACES = re.compile(r"\{([^{}]*)\}")
BARE = re.compile(r"\S+")
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
REAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
BOOLEANS = {
    "T": True,
    "F": False,
    "true": True,
    "false": False,
    "True": True,
    "False": False,
    "TRUE": True,
    "FALSE": False,
}
SEPARATOR = re.compile(r"\s*,\s*|\s+")
JSON = "_JSON"
#: What a value in JSON may be; ASE writes NaN there.
VALUE = Limits(size=4 * 2**20, values=500_000, finite=False)
#: Characters of a number that has more digits than a float can hold.
LONG = 24
#: Keys whose nine numbers are a 3×3 matrix in column order, and keys that are always text.
MATRICES = ("virial", "virials", "stress")
TEXTS = ("uid",)
#: Keys of a line at most; each becomes a property of its own.
MAX_KEYS = 10_000
#: Brackets in brackets at most.
MAX_DEPTH = 8


class HeaderError(ValueError):
    """What in the line cannot be read; the caller adds the place."""


def parse_header(line: str) -> dict[str, Any]:
    """Read a comment line.

    Returns:
        By key: bool, int, float, str, or an array of these; of JSON also dict, list and None.

    Raises:
        HeaderError: a quote or bracket without its end, a key that appears twice, JSON that is none, too many keys.
    """
    found: dict[str, Any] = {}
    place, end = 0, len(line.rstrip())
    while place < end:
        match = KEY.match(line, place)
        if match is None:
            raise HeaderError(f"a key is expected at {_near(line, place)}")
        key = _unescape(match[1]) if match[1] is not None else _unescape(match[2]) if match[2] is not None else match[3]
        place = match.end()
        value: Any = True
        if match[4]:
            value, place = _value(line, place, key)
        if key in found:
            raise HeaderError(f"'{key}' appears twice")
        if len(found) >= MAX_KEYS:
            raise HeaderError(f"more than {MAX_KEYS} keys")
        found[key] = value
    return found


def _value(line: str, place: int, key: str) -> tuple[Any, int]:
    start = line[place : place + 1]
    if not start.strip():
        raise HeaderError(f"'{key}=' has no value")
    if start == "[":
        return _new_style(line, place, key)
    if line.startswith(f"{JSON} ", place):  # written by version 0.1 without quotes
        try:
            value, stop = json.JSONDecoder().raw_decode(line, place + len(JSON) + 1)
        except (ValueError, RecursionError) as error:
            raise HeaderError(f"'{key}': not JSON ({error})") from error
        return value, stop
    pattern = QUOTED.get(start, BRACES if start == "{" else BARE)
    match = pattern.match(line, place)
    if match is None:
        raise HeaderError(f"'{key}': {start} has no end")
    stop = match.end()
    if line[stop : stop + 1].strip():
        raise HeaderError(f"'{key}': a space is missing after its value, at {_near(line, stop)}")
    text = match[0] if pattern is BARE else match[1] if pattern is BRACES else _unescape(match[1])
    return convert(text, key), stop


def convert(text: str, key: str = "") -> Any:
    """Return what the text of a value stands for: nine numbers are a matrix where the key says so, as in ASE."""
    if text.startswith(f"{JSON} "):
        try:
            value = read_json(text[len(JSON) + 1 :], f"'{key}'", VALUE)
        except BadInput as error:
            raise HeaderError(str(error)) from error
        return np.array(value) if isinstance(value, list) and _is_rectangular(value) else value
    words = SEPARATOR.split(text.strip())
    values = None if key in TEXTS else _typed(words)
    if values is None:
        return text
    if len(values) == 1:
        return values[0]
    if key == "stress" and any(len(word) > LONG for word in words) and np.isfinite(values).all():
        values = [Decimal(word) for word in words]  # as we write it: its unit is converted without a loss
    array = np.array(values)
    return array.reshape(3, 3, order="F") if len(values) == 9 and key.lower() in MATRICES else array


def _typed(words: list[str]) -> list[Any] | None:
    """Return integers, reals or booleans, None where the words are none of these."""
    if all(INTEGER.fullmatch(word) for word in words):
        numbers = [int(word) for word in words if len(word) < 20]
        return numbers if len(numbers) == len(words) and all(-(2**63) <= x < 2**63 for x in numbers) else None
    if all(REAL.fullmatch(word) for word in words):
        return [real(word) for word in words]
    if all(word in BOOLEANS for word in words):
        return [BOOLEANS[word] for word in words]
    return None


def real(word: str) -> float:
    """Return a number, also with the exponent ``D`` of Fortran.

    Raises:
        ValueError: it is none.
    """
    if not REAL.fullmatch(word):
        raise ValueError(word)
    return float(word if word.isalpha() else word.replace("D", "E").replace("d", "e"))


def _new_style(line: str, place: int, key: str) -> tuple[Any, int]:
    """Read ``[1, 2]`` or ``[[a, b], [c, d]]``."""
    stack: list[list[Any]] = []
    token = re.compile(r"""\s*(?:([\[\],])|"((?:[^"\\]|\\.)*)"|([^\s\[\],"]+))""")
    words: list[str] = []
    quoted = False
    root: list[Any] = []
    while True:
        match = token.match(line, place)
        if match is None:
            raise HeaderError(f"'{key}': [ has no end")
        place = match.end()
        if match[1] == "[":
            if len(stack) >= MAX_DEPTH:
                raise HeaderError(f"'{key}': more than {MAX_DEPTH} brackets in one another")
            inner: list[Any] = []
            if stack:
                stack[-1].append(inner)
            else:
                root = inner
            stack.append(inner)
        elif match[1] == "]":
            stack.pop()
            if not stack:
                break
        elif match[1] is None:
            quoted = quoted or match[2] is not None
            words.append(_unescape(match[2]) if match[2] is not None else match[3])
            stack[-1].append(words[-1])
    values = None if quoted else _typed(words)
    if values is not None:
        replaced = iter(values)
        root = _replace(root, replaced)
    if not _is_rectangular(root):
        raise HeaderError(f"'{key}': rows of different length")
    return np.array(root), place


def _replace(tree: list[Any], values: Any) -> list[Any]:
    return [_replace(item, values) if isinstance(item, list) else next(values) for item in tree]


def _is_rectangular(value: list[Any]) -> bool:
    """Whether nested lists hold values of one kind in an array's shape."""
    try:
        array = np.array(value)
    except (ValueError, RecursionError, OverflowError):
        return False
    if array.dtype.kind == "U":
        flat = value
        while flat and isinstance(flat[0], list):
            flat = [item for row in flat for item in row]
        return all(isinstance(item, str) for item in flat)
    return array.dtype.kind in "bif" or array.size == 0


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text, flags=re.DOTALL)


def _near(line: str, place: int) -> str:
    return f"'{line[place : place + 20]}'"


# ---------------------------------------------------------------------- writing
def format_value(value: Any, key: str = "") -> str:
    """Return the text behind ``key=`` of a number, a text or an array of these, so that it is read back as it was.

    JSON is written only where the plain form would be read as something else: a text that looks like a number or is
    empty, an array of one item.
    """
    array = np.asarray(value)
    text = _plain(array, key)
    if text is not None and same(convert(text, key), array):
        return quote(text) if array.ndim or array.dtype.kind == "U" else text
    return quote(f"{JSON} {json.dumps(array.tolist())}")


def _plain(array: Any, key: str) -> str | None:
    if array.ndim == 0:
        value = array.item()
        if not isinstance(value, str):
            return word(value)
        return value if value.strip() and value.isprintable() else None
    if array.dtype.kind == "U":
        return None
    if array.ndim == 2 and key.lower() in MATRICES:
        array = array.T.ravel()
    return " ".join(word(item) for item in array.tolist()) if array.ndim == 1 and array.size else None


def same(found: Any, wanted: Any) -> bool:
    """Whether two values are of one shape and kind, and equal (NaN to NaN)."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    kinds = {"u": "i"}
    if found.shape != wanted.shape or kinds.get(found.dtype.kind, found.dtype.kind) != kinds.get(
        wanted.dtype.kind, wanted.dtype.kind
    ):
        return False
    return bool(np.array_equal(found, wanted, equal_nan=wanted.dtype.kind == "f"))


def word(value: Any) -> str:
    """Return a number or a boolean with every digit."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return repr(value)


def quote(text: str) -> str:
    """Return a text in quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
