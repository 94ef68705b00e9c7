"""Cutting a slab: which atoms lie between two heights, within one lateral cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from .lattice import Planes

#: Atoms on the lower edge of the window are in, on the upper edge out, to this part of a layer.
EDGE = 1e-4
#: Heights that differ by less (Å) count as one when a slab's atoms are put in order.
SAME_HEIGHT = 0.01


@dataclass(frozen=True)
class Slab:
    """A slab in its own, unstrained lateral cell; atoms from the lowest plane up.

    Attributes:
        numbers: atomic numbers, ``(n,)``.
        lateral: fractional coordinates in the two lateral vectors, in [0, 1), ``(n, 2)``.
        heights: above the lowest atom, Å, ``(n,)``.
        layers: the layer (repeat of the plane) of each atom, counted from the upper side, ``(n,)``.
        cell: lateral vectors in the plane, the first along x, Å, ``(2, 2)``.
        vectors: lateral vectors in the conventional basis, ``(2, 3)``.
        up: Miller indices of the direction that points up.
        spacing: distance of the planes, Å.
    """

    numbers: NDArray[Any]
    lateral: NDArray[np.float64]
    heights: NDArray[np.float64]
    layers: NDArray[np.int64]
    cell: NDArray[np.float64]
    vectors: NDArray[np.float64]
    up: tuple[int, int, int]
    spacing: float

    @property
    def thickness(self) -> float:
        """Height of the highest atom above the lowest, Å."""
        return float(self.heights.max())

    def from_the_top(self) -> Slab:
        """Return the same slab with its planes from the highest down (the order in a plane stays)."""
        planes = _plane_numbers(self.heights)
        return self._reordered(np.argsort(-planes, kind="stable"))

    def _reordered(self, order: NDArray[np.int64]) -> Slab:
        return Slab(
            self.numbers[order],
            self.lateral[order],
            self.heights[order],
            self.layers[order],
            self.cell,
            self.vectors,
            self.up,
            self.spacing,
        )


def in_plane(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn two vectors, ``(2, 3)`` or ``(2, 2)``, into ``(2, 2)`` in their plane, the first along x, the second up."""
    vectors = np.pad(vectors, ((0, 0), (0, 3 - vectors.shape[1])))
    length = np.linalg.norm(vectors[0])
    along = vectors[0] @ vectors[1] / length
    return np.array([[length, 0.0], [along, np.linalg.norm(np.cross(vectors[0], vectors[1])) / length]])


def cut(planes: Planes, supercell: NDArray[np.int64], layers: float, offset: float | None, where: str) -> Slab:
    """Cut a slab of ``layers`` repeats of the plane.

    The side of ``v1 × v2`` is up: a supercell of negative determinant turns the slab over.

    Args:
        planes: the crystal's planes.
        supercell: lateral vectors in the plane's primitive vectors, ``(2, 2)``.
        layers: height of the window in plane spacings. A whole number keeps the crystal's composition.
        offset: lower edge of the window in plane spacings above the crystal's origin, along the upward
            direction; None cuts in the middle of the widest gap between atoms.
        where: named in the error.

    Raises:
        BadInput: no atom lies in the window.
    """
    sign = 1 if np.linalg.det(supercell) > 0 else -1
    fractions = sign * planes.coordinates[:, 2]
    lower = _widest_gap(fractions, planes.spacing) if offset is None else offset
    repeats = np.arange(np.floor(lower - fractions.max()) - 1, np.ceil(lower + layers - fractions.min()) + 2)
    heights = fractions[:, None] + repeats
    inside = (heights >= lower - EDGE) & (heights < lower + layers - EDGE)
    atom, repeat = np.nonzero(inside)
    if not len(atom):
        raise BadInput(f"{where}: no atom lies in a window of {layers} layers at offset {lower:.3f}; give more layers")
    height = heights[atom, repeat]
    primitive = planes.coordinates[atom]
    primitive = np.column_stack([primitive[:, :2], primitive[:, 2] + sign * repeats[repeat]])

    cells = _cells_of(supercell)
    vectors = supercell @ planes.basis[:2]
    positions = (primitive @ planes.basis @ planes.cell)[:, None] + (cells @ planes.vectors)[None]
    spanning = vectors @ planes.cell
    dual = np.linalg.pinv(spanning)
    lateral = (positions.reshape(-1, 3) @ dual) % 1.0
    lateral[lateral > 1 - 1e-9] = 0.0
    height = np.repeat(height, len(cells))
    below_top = lower + layers - EDGE - height
    slab = Slab(
        numbers=np.repeat(planes.numbers[atom], len(cells)),
        lateral=lateral,
        heights=(height - height.min()) * planes.spacing,
        layers=np.floor(below_top).astype(np.int64),
        cell=in_plane(spanning),
        vectors=vectors,
        up=(sign * planes.miller[0], sign * planes.miller[1], sign * planes.miller[2]),
        spacing=planes.spacing,
    )
    rounded = np.round(lateral, 5)
    return slab._reordered(np.lexsort((rounded[:, 1], rounded[:, 0], slab.numbers, _plane_numbers(slab.heights))))


def _cells_of(supercell: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the plane's lattice points in one supercell, ``(|det|, 2)``, found with whole numbers only."""
    (a, b), (c, d) = supercell.tolist()
    det = a * d - b * c
    span = int(np.abs(supercell).sum()) + 1
    grid = np.array(np.meshgrid(np.arange(-span, span), np.arange(-span, span))).reshape(2, -1).T
    # grid @ inverse(supercell) in [0, 1), both sides times the determinant
    inside = np.sign(det) * (grid @ np.array([[d, -b], [-c, a]]))
    return grid[((inside >= 0) & (inside < abs(det))).all(axis=1)]


def _widest_gap(fractions: NDArray[np.float64], spacing: float) -> float:
    """Return the middle of the widest gap between atoms, in [0, 1) of a layer."""
    ordered = np.sort(fractions % 1.0)
    gaps = np.diff(np.append(ordered, ordered[0] + 1.0))
    # of gaps that are equal the lowest is taken, whatever the rounding
    widest = int(np.flatnonzero(gaps > gaps.max() - SAME_HEIGHT / spacing)[0])
    return float((ordered[widest] + gaps[widest] / 2) % 1.0)


def _plane_numbers(heights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number the planes from the lowest: a step of more than :data:`SAME_HEIGHT` begins a new one."""
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order], prepend=heights[order[0]]) > SAME_HEIGHT
    planes = np.empty(len(heights), dtype=np.int64)
    planes[order] = np.cumsum(steps)
    return planes
