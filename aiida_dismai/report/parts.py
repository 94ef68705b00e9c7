"""The parts that a family of structures adds to a report: numbers at the top, rows of tables, a data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .model import Model

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class Headline(NamedTuple):
    """A number at the top of the page.

    Attributes:
        value: with its unit.
        label: what it is.
        beside: what it is compared with, or where it is from; small.
    """

    value: str
    label: str
    beside: str


class Row(NamedTuple):
    """A row of a table of the training set beside the models.

    Attributes:
        label: what it is, with its unit.
        read: is called with a model and ``training`` or ``generated``, and returns a number, a text, or None.
    """

    label: str
    read: Callable[[Model, str], Any]


class Rows(NamedTuple):
    """Rows of one table; those with the same title are put into one.

    Attributes:
        title: of the table.
        rows: those without any value are left out.
        corner: heading of the first column.
    """

    title: str
    rows: Sequence[Row]
    corner: str = ""


@dataclass(frozen=True)
class TextTable:
    """A table with headings, as text.

    Attributes:
        title: its heading.
        columns: headings; the first is that of the rows.
        rows: cells, as text.
        notes: what is said below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str | None, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """A process that has made a data set, finished or not.

    Attributes:
        process: its node.
        inputs: its input nodes by port, namespaces nested.
        outputs: its output nodes, in the same way; what a failed process has not given out is missing.
        train: the training set, out of all that the process has made, which the process reported on was given; None if
            the report is on the process itself, or on one that called it.
    """

    process: Any
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    train: Any = None


class DataSetPart(ABC):
    """A data set in a report: what there is to say about it in numbers, at the top, in figures and in JSON.

    Attributes:
        key: its entry in JSON, one that reports do not have.
        title: of its table.
        columns: headings of the table; when all are empty, its rows are pairs of a label and a value.
        energies: ``(n,)`` of its structures, eV/atom, to be drawn beside those of generated ones; may be empty.
        energy_limit: an energy (eV/atom) that was decisive for it, and its name in figures; None for none.
    """

    key: str = "dataset"
    title: str = "data set"
    columns: tuple[str, ...] = ("", "")
    energies: NDArray[Any] = np.array([])
    energy_limit: tuple[float, str] | None = None

    @property
    @abstractmethod
    def n_structures(self) -> int | None:
        """How many structures it has, the smallest of several; None where it is not known (yet)."""

    @property
    def text(self) -> str:
        """What is said below the table: how the set was made, for example."""
        return ""

    @abstractmethod
    def rows(self) -> list[tuple[str | None, ...]]:
        """Return the rows of its table, a cell for each of ``columns``; None is shown as a dash."""

    def headline(self) -> list[Headline]:
        """Return its numbers at the top of the page."""
        return []

    def figures(self) -> list[Figure | None]:
        """Return its figures (plotly); None for one that there is nothing to draw in."""
        return []

    @abstractmethod
    def content(self) -> Any:
        """Return what JSON holds of it: plain values, lists and mappings."""

    @property
    def has_headings(self) -> bool:
        """Whether it is a table with headings, not pairs of a label and a value."""
        return any(self.columns)
