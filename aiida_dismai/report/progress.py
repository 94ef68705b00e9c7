"""The progress files of jobs, finished or running."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from ..engine.task import PROGRESS


def progress_lines(node: Any) -> list[dict[str, Any]]:
    """Return the lines of a job's ``progress.jsonl``, oldest first; none where it has not written one.

    A finished job's file is read from its retrieved files, a running one's from its folder on the computer.
    """
    text = _retrieved(node)
    if text is None and not node.is_terminated:
        text = _remote(node)
    lines = []
    for line in (text or "").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the last line of a running job may be half written
        if isinstance(entry, dict):
            lines.append(entry)
    return lines


def _retrieved(node: Any) -> str | None:
    from aiida.common.exceptions import NotExistent

    try:
        return str(node.outputs.retrieved.base.repository.get_object_content(PROGRESS))
    except (NotExistent, AttributeError, KeyError, OSError):
        return None


def _remote(node: Any) -> str | None:
    """Fetch the file over the computer's transport; None where the folder or the file is not there (yet)."""
    folder = node.get_remote_workdir()
    if folder is None:
        return None
    with tempfile.TemporaryDirectory() as target:
        copy = Path(target) / PROGRESS
        try:
            with node.get_authinfo().get_transport() as transport:
                transport.getfile(f"{folder}/{PROGRESS}", str(copy))
        except OSError:
            return None
        return copy.read_text()
