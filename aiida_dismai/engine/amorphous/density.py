"""Densities of structures, and the cubes that have them; imports no torch, no Numba."""

from __future__ import annotations

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from ..structures import StructureSet
from ..units import U_PER_A3_IN_G_PER_CM3


def density(structure: StructureSet) -> float | None:
    """Return the density of a set of one structure, g/cm³; None where the cell has no volume."""
    volume = abs(float(np.linalg.det(structure.cells[0])))
    if not 0 < volume < np.inf:
        return None
    return float(atomic_masses[structure.numbers].sum()) * U_PER_A3_IN_G_PER_CM3 / volume


def mass_density(n_atoms: float, symbol: str, volume: float) -> float:
    """Return the density of so many atoms of an element in a volume (Å³), g/cm³."""
    return float(n_atoms * atomic_masses[atomic_numbers[symbol]] * U_PER_A3_IN_G_PER_CM3 / volume)


def cube_edge(n_atoms: int, symbol: str, density: float) -> float:
    """Return the edge of the cube in which so many atoms of an element have a density (g/cm³), Å.

    Example:
        >>> round(cube_edge(256, "Si", 2.28), 3)
        17.365
    """
    return float(mass_density(n_atoms, symbol, 1.0) / density) ** (1 / 3)
