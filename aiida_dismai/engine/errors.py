"""What can go wrong in a task, one type per way in which the caller has to react.

``kind`` is written to ``results.json``; the AiiDA parser maps it to an exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DismaiError(Exception):
    """Base of all errors whose message is meant for the user: what, where, what to do."""

    kind = "failed"


class BadInput(DismaiError):
    """The input or a parameter is wrong; running again cannot help."""

    kind = "bad_input"


class BadWeights(BadInput):
    """A weights folder is missing, truncated, of another kind, or not safe to load."""

    kind = "bad_weights"


class Diverged(DismaiError):
    """The numbers became NaN or infinite; the last good checkpoint is kept."""

    kind = "diverged"


class OutOfMemory(DismaiError):
    """The device ran out of memory; a smaller batch may help."""

    kind = "out_of_memory"


class DiskFull(DismaiError):
    """Nothing more can be written where the task works; what it has kept so far is good."""

    kind = "disk_full"


class NothingLeft(DismaiError):
    """The task ran, but not one structure came out of it."""

    kind = "nothing_left"


class Unfinished(DismaiError):
    """The time given was used up; there is a checkpoint to resume from."""

    kind = "unfinished"


class NotTheFirstProcess(SystemExit):
    """One process of several that a launcher started has done its part; the first one writes the results."""


class NotAnalysed(Exception):
    """A structure that cannot be described; the message says why, and the others are described all the same."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint for a misspelt ``name``.

    Args:
        name: what the user wrote.
        known: the right names.

    Returns:
        ``"; did you mean 'fmax'?"``, or the list of right names when nothing is near.
    """
    names = sorted(known)
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if match:
        return f"; did you mean '{match[0]}'?"
    return f"; known are: {', '.join(names)}" if names else ""
