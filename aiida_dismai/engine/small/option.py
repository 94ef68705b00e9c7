"""A file of structures, or one of the small data sets, as an option of a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import BadInput
from .catalogue import PREFIX, find


class StructuresPath(click.Path):
    """A path, or ``small:NAME`` for a set that ships with the package; gives the path of its file.

    Args:
        part: of the small data sets, ``train`` or ``validation``.
        kwargs: those of :class:`click.Path`.
    """

    def __init__(self, part: str, **kwargs: Any) -> None:
        super().__init__(path_type=Path, exists=True, **kwargs)
        self.part = part

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; a set is compared with its manifest."""
        if isinstance(value, str) and value.startswith(PREFIX):
            try:
                chosen = find(value)
                chosen.load(self.part)
            except BadInput as error:
                self.fail(str(error), param, ctx)
            return chosen.path(self.part)
        return super().convert(value, param, ctx)
