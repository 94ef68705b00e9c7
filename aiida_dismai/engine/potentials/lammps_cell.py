"""Any cell in the form that LAMMPS wants, and back.

LAMMPS takes lower triangular cells alone: a along x, b in the plane of x and y. Every lattice has such a basis after a
rotation; among them the one with the smallest tilts is taken, which is the same lattice with other vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.geometry import complete_cell
from numpy.typing import NDArray

#: Gap between a structure and its images in a direction without periodicity; beyond the reach of any potential, Å.
GAP = 25.0
#: Lengths of directions without periodicity are rounded up to this, so that atoms may move in the same cell, Å.
COARSE = 5.0


@dataclass(frozen=True)
class LammpsCell:
    """A cell in LAMMPS's convention.

    Attributes:
        matrix: lower triangular, positive diagonal, rows are the vectors, Å, ``(3, 3)``.
        rotation: proper; a row vector ``v`` of the original frame is ``v @ rotation`` in LAMMPS's, ``(3, 3)``.
    """

    matrix: NDArray[np.float64]
    rotation: NDArray[np.float64]

    @classmethod
    def of(cls, cell: NDArray[np.float64]) -> LammpsCell:
        """Bring a cell (rows are vectors, Å) into LAMMPS's form.

        Raises:
            ValueError: the vectors span no volume.
        """
        basis = np.array(cell, dtype=np.float64)
        volume = np.linalg.det(basis)
        if not np.isfinite(volume) or abs(volume) < 1e-9:
            raise ValueError(f"the cell {basis.tolist()} spans no volume")
        if volume < 0:  # the same lattice, right-handed
            basis[2] *= -1
        q, r = np.linalg.qr(basis.T)
        signs = np.sign(np.diag(r))
        rotation = q * signs
        matrix = np.tril((r.T * signs).copy())
        for row, column in ((1, 0), (2, 1), (2, 0)):
            matrix[row] -= np.round(matrix[row, column] / matrix[column, column]) * matrix[column]
        return cls(matrix, rotation)

    @property
    def tilted(self) -> bool:
        """Whether the cell is not a box along the axes."""
        return bool(np.any(self.matrix[np.tril_indices(3, -1)]))

    def inside(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return positions of the original frame in LAMMPS's, in the cell; ``(n, 3)``, Å."""
        rotated = positions @ self.rotation
        return np.ascontiguousarray(rotated - np.floor(np.linalg.solve(self.matrix.T, rotated.T).T) @ self.matrix)

    def vectors_back(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return row vectors of LAMMPS's frame in the original one."""
        return vectors @ self.rotation.T

    def tensor_back(self, tensor: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a tensor of LAMMPS's frame in the original one."""
        return self.rotation @ tensor @ self.rotation.T


def periodic_cell(
    cell: NDArray[np.float64], periodic: NDArray[np.bool_], positions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a cell that is periodic everywhere and whose added images are too far to matter.

    Args:
        cell: rows are vectors, Å; those of directions without periodicity may be zero.
        periodic: which directions are periodic, ``(3,)``.
        positions: ``(n, 3)``, Å.
    """
    if periodic.all():
        return cell
    whole = complete_cell(np.where(periodic[:, None], cell, 0.0))
    for axis in np.flatnonzero(~periodic):
        normal = whole[axis] / np.linalg.norm(whole[axis])
        extent = float(np.ptp(positions @ normal)) + GAP
        whole[axis] = normal * COARSE * np.ceil(extent / COARSE)
    return whole
