"""The lattice planes of a crystal: exact whole-number arithmetic on its translations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..structures import StructureSet

#: Two atoms closer than this (Å) after a translation are the same atom, as in pymatgen's symmetry search.
SYMMETRY_PRECISION = 0.01
#: How far given lateral vectors may be from lattice vectors, in units of the conventional cell.
VECTOR_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Planes:
    """A crystal seen as a stack of identical lattice planes.

    Attributes:
        miller: indices of the plane in the conventional cell.
        cell: rows are the conventional lattice vectors, Å, ``(3, 3)``.
        basis: rows ``p1, p2, p3`` generate all translations of the crystal, in the conventional
            basis, ``(3, 3)``. ``p1`` and ``p2`` are the reduced primitive vectors of the plane,
            right-handed about the direction of the Miller indices; ``p3`` leads to the next plane.
        spacing: distance between neighbouring planes, Å. All centring translations are counted:
            half of a·sin β for (100) of a C-centred monoclinic crystal.
        numbers: atomic numbers of the primitive cell's atoms, ``(m,)``.
        coordinates: their coordinates in ``basis``, ``(m, 3)``; the third times ``spacing`` is the height.
    """

    miller: tuple[int, int, int]
    cell: NDArray[np.float64]
    basis: NDArray[np.float64]
    spacing: float
    numbers: NDArray[Any]
    coordinates: NDArray[np.float64]

    @property
    def vectors(self) -> NDArray[np.float64]:
        """The plane's primitive vectors in Å, ``(2, 3)``."""
        return self.basis[:2] @ self.cell

    def supercell(self, vectors: Any, where: str) -> NDArray[np.int64]:
        """Express given lateral vectors as whole numbers of the plane's primitive vectors.

        Args:
            vectors: ``(2, 3)``, in the conventional basis.
            where: named in the error.

        Returns:
            ``(2, 2)`` whole numbers; the determinant is negative when ``v1 × v2`` points against the
            Miller indices.

        Raises:
            BadInput: a vector that is not in the plane or no translation of the crystal, or parallel vectors.
        """
        vectors = np.asarray(vectors, dtype=float)
        coefficients = vectors @ np.linalg.inv(self.basis)
        whole = np.round(coefficients)
        for vector, coefficient, nearest in zip(vectors, coefficients, whole, strict=True):
            shown = "(" + ", ".join(f"{x:.4g}" for x in vector) + ")"
            if abs(vector @ np.array(self.miller)) > VECTOR_TOLERANCE:
                raise BadInput(f"{where}: the lateral vector {shown} does not lie in the plane {self.miller}")
            if np.abs((coefficient - nearest) @ self.basis).max() > VECTOR_TOLERANCE:
                raise BadInput(f"{where}: the lateral vector {shown} is not a translation of the crystal")
        result = whole[:, :2].astype(np.int64)
        if round(float(np.linalg.det(result))) == 0:
            raise BadInput(f"{where}: the lateral vectors are parallel")
        return result


def planes_of(crystal: StructureSet, miller: tuple[int, int, int], where: str) -> Planes:
    """Find the planes (hkl) of a crystal.

    Args:
        crystal: a set of one structure; its cell is the conventional one that the indices refer to.
        miller: indices, not all zero; (2, 2, 0) is the same as (1, 1, 0).
        where: named in the error.

    Raises:
        BadInput: spglib cannot find the crystal's translations.
    """
    import spglib

    cell = crystal.cells[0]
    fractional = crystal.positions @ np.linalg.inv(cell)
    dataset = spglib.get_symmetry_dataset(
        (cell.tolist(), fractional.tolist(), crystal.numbers.tolist()), symprec=SYMMETRY_PRECISION
    )
    if dataset is None:
        raise BadInput(f"{where}: the symmetry of the crystal cannot be determined; check its cell and positions")
    pure = (dataset.rotations == np.eye(3, dtype=int)).all(axis=(1, 2))
    translations = dataset.translations[pure]
    # The translations modulo the cell are a group of order n, so n times each is a whole lattice vector.
    order = len(translations)
    generators = np.vstack([order * np.eye(3), np.round(order * translations)]).astype(int)
    heights = generators @ np.array(miller)
    rows = _echelon(np.column_stack([heights, generators]).tolist())
    height, third = rows[0][0], np.array(rows[0][1:]) / order
    first, second = _reduced(np.array([row[1:] for row in rows[1:3]]) / order, cell)
    normal = np.array(miller) @ np.linalg.inv(cell).T
    if np.cross(first @ cell, second @ cell) @ normal < 0:
        second = -second
    basis = np.array([first, second, third if height > 0 else -third])
    # one representative of every set of atoms that the translations map onto each other
    _, unique = np.unique(dataset.mapping_to_primitive, return_index=True)
    unique = np.sort(unique)
    return Planes(
        miller=miller,
        cell=cell,
        basis=basis,
        spacing=float(abs(height) / order / np.linalg.norm(normal)),
        numbers=crystal.numbers[unique],
        coordinates=fractional[unique] @ np.linalg.inv(basis),
    )


def _echelon(rows: list[list[int]]) -> list[list[int]]:
    """Bring whole-number rows to echelon form by Euclid's algorithm; they generate the same lattice."""
    done = 0
    for column in range(len(rows[0])):
        while True:
            nonzero = sorted((i for i in range(done, len(rows)) if rows[i][column]), key=lambda i: abs(rows[i][column]))
            if not nonzero:
                break
            pivot = rows[nonzero[0]]
            for i in nonzero[1:]:
                factor = rows[i][column] // pivot[column]
                rows[i] = [x - factor * y for x, y in zip(rows[i], pivot, strict=True)]
            if len(nonzero) == 1:
                rows[nonzero[0]], rows[done] = rows[done], rows[nonzero[0]]
                done += 1
                break
    return rows[:done]


def _reduced(pair: NDArray[np.float64], cell: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two shortest vectors of a plane's lattice (Lagrange's reduction)."""
    metric = cell @ cell.T
    first, second = pair
    while True:
        if second @ metric @ second < first @ metric @ first - 1e-9:
            first, second = second, first
        step = np.round(first @ metric @ second / (first @ metric @ first))
        if step == 0:
            return first, second
        second = second - step * first
