"""The page of an evaluation or of metrics: written by the report, which the engine knows by name only."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from .errors import BadInput
from .plugins import load

#: What writes a page from files; the reports are of the other half of the package.
WRITER = "aiida_dismai.report.standalone:write_files_page"


def require_writer() -> None:
    """Refuse a page before anything takes time, if what draws it is not installed.

    Raises:
        BadInput: says what is missing.
    """
    try:
        load(WRITER)
        load("plotly.offline:get_plotlyjs")
        load("jinja2:Environment")
    except BadInput as error:
        raise BadInput(f"--report: a page cannot be written here: {error}") from error


def command_line() -> str:
    """Return the command that is running, as it would be typed again."""
    return shlex.join(["dismai", *sys.argv[1:]])


def write_page(page: Path, **content: Any) -> None:
    """Write the page; see :func:`aiida_dismai.report.standalone.write_files_page`."""
    load(WRITER)(page, **content)
