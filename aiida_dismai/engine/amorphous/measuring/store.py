"""What is measured already: one line of JSON per structure, so that a kill costs at most the running one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...ownership import Owner
from ..measures import Measures


class Store:
    """Measures of the first structures of a file, in order.

    A line that a kill has cut off is measured again.

    Args:
        path: of the file, which need not be there.
        owner: what is measured, and how.

    Raises:
        BadInput: the file belongs to another run.
    """

    def __init__(self, path: Path, owner: Owner) -> None:
        self.path = path
        self.found: list[Measures] = []
        whole = 0
        if path.is_file():
            lines = path.read_bytes().split(b"\n")[:-1]
            if len(lines) == 1:  # nothing was measured: the file is free
                lines = []
            if lines:
                owner.require(json.loads(lines[0]), path)
            for line in lines[1:]:
                self.found.append(Measures.from_dict(json.loads(line)))
            whole = sum(len(line) + 1 for line in lines)
        self.handle = path.open("r+b" if path.is_file() else "wb")
        self.handle.truncate(whole)
        self.handle.seek(whole)
        if not whole:
            self._write(owner.record())

    def add(self, measures: Measures) -> None:
        """Keep the measures of the next structure."""
        self._write(measures.to_dict())
        self.found.append(measures)

    def close(self) -> None:
        """Let go of the file."""
        self.handle.close()

    def _write(self, content: dict[str, Any]) -> None:
        self.handle.write(json.dumps(content).encode() + b"\n")
        self.handle.flush()
