"""The large cell that structures are carved from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInput
from ...structures import StructureSet
from ..bonds import bonds_within
from .geometry import SAME, Shape, shapes_of
from .parameters import CarveParameters


@dataclass(frozen=True)
class LargeCell:
    """A large periodic cell in a frame in which bricks of the size ``diagonal`` tile space.

    Attributes:
        source: its place among the structures given.
        positions: ``(n, 3)``, Å.
        frame: ``(3, 3)`` lattice vectors as rows, lower triangular with positive diagonal, Å.
        coordination: ``(n,)`` atoms within the bond cutoff.
        bond_length: mean, Å.
        side: of the windows, Å; a window of this side holds the wanted number of atoms on average.
        final: side of the structures, Å: as ``side``, but of the wanted density.
        rotate: whether windows are turned.
    """

    source: int
    positions: NDArray[np.float64]
    frame: NDArray[np.float64]
    coordination: NDArray[np.int64]
    bond_length: float
    side: float
    final: float
    rotate: bool

    @property
    def diagonal(self) -> NDArray[np.float64]:
        """Sides of the brick, ``(3,)``, Å."""
        return np.diag(self.frame).copy()

    @property
    def fits(self) -> NDArray[np.int64]:
        """How many windows along the axes have a place of their own side by side, ``(3,)``."""
        return np.floor(self.diagonal / self.side * (1 + SAME)).astype(np.int64)

    @property
    def typical(self) -> int:
        """The most frequent coordination."""
        return int(np.bincount(self.coordination).argmax())


def look_at(structures: StructureSet, parameters: CarveParameters) -> list[LargeCell]:
    """Check the large cells and find out what carving needs to know of them.

    Raises:
        BadInput: no structure, NaN, no lattice, not periodic, other elements, too small, a density that is not to be
            had, or no bonds.
    """
    shapes = shapes_of(structures, parameters)
    return [_look_at(structures[i].without_properties(), i, shape, parameters) for i, shape in enumerate(shapes)]


def _look_at(structure: StructureSet, source: int, shape: Shape, parameters: CarveParameters) -> LargeCell:
    reach = parameters.measures.bond_cutoff
    bonds = bonds_within(structure, reach)
    if not len(bonds.neighbour):
        raise BadInput(
            f"amorphous.carve: large cell {source} has no two atoms within measures.bond_cutoff ({reach:g} Å); is the "
            "cell in Å?"
        )
    return LargeCell(
        source,
        np.ascontiguousarray(structure.positions @ shape.turned),
        shape.frame,
        bonds.coordination,
        float(bonds.lengths.mean()),
        shape.side,
        shape.final,
        parameters.rotate,
    )
