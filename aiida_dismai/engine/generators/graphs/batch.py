"""Several structures of any sizes in one set of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...structures import StructureSet


@dataclass(frozen=True)
class Batch:
    """``B`` structures with ``N`` atoms in all; the atoms of a structure are consecutive.

    Attributes:
        numbers: atomic numbers, ``(N,)`` int64.
        fractional: fractional coordinates, ``(N, 3)``.
        cells: rows are the lattice vectors, Å, ``(B, 3, 3)``.
        counts: atoms of each structure, ``(B,)`` int64.
    """

    numbers: Tensor
    fractional: Tensor
    cells: Tensor
    counts: Tensor

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.counts)

    @cached_property
    def structure(self) -> Tensor:
        """The structure of each atom, ``(N,)`` int64."""
        return structure_of(self.counts, len(self.numbers))

    def cartesian(self) -> Tensor:
        """Return the Cartesian coordinates, Å, ``(N, 3)``."""
        return to_cartesian(self.fractional, self.cells, self.structure)

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch on another device."""
        return Batch(self.numbers.to(device), self.fractional.to(device), self.cells.to(device), self.counts.to(device))

    @classmethod
    def from_set(
        cls,
        structures: StructureSet,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Batch:
        """Take structures from a set; their atoms are wrapped into the cell.

        Args:
            structures: with cells that have a volume.
            indices: which of them, in this order; all when None.
            dtype: of coordinates and cells.
        """
        chosen = structures if indices is None else structures[np.asarray(indices, dtype=np.int64)]
        return cls(
            torch.from_numpy(chosen.numbers.astype(np.int64)),
            torch.from_numpy(wrap(fractional_of(chosen))).to(dtype).remainder(1.0),
            torch.from_numpy(np.ascontiguousarray(chosen.cells)).to(dtype),
            torch.from_numpy(chosen.n_atoms.astype(np.int64)),
        )


def ranges(starts: Tensor, counts: Tensor) -> Tensor:
    """Return the numbers from each start on, as many as its count, one after the other."""
    total = counts.cumsum(0)
    offsets = torch.repeat_interleave(starts - total + counts, counts)
    return offsets + torch.arange(len(offsets), device=offsets.device)


def structure_of(counts: Tensor, n_atoms: int | None = None) -> Tensor:
    """Return the structure of each atom, ``(N,)``, for ``(B,)`` numbers of atoms.

    Args:
        counts: atoms of each structure.
        n_atoms: their sum where it is known: a GPU then need not be waited for.
    """
    return torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts, output_size=n_atoms)


def to_cartesian(fractional: Tensor, cells: Tensor, structure: Tensor) -> Tensor:
    """Return Cartesian coordinates, Å, ``(N, 3)``, for fractional ones in the cells of their structures."""
    return apply_rows(fractional, cells[structure])


def to_fractional(positions: Tensor, cells: Tensor, structure: Tensor) -> Tensor:
    """Return fractional coordinates in [0, 1), ``(N, 3)``, for Cartesian ones, Å."""
    return apply_rows(positions, torch.linalg.inv_ex(cells)[0][structure]).remainder(1.0)


def apply_rows(vectors: Tensor, matrices: Tensor) -> Tensor:
    """Return vector · matrix, ``(M, 3)``, for ``(M, 3)`` and ``(M, 3, 3)``.

    Written out, because a matrix product may be made with fewer digits (TF32, bfloat16), which geometry cannot bear.
    """
    return (vectors[:, :, None] * matrices).sum(dim=1)


def fractional_of(structures: StructureSet) -> NDArray[np.float64]:
    """Return the fractional coordinates of all atoms of a set, not wrapped, ``(N, 3)``."""
    inverse = np.linalg.inv(structures.cells)[structures.atom_structure]
    return np.asarray(np.einsum("ni,nij->nj", structures.positions, inverse))


def wrap(fractional: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same points in [0, 1)."""
    wrapped = fractional - np.floor(fractional)
    wrapped[wrapped >= 1.0] = 0.0  # a negative number so small that it rounds up to 1
    return wrapped
