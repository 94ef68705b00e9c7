"""Reference energies of the elements, fitted to total energies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..structures import StructureSet

#: Singular values below this share of the largest count as zero.
RANK_TOLERANCE = 1e-6


def count_elements(structures: StructureSet, numbers: Sequence[int]) -> NDArray[np.float64]:
    """Return how many atoms of each element every structure has, ``(n, len(numbers))``."""
    counts = np.zeros((len(structures), len(numbers)))
    for column, number in enumerate(numbers):
        counts[:, column] = np.bincount(
            structures.atom_structure, weights=structures.numbers == number, minlength=len(structures)
        )
    return counts


def fit_references(structures: StructureSet, numbers: Sequence[int]) -> NDArray[np.float64]:
    """Fit one energy per element to the energies per atom.

    All interface cells have one composition, so the columns of the fit are proportional to each other:
    the normal equations are singular, and a solver that inverts them returns energies of any size that
    cancel. The minimum-norm solution is unique, finite, and exact in the mean.

    Args:
        structures: with ``energy`` (eV).
        numbers: atomic numbers of the elements.

    Returns:
        Energies in eV per atom of each element, ``(len(numbers),)``; 0 for an element that does not occur.
    """
    counts = count_elements(structures, numbers)
    sizes = structures.n_atoms.astype(float)
    shares = counts / sizes[:, None]
    per_atom = structures.values("energy") / sizes
    return np.linalg.lstsq(shares, per_atom, rcond=RANK_TOLERANCE)[0]
