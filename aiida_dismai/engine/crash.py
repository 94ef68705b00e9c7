"""What is written down of an exception that nobody expected: message, place, and the end of its traceback.

The place that helps is the last line of the author's code, a plug-in's model most often, not the line of the library
beneath it that raised.
"""

from __future__ import annotations

import re
import sys
import traceback
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path, PurePath
from types import FrameType, TracebackType
from typing import Any

from .text import visible

OURS = "aiida_dismai"
#: Frames that are kept, the last ones, and characters of a line of them and of the message.
FRAMES = 12
LINE = 200
MESSAGE = 1000
#: The name that begins a requirement such as ``numpy>=1.26; extra == "engine"``.
NAME = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9]")


def describe(error: BaseException) -> dict[str, Any]:
    """Return what ``error`` in ``results.json`` says of an exception, without its kind.

    Returns:
        ``message`` (type, text and place, in one line), ``where`` (``FILE:LINE in FUNCTION``, None where the
        traceback is empty) and ``traceback``, its last lines, outermost first. Files are named from their package on:
        where that is installed concerns nobody else.
    """
    frames = list(_frames(error.__traceback__))
    place = _place(frames)
    where = None if place is None else _where(*place)
    text = text_of(error)
    message = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return {
        "message": message if where is None else f"{message} ({where})",
        "where": where,
        "traceback": [_line(*frame) for frame in frames[-FRAMES:]],
    }


def text_of(error: BaseException) -> str:
    """Return the text of an exception in one line, bounded; empty where it has none."""
    try:
        text = str(error)
    except Exception:  # an exception of others may not even be printable
        return ""
    # where a package is installed concerns nobody else: an ImportError says it
    for folder in sorted(filter(None, sys.path), key=len, reverse=True):
        text = text.replace(f"{folder}/", "")
    return visible(" ".join(text.split()), MESSAGE)


def _frames(trace: TracebackType | None) -> list[tuple[FrameType, int]]:
    return list(traceback.walk_tb(trace))


def _place(frames: list[tuple[FrameType, int]]) -> tuple[FrameType, int] | None:
    """Return the innermost frame of a plug-in; without one, the innermost of ours; without that, the innermost."""
    packages = [_package(frame) for frame, _ in frames]
    libraries = {OURS} | _libraries()
    foreign = next((name for name in packages if name not in libraries), None)
    for wanted in (foreign, OURS):
        for frame, package in zip(reversed(frames), reversed(packages), strict=True):
            if wanted is not None and package == wanted:
                return frame
    return frames[-1] if frames else None


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _libraries() -> set[str]:
    """Return the packages that are nobody's plug-in: the standard library, and all that we require ourselves."""
    known, waiting = set[str](), ["aiida-dismai"]
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            waiting += _required(name)
    mapped = packages_distributions().items()
    return {package for package, names in mapped if known.intersection(map(_normal, names))} | sys.stdlib_module_names


def _required(name: str) -> list[str]:
    """Return the names of the distributions that an installed one requires; none where it is not installed."""
    try:
        listed = requires(name) or []
    except PackageNotFoundError:
        return []
    return [_normal(found[0]) for line in listed if (found := NAME.match(line))]


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _where(frame: FrameType, line: int) -> str:
    return visible(f"{_file(frame)}:{line} in {frame.f_code.co_name}", LINE)


def _file(frame: FrameType) -> str:
    """Return the file from its package on: ``independent_atoms/model.py``."""
    path = PurePath(frame.f_code.co_filename)
    parts = str(frame.f_globals.get("__name__", "")).split(".")
    depth = len(parts) if path.name == "__init__.py" else len(parts) - 1
    return "/".join(path.parts[-depth - 1 :])


def _line(frame: FrameType, line: int) -> str:
    import linecache

    code = linecache.getline(frame.f_code.co_filename, line).strip()
    return visible(f"{_where(frame, line)}{': ' + code if code else ''}", LINE)


def without_folder(message: str, folder: Path) -> str:
    """Return a message in which paths below a working directory are relative to it."""
    return message.replace(f"{folder}/", "").replace(str(folder), ".")
