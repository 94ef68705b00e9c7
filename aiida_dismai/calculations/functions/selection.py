"""Choosing the low-interface-energy structures that make the data set (eq. 6 of the paper)."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Float, Int

from ...data import StructureSetData
from ...engine.interfaces.energy import cutoff_energy, interface_energy, lateral_area


@calcfunction
def select_low_energy(structures: StructureSetData, window: Float, count: Int) -> dict[str, Any]:
    """Keep the first ``count`` converged structures whose normalised interface energy is at most zero.

    Args:
        structures: relaxed structures with ``energy`` and ``converged``.
        window: how far above the lowest energy zero lies, J/m² (0.4 in the paper).
        count: how many to keep at most, in the order in which they were made.

    Returns:
        ``structures`` with the property ``interface_energy`` (J/m²), and ``energies``: a Dict with E_cut
        (eV/atom), the lowest energy, how many were looked at, converged, low, and kept, and the
        interface energies of all converged structures.
    """
    whole = structures.structures
    converged = np.flatnonzero(whole.values("converged").astype(bool) & np.isfinite(whole.values("energy")))
    record: dict[str, Any] = {"window": window.value, "looked_at": len(whole), "converged": len(converged)}
    if not len(converged):
        record |= {"low": 0, "kept": 0, "e_cut": None, "lowest": None, "interface_energies": []}
        return {"structures": StructureSetData(whole[:0]), "energies": Dict(record)}
    chosen = whole[converged]
    energies, atoms = chosen.values("energy"), chosen.n_atoms
    areas = lateral_area(chosen.cells)
    e_cut = float(cutoff_energy(energies, atoms, areas, window.value))
    normalised = interface_energy(energies, atoms, areas, e_cut)
    # the lowest structure defines the cut-off: rounding must not push it, or an equal one, over the edge
    low = np.flatnonzero(normalised <= 1e-9)
    kept = low[: count.value]
    record |= {
        "low": len(low),
        "kept": len(kept),
        "e_cut": e_cut,
        "lowest": float((energies / atoms).min()),
        "interface_energies": normalised.tolist(),
    }
    selected = chosen[kept].with_property("interface_energy", normalised[kept])
    return {"structures": StructureSetData(selected), "energies": Dict(record)}


@calcfunction
def prepare_check(structures: StructureSetData, window: Float) -> StructureSetData:
    """Number relaxed structures for the check against DFT and give them their interface energies.

    Structures without a finite energy (the potential failed on them) are left out; ``trajectory`` is the
    index among those that remain, ``interface_energy`` (J/m²) is relative to their own lowest.
    """
    whole = structures.structures
    chosen = whole[np.flatnonzero(np.isfinite(whole.values("energy")))]
    if not len(chosen):
        return StructureSetData(chosen)
    energies, atoms, areas = chosen.values("energy"), chosen.n_atoms, lateral_area(chosen.cells)
    e_cut = float(cutoff_energy(energies, atoms, areas, window.value))
    normalised = interface_energy(energies, atoms, areas, e_cut)
    return StructureSetData(
        chosen.with_property("trajectory", np.arange(len(chosen))).with_property("interface_energy", normalised)
    )
