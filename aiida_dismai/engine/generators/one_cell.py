"""Structures with the same atoms in one cell, as the models see them whose input has a place for each atom."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..structures import StructureSet

#: Å; lattice vectors may differ from those of the first structure by rounding, not by more.
CELL_TOLERANCE = 1e-3


def check_same_atoms(structures: StructureSet, template: StructureSet, why: str, where: str) -> None:
    """Refuse structures that are not made of the template's atoms, or atoms that are not grouped by element.

    Args:
        structures: training or validation structures.
        template: its first structure has the atoms that all must have.
        why: named in errors: why the atoms must be grouped by element.
        where: named in errors.

    Raises:
        BadInput: so.
    """
    structures.require(where, same_atoms=True)
    numbers = template.numbers[template.atoms_of(0)]
    if not np.array_equal(structures.numbers[structures.atoms_of(0)], numbers):
        raise BadInput(f"{where}: {structures.formulas[0]} is not {template.formulas[0]}, what the model is trained on")
    runs = [number for number, _ in groupby(numbers.tolist())]
    if len(runs) != len(set(runs)):
        raise BadInput(
            f"{where}: the atoms are not grouped by element ({template.formulas[0]} in {len(runs)} runs); "
            f"{why}: sort them by element first"
        )


def check_same_cell(structures: StructureSet, template: StructureSet, model: str, where: str) -> None:
    """Refuse structures with another cell than the template's, or other periods.

    Args:
        structures: training or validation structures.
        template: its first structure has the cell that all must have.
        model: named in errors.
        where: named in errors.

    Raises:
        BadInput: a lattice vector differs by more than :data:`CELL_TOLERANCE`, or an axis is (not) a period.
    """
    deviation = np.abs(structures.cells - template.cells[0]).max(axis=(1, 2))
    worst = int(deviation.argmax())
    if deviation[worst] > CELL_TOLERANCE:
        odd = int((deviation > CELL_TOLERANCE).sum())
        raise BadInput(
            f"{where}: the cell of structure {worst} differs from the template's by {deviation[worst]:.4g} Å "
            f"({odd} structures differ by more than {CELL_TOLERANCE} Å); {model} learns one cell only: "
            "make them in one common cell"
        )
    odd_pbc = np.flatnonzero((structures.pbc != template.pbc[0]).any(axis=1))
    if len(odd_pbc):
        raise BadInput(f"{where}: structure {odd_pbc[0]} is periodic along other axes than the template")


def fractional_coordinates(structures: StructureSet) -> NDArray[np.float64]:
    """Return the fractional coordinates of structures of ``n`` atoms, ``(M, n, 3)``; along periods in [0, 1)."""
    cells = structures.cells.transpose(0, 2, 1)
    positions = structures.positions.reshape(len(structures), -1, 3).transpose(0, 2, 1)
    fractional = np.linalg.solve(cells, positions).transpose(0, 2, 1)
    wrapped = fractional - np.floor(fractional)
    wrapped[wrapped == 1] = 0.0  # a tiny negative number rounds up to one, which is the same point
    return np.where(structures.pbc[:, None], wrapped, fractional)
