"""A crystal lattice without species: primitive cell, basis sites, neighbour shells and proper rotations.

Vectors are rows: the site ``b`` of lattice point ``n`` is at ``(n + basis[b]) @ cell``, and a rotated
lattice has ``cell @ rotation``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput

#: Two positions or lengths this near are the same, Å (coordinates in files have rarely more than 5 decimals).
SAME = 1e-3
#: Neighbours that show how a lattice is oriented reach this many nearest-neighbour distances (fcc, bcc, sc,
#: diamond: two shells each).
NEIGHBOUR_REACH = 1.7
#: Primitive cells and basis sites of the structure types that can be given by name, in units of a (hcp: ideal c/a).
TYPES: dict[str, tuple[list[list[float]], list[list[float]]]] = {
    "fcc": ([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], [[0, 0, 0]]),
    "bcc": ([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]], [[0, 0, 0]]),
    "sc": ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 0, 0]]),
    "diamond": ([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], [[0, 0, 0], [0.25, 0.25, 0.25]]),
    "hcp": (
        [[1, 0, 0], [-0.5, 3**0.5 / 2, 0], [0, 0, (8 / 3) ** 0.5]],
        [[0, 0, 0], [1 / 3, 2 / 3, 0.5]],
    ),
}


class LatticeError(Exception):
    """A structure that cannot be put on the lattice; the message says why."""


@dataclass(frozen=True)
class Vectors:
    """Directed vectors from a site to others, ``v`` of them.

    Attributes:
        start: ``(v,)`` basis index of the site they start from.
        end: ``(v,)`` basis index of the site they lead to.
        steps: ``(v, 3)`` lattice points in between.
        cartesian: ``(v, 3)``, Å.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    steps: NDArray[np.int64]
    cartesian: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self.start)

    def lengths(self) -> NDArray[np.float64]:
        """Return their lengths ``(v,)``, Å."""
        return np.asarray(np.linalg.norm(self.cartesian, axis=1))

    def chosen(self, which: NDArray[np.bool_]) -> Vectors:
        """Return some of the vectors."""
        return Vectors(self.start[which], self.end[which], self.steps[which], self.cartesian[which])


