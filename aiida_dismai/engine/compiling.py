"""Says when kernels are compiled; imports no Numba."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Stage of the line of progress, and what it says.
STAGE = "compile"
MESSAGE = "compiling kernels: once on this machine, about ten seconds"

#: Called once each, the last one first.
_listeners: list[Callable[[], None]] = []


def announce() -> None:
    """Tell the one who listens that a kernel is about to be compiled: not found on disk."""
    if _listeners:
        _listeners[-1]()
        _listeners[-1] = _nothing


@contextmanager
def listener(notify: Callable[[], None]) -> Iterator[None]:
    """Call a function before the first kernel that is compiled inside this block, if there is any."""
    _listeners.append(notify)
    try:
        yield
    finally:
        _listeners.pop()


def _nothing() -> None:
    """Do nothing: it has been said."""
