"""The normalised interface energy (eq. 6 of the paper); numpy only, the AiiDA side uses it too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..units import EV_PER_A2_IN_J_PER_M2


def lateral_area(cells: Any) -> NDArray[np.float64]:
    """Return |a × b| in Å² of cells ``(…, 3, 3)`` whose rows are the lattice vectors in Å."""
    cells = np.asarray(cells, dtype=float)
    return np.linalg.norm(np.cross(cells[..., 0, :], cells[..., 1, :]), axis=-1)


def cutoff_energy(energies: Any, n_atoms: Any, area: Any, window: float = 0.4) -> float:
    """Return E_cut in eV per atom: the lowest energy per atom plus ``window`` J/m².

    Args:
        energies: total energies of all structures of a data set, eV, ``(n,)``.
        n_atoms: numbers of atoms, ``(n,)`` or one for all.
        area: lateral areas, Å², ``(n,)`` or one for all; those of the lowest structure turn the
            window into eV per atom.
        window: how far above the lowest structure the low-energy ones reach, J/m².

    Raises:
        BadInput: no energies, or some are not finite (failed structures have to be left out by the caller).
    """
    energies, n_atoms, area = _checked(energies, n_atoms, area)
    if energies.size == 0:
        raise BadInput("the cut-off of the interface energy needs at least one energy")
    per_atom = energies / n_atoms
    lowest = int(np.argmin(per_atom))
    return float(per_atom[lowest] + window * area[lowest] / (n_atoms[lowest] * EV_PER_A2_IN_J_PER_M2))


def interface_energy(energies: Any, n_atoms: Any, area: Any, cutoff: float) -> NDArray[np.float64]:
    """Return (E/N − E_cut)·N·e/A in J/m², ``(n,)``; low-energy structures are ≤ 0.

    Args:
        energies: total energies, eV, ``(n,)``.
        n_atoms: numbers of atoms, ``(n,)`` or one for all.
        area: lateral areas, Å², ``(n,)`` or one for all.
        cutoff: E_cut, eV per atom, see :func:`cutoff_energy`.

    Raises:
        BadInput: an energy that is not finite.
    """
    energies, n_atoms, area = _checked(energies, n_atoms, area)
    return (energies - cutoff * n_atoms) * EV_PER_A2_IN_J_PER_M2 / area


def _checked(energies: Any, n_atoms: Any, area: Any) -> tuple[NDArray[np.float64], ...]:
    energies = np.atleast_1d(np.asarray(energies, dtype=float))
    n_atoms = np.broadcast_to(np.asarray(n_atoms, dtype=float), energies.shape)
    area = np.broadcast_to(np.asarray(area, dtype=float), energies.shape)
    bad = np.flatnonzero(~np.isfinite(energies))
    if len(bad):
        raise BadInput(f"interface energy: structure {bad[0]} has no finite energy; leave failed structures out")
    if np.any(n_atoms <= 0) or np.any(area <= 0):
        raise BadInput("interface energy: numbers of atoms and areas must be positive")
    return energies, n_atoms, area
