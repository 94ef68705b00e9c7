"""Normalised interface energies (eq. 6 of the paper) of generated structures beside those of the training set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...descriptors.distributions import compare
from ...interfaces.energy import cutoff_energy, interface_energy
from ..base import SetOfRecords


def interface_energies(generated: SetOfRecords, reference: SetOfRecords) -> dict[str, Any]:
    """Describe how interface energies are distributed.

    Returns:
        ``interface_energy`` (J/m², from the training set's E_cut, which is given as ``e_cut``, eV/atom):
        :func:`~...descriptors.distributions.compare`. An empty dictionary without energies of either set.
    """
    found = _both(generated, reference)
    if found is None:
        return {}
    own, theirs, cut = found
    return {"interface_energy": compare(own, theirs) | {"e_cut": cut}}


def each_interface_energy(generated: SetOfRecords, reference: SetOfRecords) -> dict[str, NDArray[np.float64]]:
    """Return ``interface_energy`` of each generated structure ``(n,)``, J/m² from the training set's E_cut.

    NaN where its energy is not known; an empty dictionary without energies of either set.
    """
    found = _both(generated, reference)
    return {} if found is None else {"interface_energy": found[0]}


def _both(
    generated: SetOfRecords, reference: SetOfRecords
) -> tuple[NDArray[np.float64], NDArray[np.float64], float] | None:
    """Return the interface energies of both sets and E_cut; None without training energies."""
    energies, area, n_atoms = reference.energy_per_atom, reference.area, reference.n_atoms
    if generated.energy_per_atom is None or energies is None or area is None or n_atoms is None:
        return None
    if generated.area is None or generated.n_atoms is None:
        return None
    finite = np.isfinite(energies)
    if not finite.any():
        return None
    energies, area, n_atoms = energies[finite], area[finite], n_atoms[finite]
    cut = cutoff_energy(energies * n_atoms, n_atoms, area)
    good = np.isfinite(generated.energy_per_atom)
    own = np.full(len(good), np.nan)
    if good.any():
        atoms = generated.n_atoms[good]
        own[good] = interface_energy(generated.energy_per_atom[good] * atoms, atoms, generated.area[good], cut)
    return own, interface_energy(energies * n_atoms, n_atoms, area, cut), cut
