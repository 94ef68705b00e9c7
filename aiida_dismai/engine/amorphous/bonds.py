"""Which atoms are bonded: all pairs within a distance, through every periodic image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import NotAnalysed
from ..neighbours import close_pairs, usable
from ..structures import StructureSet


@dataclass(frozen=True)
class Bonds:
    """The bonds of ``n`` atoms, atom after atom, each in both directions: ``k`` is twice their number.

    Attributes:
        start: ``(n + 1,)`` those of atom i are ``start[i]:start[i + 1]``, sorted by neighbour, then by image.
        neighbour: ``(k,)`` the other atom; the atom itself where it is bonded to its own image.
        image: ``(k, 3)`` lattice translations of the neighbour: it is meant at ``positions[neighbour] + image @ cell``.
        vectors: ``(k, 3)`` from the atom to that place, Å.
    """

    start: NDArray[np.int64]
    neighbour: NDArray[np.int64]
    image: NDArray[np.int64]
    vectors: NDArray[np.float64]

    @property
    def coordination(self) -> NDArray[np.int64]:
        """Number of bonds of each atom, ``(n,)``."""
        return np.diff(self.start)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Length of each bond, ``(k,)``, Å."""
        return np.asarray(np.linalg.norm(self.vectors, axis=1), dtype=np.float64)


def bonds_within(structure: StructureSet, cutoff: float) -> Bonds:
    """Find all pairs of atoms nearer than a distance.

    Args:
        structure: a set of one structure, with any cell and any periodicity.
        cutoff: Å; may exceed the cell.

    Raises:
        NotAnalysed: coordinates or a cell that mean nothing.
    """
    positions, cell = structure.positions, structure.cells[0]
    if not usable(positions, cell):
        raise NotAnalysed("NaN or absurd coordinates, or a cell without volume")
    pairs = close_pairs(positions, cell, structure.pbc[0], cutoff)
    image = np.rint(pairs.offsets @ np.linalg.inv(cell)).astype(np.int64)
    # an atom and its own image come in both directions already
    other = np.flatnonzero(pairs.first != pairs.second)
    atom = np.concatenate([pairs.first, pairs.second[other]])
    neighbour = np.concatenate([pairs.second, pairs.first[other]])
    image = np.concatenate([image, -image[other]])
    order = np.lexsort((*image.T[::-1], neighbour, atom))
    atom, neighbour, image = atom[order], neighbour[order], np.ascontiguousarray(image[order])
    start = np.concatenate([[0], np.cumsum(np.bincount(atom, minlength=len(positions)))]).astype(np.int64)
    vectors = positions[neighbour] + image @ cell - positions[atom]
    return Bonds(start, neighbour, image, np.ascontiguousarray(vectors))
