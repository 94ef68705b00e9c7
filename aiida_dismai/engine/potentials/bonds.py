"""Lists of the bonds of structures that move little: searched with a skin, used until an atom has come too far.

A list holds all pairs within cutoff and skin, sorted by first atom, second atom and image. What a step uses are those
within the cutoff, in that order: they follow from the positions alone and not from when the list was made, so that a
relaxation that is resumed, or that shares its batch with others, adds up the same numbers in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.optimization.neighbors import find_points_in_spheres

from .graphs import SAME_POINT

#: How much farther than the cutoff pairs are listed, Å.
SKIN = 0.4


class Pairs(NamedTuple):
    """``e`` pairs of one structure.

    Attributes:
        first: ``(e,)`` atoms, ascending.
        second: ``(e,)`` atoms.
        images: ``(e, 3)`` lattice vectors to the second atom.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    images: NDArray[np.int64]


class BondList:
    """The bonds of one structure while it moves.

    Args:
        cutoff: Å.
        pbc: ``(3,)``.
        skin: Å.

    Attributes:
        builds: how often the pairs were searched.
        version: raised whenever :attr:`pairs` or :attr:`shifts` have changed.
    """

    def __init__(self, cutoff: float, pbc: NDArray[np.bool_], skin: float = SKIN) -> None:
        self.cutoff, self.pbc, self.skin = cutoff, np.asarray(pbc, dtype=np.int64), skin
        self.builds = self.version = 0
        self.pairs: Pairs | None = None
        #: ``(e, 3)`` Å, to the second atom's image
        self.shifts: NDArray[np.float64] = np.zeros((0, 3))
        self._fractional: NDArray[np.float64] = np.zeros((0, 3))
        self._listed = self._cell = np.zeros((3, 3))

    def update(self, positions: NDArray[np.float64], cell: NDArray[np.float64]) -> None:
        """Make the list that of these positions ``(m, 3)`` and cell ``(3, 3)``, Å, as far as it is not."""
        fresh = self.pairs is None or not self._covers(positions, cell)
        if fresh:
            self.pairs = _search(positions, cell, self.pbc, self.cutoff + self.skin)
            self._listed = cell.copy()
            self._fractional = positions @ np.linalg.inv(cell)
            self.builds += 1
        if fresh or not np.array_equal(cell, self._cell):
            assert self.pairs is not None
            self._cell = cell.copy()
            self.shifts = self.pairs.images @ cell
            self.version += 1

    def _covers(self, positions: NDArray[np.float64], cell: NDArray[np.float64]) -> bool:
        """Whether no pair that was not listed can have come within the cutoff.

        A pair farther apart than cutoff and skin is, after a strain of the cell, farther than these times its smallest
        stretch, less twice the largest displacement besides.
        """
        if len(positions) != len(self._fractional):
            return False
        moved = positions - self._fractional @ cell
        largest = float(np.sqrt(np.square(moved).sum(axis=1).max(initial=0.0)))
        stretch = 1.0
        if not np.array_equal(cell, self._listed):
            stretch = float(np.linalg.svd(np.linalg.solve(self._listed, cell), compute_uv=False)[-1])
        return stretch * (self.cutoff + self.skin) - 2 * largest > self.cutoff


def _search(positions: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.int64], cutoff: float) -> Pairs:
    """Find all pairs within a cutoff (both directions, no atom with itself), in their order."""
    positions = np.ascontiguousarray(positions, dtype=np.float64)
    cell = np.ascontiguousarray(cell, dtype=np.float64)
    first, second, images, _ = find_points_in_spheres(
        positions, positions, r=cutoff, pbc=pbc, lattice=cell, tol=SAME_POINT
    )
    # two atoms at the same point are a pair all the same: what comes of it is NaN, and only theirs
    images = np.rint(images).astype(np.int64)
    kept = (first != second) | images.any(axis=1)
    first, second, images = first[kept], second[kept], images[kept]
    order = np.lexsort((*images.T[::-1], second, first))
    return Pairs(first[order].astype(np.int64), second[order].astype(np.int64), images[order])


class Joined(NamedTuple):
    """Listed pairs of ``n`` structures with ``N`` atoms as tensors, the structures after each other.

    Attributes:
        first: ``(e,)`` atoms in the whole batch.
        second: ``(e,)`` atoms.
        shifts: ``(e, 3)`` float64, Å.
        structure: ``(N,)`` structure of each atom.
        types: ``(N,)`` elements' places in the embedding.
    """

    first: torch.Tensor
    second: torch.Tensor
    shifts: torch.Tensor
    structure: torch.Tensor
    types: torch.Tensor


def join(lists: Sequence[BondList], types: Sequence[NDArray[np.int64]], device: str) -> Joined:
    """Put lists together and on the device; ``types`` are of the atoms of each structure."""
    sizes = [len(one) for one in types]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    pairs = [one.pairs for one in lists]

    def tensor(parts: Sequence[NDArray[np.generic]]) -> torch.Tensor:
        return torch.from_numpy(np.concatenate(parts) if len(parts) > 1 else np.ascontiguousarray(parts[0])).to(device)

    return Joined(
        tensor([one.first + start for one, start in zip(pairs, starts[:-1], strict=True) if one is not None]),
        tensor([one.second + start for one, start in zip(pairs, starts[:-1], strict=True) if one is not None]),
        tensor([one.shifts for one in lists]),
        tensor([np.repeat(np.arange(len(sizes)), sizes)]),
        tensor(list(types)),
    )
