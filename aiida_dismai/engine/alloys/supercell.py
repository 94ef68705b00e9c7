"""The sites that a periodic cell holds when it is a supercell of a lattice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from .lattice import Lattice, LatticeError, Vectors

#: How far a cell may be strained from a supercell of the lattice; generated cells are off by a percent or so.
MAX_STRAIN = 0.03
#: More sites than this are not a structure but a mistake in the cell.
MAX_SITES = 1_000_000


@dataclass(frozen=True, eq=False)
class Supercell:
    """A supercell of a lattice.

    Sites are numbered by lattice point, then basis; ``point_index`` of :mod:`.assignment` gives the same numbers.

    Attributes:
        hermite: ``(3, 3)`` upper triangular integers: its rows are the cell's vectors (other ones that span
            the same lattice) in units of the primitive ones; points with ``0 <= n[i] < hermite[i, i]`` are its own.
        n_basis: sites per lattice point.
    """

    hermite: NDArray[np.int64]
    n_basis: int

    @classmethod
    def of(cls, multiples: NDArray[np.int64], n_basis: int) -> Supercell:
        """Build it from the cell's vectors in units of the primitive ones, ``(3, 3)`` integers."""
        return _supercell(tuple(np.asarray(multiples, dtype=np.int64).ravel().tolist()), n_basis)

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return int(np.prod(np.diag(self.hermite))) * self.n_basis

    @cached_property
    def points(self) -> NDArray[np.int64]:
        """Lattice point of each site, ``(sites, 3)``."""
        grid = np.indices(self.hermite.diagonal().tolist()).reshape(3, -1).T
        return np.repeat(grid, self.n_basis, axis=0).astype(np.int64)

    @cached_property
    def basis(self) -> NDArray[np.int64]:
        """Basis index of each site, ``(sites,)``."""
        return np.tile(np.arange(self.n_basis), self.n_sites // self.n_basis).astype(np.int64)

    def index(self, points: NDArray[np.int64], basis: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers ``(n,)`` of the sites ``basis`` at any lattice points ``(n, 3)``, through the boundary."""
        points = points.copy()
        for axis in range(3):
            turns = np.floor_divide(points[:, axis], self.hermite[axis, axis])
            points -= turns[:, None] * self.hermite[axis]
        numbers = (points[:, 0] * self.hermite[1, 1] + points[:, 1]) * self.hermite[2, 2] + points[:, 2]
        return np.asarray(numbers * self.n_basis + basis)

    def partners(self, vectors: Vectors) -> NDArray[np.int64]:
        """Return the site at the end of each vector of each site, ``(sites, vectors)``; -1 where none starts there."""
        result = np.full((self.n_sites, len(vectors)), -1, dtype=np.int64)
        for column, (start, end, step) in enumerate(zip(vectors.start, vectors.end, vectors.steps, strict=True)):
            rows = np.flatnonzero(self.basis == start)
            result[rows, column] = self.index(self.points[rows] + step, np.full(len(rows), end))
        return result


@lru_cache(maxsize=64)
def _supercell(multiples: tuple[int, ...], n_basis: int) -> Supercell:
    return Supercell(_hermite(multiples), n_basis)


def _hermite(multiples: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the Hermite normal form (upper triangular, positive diagonal) of a 3 × 3 integer matrix, by rows."""
    rows = [list(multiples[3 * i : 3 * i + 3]) for i in range(3)]
    for column in range(3):
        for row in range(column + 1, 3):
            while rows[row][column]:
                quotient = rows[column][column] // rows[row][column]
                rows[column] = [a - quotient * b for a, b in zip(rows[column], rows[row], strict=True)]
                rows[column], rows[row] = rows[row], rows[column]
        if rows[column][column] < 0:
            rows[column] = [-a for a in rows[column]]
        for row in range(column):
            quotient = rows[row][column] // rows[column][column]
            rows[row] = [a - quotient * b for a, b in zip(rows[row], rows[column], strict=True)]
    return np.array(rows, dtype=np.int64)


def fit_cell(
    cell: NDArray[np.float64], lattice: Lattice, rotation: NDArray[np.float64] | None = None, limit: float = MAX_STRAIN
) -> tuple[Supercell, NDArray[np.float64]]:
    """Find the supercell that a cell is, and the lattice vectors that fit into it without a seam.

    Args:
        cell: ``(3, 3)``, Å.
        lattice: in its own orientation.
        rotation: how the lattice is turned.
        limit: largest change of a vector, as a share of its length.

    Returns:
        The supercell, and primitive vectors ``(3, 3)``, Å, strained (and turned) so that the cell repeats them.

    Raises:
        LatticeError: the cell is no supercell within the limit; says how far it is off.
    """
    primitive = lattice.cell if rotation is None else lattice.cell @ rotation
    multiples = np.round(cell @ np.linalg.inv(primitive))
    size = abs(np.linalg.det(multiples))
    lengths = " × ".join(f"{length:.3f}" for length in np.linalg.norm(cell, axis=1))
    room = abs(np.linalg.det(cell)) / lattice.volume_per_site
    if not 0.5 < size <= MAX_SITES:
        raise LatticeError(f"the cell ({lengths} Å, room for {room:.1f} sites) is not a supercell of the lattice")
    fitted = np.linalg.solve(multiples, cell)
    strain = float(np.linalg.norm(np.linalg.solve(primitive, fitted) - np.eye(3), 2))
    if strain > limit:
        raise LatticeError(
            f"the cell ({lengths} Å, room for {room:.1f} sites) is not a supercell of the lattice: the nearest one, of "
            f"{round(size) * len(lattice.basis)} sites, is strained or turned by {100 * strain:.1f} % (at most "
            f"{100 * limit:g} %); check the lattice constant"
        )
    return Supercell.of(multiples.astype(np.int64), len(lattice.basis)), np.asarray(fitted, dtype=np.float64)
