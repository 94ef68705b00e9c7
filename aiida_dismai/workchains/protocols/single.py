"""Single overrides as they are given on a command line: ``label.stage_2.settings.parameters.encut=500``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...engine.errors import BadInput
from . import merge
from .files import parse
from .names import ELEMENTS, Names, Part, Table, Whole

OPTION = "--set"


def single_overrides(chain: Any, settings: Iterable[str]) -> dict[str, Any]:
    """Return ``path=value`` as nested overrides.

    Args:
        chain: class of the WorkChain whose protocol they are laid over.
        settings: as they were given; a value is YAML.

    Raises:
        BadInput: no path or no ``=``, a path that appears twice or that goes on below another, or an entry of a table
            by element, which is replaced as a whole.
    """
    found: dict[str, Any] = {}
    paths: list[tuple[str, ...]] = []
    for text in settings:
        path, equals, value = text.partition("=")
        parts = tuple(path.strip().split("."))
        if not equals or not all(re.fullmatch(r"[\w-]+", part) for part in parts):
            raise BadInput(
                f"{OPTION} '{text}': write PATH=VALUE, for instance n_structures=20 or label.max_concurrent=4"
            )
        for other in paths:
            if parts[: len(other)] == other or other[: len(parts)] == parts:
                raise BadInput(f"{OPTION} '{text}': {'.'.join(other)} is set, too; give one of them")
        paths.append(parts)
        _refuse_entry(chain, parts, text)
        nested: Any = parse(value, f"{OPTION} {path.strip()}")
        for part in reversed(parts):
            nested = {part: nested}
        found = merge(found, nested)
    return found


def _refuse_entry(chain: Any, parts: tuple[str, ...], text: str) -> None:
    """Refuse a single entry of a table by element."""
    part: Part | None = Names(chain._override_names)
    for depth, name in enumerate(parts):
        if isinstance(part, (Table, Whole)) and ELEMENTS.fullmatch(name):
            table = ".".join(parts[:depth])
            raise BadInput(
                f"{OPTION} '{text}': {table} is a table by element, which is replaced as a whole; give all of it, "
                f"{OPTION} '{table}={{{name}: …}}'"
            )
        if part is None:
            return  # a misspelt name, which is refused with all the others
        part = part.inside(name)
