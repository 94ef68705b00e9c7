"""What both models ask of their structures, and what their pictures are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...errors import BadInput
from ...structures import StructureSet
from ..one_cell import check_same_atoms, check_same_cell, fractional_coordinates
from .augmentation import Shuffles
from .augmentation_parameters import ShuffleParameters
from .denoising import Pictures


@dataclass(frozen=True)
class Coordinates:
    """Structures with the same atoms in one cell, as far as a picture shows them.

    Attributes:
        numbers: atomic numbers, ``(n,)``.
        training: fractional coordinates of the training structures, ``(M, n, 3)``, in [0, 1) along periods.
        held_out: the same of those kept aside; None where there are none.
        shuffles: of the atoms of training structures; None for none.
    """

    numbers: NDArray[Any]
    training: NDArray[np.float64]
    held_out: NDArray[np.float64] | None
    shuffles: Shuffles | None

    @classmethod
    def of(
        cls,
        structures: StructureSet,
        validation: StructureSet | None,
        parameters: ShuffleParameters,
        model: str,
        why: str,
    ) -> Coordinates:
        """Check the structures and take what is needed of them.

        Arguments and errors are those of :func:`checked_coordinates`; ``parameters`` say which atoms change places.
        """
        training, held_out = checked_coordinates(structures, validation, model, why)
        numbers = structures.numbers[structures.atoms_of(0)]
        return cls(numbers, training, held_out, Shuffles.of(structures, parameters))

    def pictures(self, encode: Callable[[Tensor], Tensor]) -> Pictures:
        """Return their pictures; ``encode`` makes them, see :class:`~.denoising.Pictures`."""
        return Pictures(encode, self.training, self.held_out, self.shuffles)


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
