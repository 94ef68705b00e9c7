"""Energies of generated structures beside those of the training set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..interfaces.energy import cutoff_energy, interface_energy
from .collect import Collected
from .reference import Reference

PERCENTILES = (5, 25, 50, 75, 95)


def energy_results(generated: Collected, reference: Reference, interface: bool) -> dict[str, Any]:
    """Describe how energies are distributed.

    Args:
        generated: the structures analysed.
        reference: the training set.
        interface: whether the normalised interface energy (eq. 6 of the paper) is meant too.

    Returns:
        ``energy_per_atom`` (eV) and, for interfaces whose training energies are known, ``interface_energy`` (J/m², from
        the training set's E_cut, which is given as ``e_cut``, eV/atom): each with ``generated`` and ``training``
        (:func:`distribution`, None when unknown) and ``wasserstein``, the distance of the two distributions.
        An empty dictionary when the generated structures have no energies.
    """
    if generated.energy_per_atom is None:
        return {}
    own, theirs = generated.energy_per_atom, reference.energy_per_atom
    results: dict[str, Any] = {"energy_per_atom": compare(own, theirs)}
    normalised = _interface_energies(generated, reference) if interface else None
    if normalised is not None:
        own, theirs, cut = normalised
        results["interface_energy"] = compare(own, theirs) | {"e_cut": cut}
    return results


def _interface_energies(
    generated: Collected, reference: Reference
) -> tuple[NDArray[np.float64], NDArray[np.float64], float] | None:
    """Return the interface energies of both sets and E_cut; None without training energies."""
    energies, area, n_atoms = reference.energy_per_atom, reference.area, reference.n_atoms
    if generated.energy_per_atom is None or energies is None or area is None or n_atoms is None:
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


def compare(own: NDArray[np.float64], theirs: NDArray[np.float64] | None) -> dict[str, Any]:
    """Describe two samples and their (first) Wasserstein distance, in their unit."""
    from scipy.stats import wasserstein_distance

    own = own[np.isfinite(own)]
    theirs = None if theirs is None else theirs[np.isfinite(theirs)]
    both = theirs is not None and len(own) > 0 and len(theirs) > 0
    return {
        "generated": distribution(own),
        "training": None if theirs is None else distribution(theirs),
        "wasserstein": float(wasserstein_distance(own, theirs)) if both else None,
    }


def distribution(values: NDArray[np.float64]) -> dict[str, Any] | None:
    """Return ``n``, ``mean``, ``std``, ``min``, ``max`` and ``percentiles`` of a sample; None of an empty one."""
    if not len(values):
        return None
    return {
        "n": len(values),
        "mean": float(values.mean()),
        "std": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
        "percentiles": {str(p): float(v) for p, v in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)},
    }