@dataclass(frozen=True, eq=False)
class Lattice:
    """A lattice; build it with :meth:`build` or :meth:`named`, which check and reduce it.

    Attributes:
        cell: ``(3, 3)`` primitive lattice vectors, short, Å.
        basis: ``(k, 3)`` fractional coordinates of the sites.
        constant: the length that a "lattice constant" changes, Å.
    """

    cell: NDArray[np.float64]
    basis: NDArray[np.float64]
    constant: float

    @classmethod
    def named(cls, kind: str, constant: float) -> Lattice:
        """Return fcc, bcc, sc, diamond or hcp (ideal c/a) with cube (hexagon) edge ``constant``, Å."""
        cell, basis = TYPES[kind]
        return cls.build(np.array(cell) * constant, basis, constant)

    @classmethod
    def build(cls, cell: ArrayLike, basis: ArrayLike, constant: float | None = None) -> Lattice:
        """Take a primitive or conventional cell.

        Args:
            cell: ``(3, 3)`` lattice vectors as rows, Å.
            basis: ``(k, 3)`` fractional coordinates.
            constant: see the class; the length of the first lattice vector when not given.

        Raises:
            BadInput: a flat cell, no site, or two sites in one place.
        """
        cell = np.asarray(cell, dtype=np.float64).reshape(3, 3)
        basis = np.asarray(basis, dtype=np.float64).reshape(-1, 3)
        if not (np.isfinite(cell).all() and np.isfinite(basis).all()):
            raise BadInput("lattice: NaN or infinite numbers")
        if abs(np.linalg.det(cell)) < 1.0:
            raise BadInput(f"lattice: the cell {cell.tolist()} has (almost) no volume")
        if not len(basis):
            raise BadInput("lattice: the basis has no site; a lattice with one site per cell has [[0, 0, 0]]")
        if constant is None:
            constant = float(np.linalg.norm(cell[0]))
        for first, second in itertools.combinations(range(len(basis)), 2):
            gap = basis[second] - basis[first]
            if np.linalg.norm((gap - np.round(gap)) @ cell) < 0.1:
                raise BadInput(f"lattice: the basis sites {first} and {second} coincide")
        return cls(*_primitive(cell, basis), float(constant))

    def scaled(self, constant: float) -> Lattice:
        """Return the lattice with another lattice constant, Å."""
        return Lattice(self.cell * (constant / self.constant), self.basis, constant)

    def site_positions(self, points: NDArray[np.int64], basis: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return positions ``(n, 3)``, Å, of the sites ``basis`` at the lattice points ``points`` ``(n, 3)``."""
        return np.asarray((points + self.basis[basis]) @ self.cell)

    @property
    def volume_per_site(self) -> float:
        """Å³."""
        return float(abs(np.linalg.det(self.cell)) / len(self.basis))

    @cached_property
    def nearest(self) -> float:
        """Nearest-neighbour distance, Å."""
        # within this radius there is at least the shortest lattice vector
        vectors = self.vectors_within(float(np.linalg.norm(self.cell, axis=1).min()) + SAME)
        return float(vectors.lengths().min())

    def vectors_within(self, radius: float) -> Vectors:
        """Return all vectors from each basis site to others up to ``radius``, Å, by start, end and step."""
        spread = np.ptp(self.basis, axis=0).max() if len(self.basis) > 1 else 0.0
        reach = np.floor(radius * np.linalg.norm(np.linalg.inv(self.cell), axis=0) + spread + 1e-9).astype(int)
        steps = np.array(list(itertools.product(*(range(-m, m + 1) for m in reach))))
        found = []
        for start, end in itertools.product(range(len(self.basis)), repeat=2):
            cartesian = (steps + self.basis[end] - self.basis[start]) @ self.cell
            lengths = np.linalg.norm(cartesian, axis=1)
            near = (lengths <= radius) & (lengths > SAME)
            count = int(near.sum())
            found.append(Vectors(np.full(count, start), np.full(count, end), steps[near], cartesian[near]))
        return Vectors(
            np.concatenate([item.start for item in found]).astype(np.int64),
            np.concatenate([item.end for item in found]).astype(np.int64),
            np.concatenate([item.steps for item in found]).astype(np.int64),
            np.concatenate([item.cartesian for item in found]),
        )

    def shell(self, radius: float) -> Vectors:
        """Return all vectors of the shell at ``radius`` Å (within 1 %), in both directions.

        Where two shells are that near, as in hcp with a c/a that is not ideal, it is the one whose length is met three
        times as well as the other's.

        Raises:
            BadInput: no pair of sites, or pairs of several lengths, are that far apart.
        """
        around = self.vectors_within(radius * 1.01)
        lengths = around.lengths()
        near = lengths >= radius * 0.99
        if not near.any():
            known = sorted({round(float(length), 3) for length in self.vectors_within(radius * 1.3 + 2.0).lengths()})
            raise BadInput(f"no two sites are {radius:g} Å apart; distances on this lattice are {known} Å")
        gaps = np.abs(lengths - radius)
        chosen = near & (np.abs(lengths - lengths[gaps.argmin()]) <= SAME)
        others = gaps[near & ~chosen]
        if len(others) and others.min() < 3 * gaps.min() + SAME:
            raise BadInput(f"the shell at {radius:g} Å is ambiguous: {sorted(set(lengths[near].round(3).tolist()))} Å")
        return around.chosen(chosen)

    @cached_property
    def neighbours(self) -> NDArray[np.float64]:
        """All different vectors between near sites, Å, the shortest first: they show the orientation, ``(m, 3)``."""
        vectors = self.vectors_within(NEIGHBOUR_REACH * self.nearest).cartesian
        kept: list[NDArray[np.float64]] = []
        for vector in vectors[np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")]:
            if all(np.linalg.norm(vector - other) > SAME for other in kept):
                kept.append(vector)
        return np.array(kept)

    @cached_property
    def rotations(self) -> NDArray[np.float64]:
        """Proper rotations ``(m, 3, 3)`` that map the lattice onto itself (with a translation), identity first."""
        lengths = np.linalg.norm(self.cell, axis=1)
        points = self.point_vectors(float(lengths.max()) + SAME)
        images = [points[np.abs(np.linalg.norm(points, axis=1) - length) < SAME] for length in lengths]
        gram = self.cell @ self.cell.T
        inverse = np.linalg.inv(self.cell)
        found = [np.eye(3)]
        for image in itertools.product(*images):
            moved = np.array(image)
            if np.abs(moved @ moved.T - gram).max() > SAME * lengths.max():
                continue
            rotation = inverse @ moved
            if np.linalg.det(rotation) > 0 and self._maps_basis(rotation) and np.abs(rotation - np.eye(3)).max() > 1e-6:
                found.append(rotation)
        return np.array(found)

    def point_vectors(self, radius: float) -> NDArray[np.float64]:
        """Return the lattice vectors (not between sites of different kind) up to ``radius`` Å, ``(n, 3)``."""
        vectors = self.vectors_within(radius)
        return vectors.cartesian[(vectors.start == 0) & (vectors.end == 0)]

    def _maps_basis(self, rotation: NDArray[np.float64]) -> bool:
        rotated = self.basis @ self.cell @ rotation @ np.linalg.inv(self.cell)
        return any(
            _same_sites(rotated - rotated[0] + self.basis[b], self.basis, self.cell) for b in range(len(rotated))
        )

    def representative(self, rotation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return, of all rotations that turn the lattice the same way, the smallest."""
        equivalent = self.rotations @ rotation
        traces = np.trace(equivalent, axis1=1, axis2=2)
        return np.asarray(equivalent[int(np.argmax(traces > traces.max() - 1e-9))])


def _same_sites(first: NDArray[np.float64], second: NDArray[np.float64], cell: NDArray[np.float64]) -> bool:
    """Say whether two sets of fractional coordinates are the same modulo lattice vectors."""
    gaps = first[:, None] - second[None]
    distances = np.linalg.norm((gaps - np.round(gaps)) @ cell, axis=2)
    return bool((distances.min(axis=1) < SAME).all())


def _primitive(
    cell: NDArray[np.float64], basis: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the primitive cell with short vectors, right-handed, and its basis; orientation and origin stay."""
    generators = [basis[b] - basis[0] for b in range(1, len(basis))]
    inner = [gap for gap in generators if _same_sites(basis + gap, basis, cell)]
    copies = len(inner) + 1
    # all short combinations of the lattice vectors and the translations inside the cell
    offsets = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    vectors = np.concatenate([offsets, *(offsets + gap - np.floor(gap) for gap in inner)]) @ cell
    lengths = np.linalg.norm(vectors, axis=1)
    order = [i for i in np.lexsort((*vectors.round(6).T, lengths.round(6))) if lengths[i] > SAME]
    short = vectors[order]
    volume = abs(np.linalg.det(cell)) / copies
    if not (copies == 1 and _is_short(cell)):
        cell_found = _first_cell(short, volume)
        if np.linalg.det(cell_found) < 0:
            cell_found = cell_found[[1, 0, 2]]
    else:
        cell_found = cell
    positions = basis @ cell
    fractional = positions @ np.linalg.inv(cell_found)
    kept: list[int] = []
    for b in range(len(basis)):
        if not any(_same_sites(fractional[[b]], fractional[[other]], cell_found) for other in kept):
            kept.append(b)
    return cell_found, fractional[kept] - np.floor(fractional[kept] + 1e-9)


def _is_short(cell: NDArray[np.float64]) -> bool:
    """Say whether no sum or difference of two lattice vectors is shorter than the longer of them."""
    return all(
        min(np.linalg.norm(a + b), np.linalg.norm(a - b)) >= max(np.linalg.norm(a), np.linalg.norm(b)) - SAME
        for a, b in itertools.combinations(cell, 2)
    )


def _first_cell(vectors: NDArray[np.float64], volume: float) -> NDArray[np.float64]:
    """Return the first three vectors (by length) that span a cell of this volume."""
    for reach in range(3, len(vectors) + 1):
        for pair in itertools.combinations(range(reach - 1), 2):
            candidate = vectors[[*pair, reach - 1]]
            if abs(abs(np.linalg.det(candidate)) - volume) < 1e-3 * volume:
                return candidate
    raise BadInput("lattice: the cell is too skew to be reduced; give shorter lattice vectors")
