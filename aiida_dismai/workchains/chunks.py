"""Work over many structures is cut into chunks, one job each, at most so many at once."""

from __future__ import annotations

from collections.abc import Iterator


def chunk_bounds(count: int, size: int) -> list[tuple[int, int]]:
    """Return ``(start, stop)`` of the chunks of ``count`` things, ``size`` each (the last may be smaller)."""
    return [(start, min(start + size, count)) for start in range(0, count, size)]


def batches(count: int, at_once: int) -> Iterator[range]:
    """Iterate over ranges of at most ``at_once`` indices."""
    for start in range(0, count, at_once):
        yield range(start, min(start + at_once, count))
