"""What both models ask of their structures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInput
from ...structures import StructureSet
from ..one_cell import check_same_atoms, check_same_cell, fractional_coordinates


def checked_coordinates(
    structures: StructureSet, validation: StructureSet | None, model: str, why: str
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return fractional coordinates of training and validation structures, ``(M, n, 3)``, in [0, 1) along periods.

    Args:
        structures: training structures.
        validation: those kept aside.
        model: named in errors.
        why: named in errors: why the atoms must be grouped by element.

    Raises:
        BadInput: one training structure only, other atoms, atoms that are not grouped by element, another cell.
    """
    if len(structures) < 2:
        raise BadInput(f"training structures: {model} cannot learn from one structure; give at least two")
    given = {"training structures": structures}
    if validation is not None:
        given["validation structures"] = validation
    for where, chosen in given.items():
        check_same_atoms(chosen, structures, why, where)
        check_same_cell(chosen, structures, model, where)
    training, *held_out = (fractional_coordinates(chosen) for chosen in given.values())
    return training, held_out[0] if held_out else None
