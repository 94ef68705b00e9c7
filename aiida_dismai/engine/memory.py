"""Recognise that memory has run out, wherever it was asked for: CUDA, torch on a CPU, numpy, the system."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import OutOfMemory
from .text import visible

#: Names of classes; torch's is not imported for a comparison.
CLASSES = frozenset({"MemoryError", "OutOfMemoryError", "OutOfMemory"})
#: What the texts of other errors say: torch's allocators, CUDA's libraries, C++, the system.
TEXTS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "unable to allocate",
    "defaultcpuallocator",
    "alloc_failed",
    "cudaerrormemoryallocation",
    "std::bad_alloc",
)
#: Errors inside each other that are looked at.
DEPTH = 10


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from, says that memory could not be had."""
    current: BaseException | None = error
    for _ in range(DEPTH):
        if current is None:
            return False
        if any(kind.__name__ in CLASSES for kind in type(current).__mro__):
            return True
        if isinstance(current, OSError) and current.errno == errno.ENOMEM:
            return True
        # other exceptions may quote a text; the allocators raise RuntimeError
        if isinstance(current, RuntimeError) and any(text in str(current).lower() for text in TEXTS):
            return True
        current = current.__cause__
    return False


def first_line(error: BaseException) -> str:
    """Return what an error of memory says, without the page of advice that torch adds."""
    return visible((str(error).strip().splitlines() or ["no memory is left"])[0], 300)


@contextmanager
def naming(where: str, advice: str) -> Iterator[None]:
    """Turn an error of memory inside into one that says where it was and what to do.

    Args:
        where: what did not fit, as the beginning of a sentence.
        advice: what may help.

    Raises:
        OutOfMemory: memory ran out.
    """
    try:
        yield
    except OutOfMemory:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"{where} ({first_line(error)}); {advice}") from error
