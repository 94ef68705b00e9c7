"""What both commands ``evaluate`` say of the files that they were given, and whether they go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import BadInput
from ..text import visible
from .gather import SAID, Given, gather


def read_given(path: Path, count_unreadable: bool, say: Callable[[str], None]) -> Given:
    """Read what a generator left.

    Args:
        path: as for :func:`~.gather.gather`.
        count_unreadable: whether structures that cannot be read count as failed.
        say: called with each line for the user: what is ignored, and what counts as failed.

    Raises:
        BadInput: as of ``gather``; or structures that cannot be read, unless they count.
    """
    given = gather(path)
    said = ""
    if given.refused:
        reasons = "; ".join(refusal.reason for refusal in given.refused[:SAID])
        more = f"; and {len(given.refused) - SAID} more" if len(given.refused) > SAID else ""
        said = f"{len(given.refused)} of {given.total} structures cannot be read: {reasons}{more}"
        if not count_unreadable:
            raise BadInput(f"{said}; mend or remove them, or let them count as failed with --count-unreadable")
    if given.ignored:
        names = ", ".join(visible(name, 60) for name in given.ignored[:SAID])
        say(f"not files of structures, and so not read: {names}{' …' if len(given.ignored) > SAID else ''}")
    if said:
        say(f"{said}; they count as failed")
    return given
