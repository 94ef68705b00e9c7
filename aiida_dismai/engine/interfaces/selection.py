"""Which relaxed interfaces make the data set: those of low interface energy (eq. 6 of the paper)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..structures import StructureSet
from .energy import cutoff_energy, interface_energy, lateral_area

#: The lowest structure defines the cut-off: rounding must not push it, or an equal one, over the edge, J/m².
ROUNDING = 1e-9


def converged(structures: StructureSet) -> StructureSet:
    """Return the structures that converged and have an energy."""
    good = structures.values("converged").astype(bool) & np.isfinite(structures.values("energy"))
    return structures[np.flatnonzero(good)]


def choose_low_energy(structures: StructureSet, window: float, count: int) -> tuple[StructureSet, dict[str, Any]]:
    """Keep the first ``count`` converged structures whose normalised interface energy is at most zero.

    Args:
        structures: relaxed structures with ``energy`` and ``converged``.
        window: how far above the lowest energy zero lies, J/m² (0.4 in the paper).
        count: how many to keep at most, in the order in which they were made.

    Returns:
        The structures with the property ``interface_energy`` (J/m²), and a record: E_cut (eV/atom), the lowest energy,
        how many were looked at, converged, low, and kept, and the interface energies of all converged structures.
    """
    chosen = converged(structures)
    record: dict[str, Any] = {"window": window, "looked_at": len(structures), "converged": len(chosen)}
    if not len(chosen):
        nothing: dict[str, Any] = {"low": 0, "kept": 0, "e_cut": None, "lowest": None, "interface_energies": []}
        return structures[:0], record | nothing
    energies, atoms = chosen.values("energy"), chosen.n_atoms
    areas = lateral_area(chosen.cells)
    e_cut = float(cutoff_energy(energies, atoms, areas, window))
    normalised = interface_energy(energies, atoms, areas, e_cut)
    low = np.flatnonzero(normalised <= ROUNDING)
    kept = low[:count]
    record |= {
        "low": len(low),
        "kept": len(kept),
        "e_cut": e_cut,
        "lowest": float((energies / atoms).min()),
        "interface_energies": normalised.tolist(),
    }
    return chosen[kept].with_property("interface_energy", normalised[kept]), record
