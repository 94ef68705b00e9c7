"""Choosing the low-interface-energy structures that make the data set (eq. 6 of the paper)."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Bool, Dict, Float, Int

from ...data import StructureSetData
from ...engine.interfaces.energy import cutoff_energy, interface_energy, lateral_area
from ...engine.structures import StructureSet


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
    chosen = _converged(whole)
    record: dict[str, Any] = {"window": window.value, "looked_at": len(whole), "converged": len(chosen)}
    if not len(chosen):
        record |= {"low": 0, "kept": 0, "e_cut": None, "lowest": None, "interface_energies": []}
        return {"structures": StructureSetData(whole[:0]), "energies": Dict(record)}
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


@calcfunction
def select_by_interface_energy(
    structures: StructureSetData, reference: StructureSetData, window: Float, low: Bool
) -> dict[str, Any]:
    """Keep the converged structures on one side of the interface energy zero of another set.

    Args:
        structures: relaxed structures with ``energy`` and ``converged``.
        reference: relaxed structures whose lowest energy, plus ``window``, is zero; energies of the same kind.
        window: how far above the lowest energy zero lies, J/m² (0.4 in the paper).
        low: whether to keep those at most at zero; else those above.

    Returns:
        ``structures`` with the property ``interface_energy`` (J/m²), and ``energies``: a Dict with E_cut (eV/atom) and
        how many were looked at, converged and kept.
    """
    cut = _converged(reference.structures)
    chosen = _converged(structures.structures)
    if not len(cut):  # there is no zero
        counts = {"looked_at": len(structures), "converged": len(chosen), "kept": 0}
        nothing = StructureSetData(chosen[:0])
        return {"structures": nothing, "energies": Dict({"e_cut": None, "window": window.value, **counts})}
    e_cut = float(cutoff_energy(cut.values("energy"), cut.n_atoms, lateral_area(cut.cells), window.value))
    energies = interface_energy(chosen.values("energy"), chosen.n_atoms, lateral_area(chosen.cells), e_cut)
    at_most_zero = energies <= 1e-9
    kept = np.flatnonzero(at_most_zero if low.value else ~at_most_zero)
    record = {
        "e_cut": e_cut,
        "window": window.value,
        "looked_at": len(structures),
        "converged": len(chosen),
        "kept": len(kept),
    }
    selected = chosen[kept].with_property("interface_energy", energies[kept])
    return {"structures": StructureSetData(selected), "energies": Dict(record)}


def _converged(structures: StructureSet) -> StructureSet:
    """Return the structures that converged and have an energy."""
    good = structures.values("converged").astype(bool) & np.isfinite(structures.values("energy"))
    return structures[np.flatnonzero(good)]
