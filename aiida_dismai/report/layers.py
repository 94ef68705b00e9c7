"""Where the boxes of a graph go: in columns from what is given to what is made of it, with few crossings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Times that columns are sorted, forth and back.
SWEEPS = 8


@dataclass(frozen=True)
class Placed:
    """A graph in columns.

    Attributes:
        at: column and row of each box; rows are fractions where a column is shorter than others.
        routes: of each arrow, the places that it passes: those of its boxes, and one in each column between.
        columns: how many.
        rows: of the longest column.
    """

    at: list[tuple[int, float]]
    routes: dict[tuple[int, int], list[tuple[int, float]]]
    columns: int
    rows: int


def place(n: int, arrows: Sequence[tuple[int, int]]) -> Placed:
    """Place ``n`` boxes between which there are arrows without a circle.

    A box stands one column behind the last of those that it is made from, and those that nothing was made of before
    directly before the first that was made of them. In a column, boxes stand by the mean of their neighbours' places.

    Example:
        >>> place(3, [(0, 1), (1, 2), (0, 2)]).at
        [(0, 0.5), (1, 0.0), (2, 0.5)]
    """
    columns = _columns(n, arrows)
    # an arrow over several columns gets a box without content in each of them
    chains: dict[tuple[int, int], list[int]] = {}
    column_of = list(columns)
    for start, end in arrows:
        between = range(columns[start] + 1, columns[end])
        new = list(range(len(column_of), len(column_of) + len(between)))
        column_of += list(between)
        chains[start, end] = [start, *new, end]
    steps = [pair for chain in chains.values() for pair in pairwise(chain)]
    ordered = _sorted_columns(column_of, steps)
    longest = max(len(column) for column in ordered)
    at: dict[int, tuple[int, float]] = {}
    for c, column in enumerate(ordered):
        shift = (longest - len(column)) / 2
        at |= {box: (c, row + shift) for row, box in enumerate(column)}
    routes = {arrow: [at[box] for box in chain] for arrow, chain in chains.items()}
    return Placed([at[box] for box in range(n)], routes, len(ordered), longest)


def _columns(n: int, arrows: Sequence[tuple[int, int]]) -> list[int]:
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for start, end in arrows:
        before.setdefault(end, []).append(start)
        after.setdefault(start, []).append(end)
    order = _order(n, before)
    column = [0] * n
    for box in order:
        column[box] = 1 + max((column[other] for other in before.get(box, ())), default=-1)
    for box in reversed(order):
        if box not in before and box in after:  # what comes from outside stands where it is needed
            column[box] = min(column[other] for other in after[box]) - 1
    return column


def _order(n: int, before: Mapping[int, Iterable[int]]) -> list[int]:
    """Return the boxes so that each comes after those that it is made from."""
    done: set[int] = set()
    order: list[int] = []
    for start in range(n):
        stack = [start]
        while stack:
            waiting = [other for other in before.get(stack[-1], ()) if other not in done]
            if waiting:
                stack += waiting
                continue
            box = stack.pop()
            if box not in done:
                done.add(box)
                order.append(box)
    return order


def _sorted_columns(column_of: Sequence[int], steps: Sequence[tuple[int, int]]) -> list[list[int]]:
    columns: list[list[int]] = [[] for _ in range(max(column_of) + 1)]
    for box, place_of in enumerate(column_of):
        columns[place_of].append(box)
    left: dict[int, list[int]] = {}
    right: dict[int, list[int]] = {}
    for start, end in steps:
        left.setdefault(end, []).append(start)
        right.setdefault(start, []).append(end)
    row = {box: float(i) for column in columns for i, box in enumerate(column)}
    for sweep in range(SWEEPS):
        neighbours = right if sweep % 2 else left
        for column in columns[::-1] if sweep % 2 else columns:
            near = {box: [row[other] for other in neighbours.get(box, [box])] for box in column}
            mean = {box: (sum(rows) / len(rows), row[box]) for box, rows in near.items()}
            column.sort(key=mean.__getitem__)
            row |= {box: float(i) for i, box in enumerate(column)}
    return columns
