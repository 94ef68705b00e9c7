"""Choosing the low-interface-energy structures that make the data set (eq. 6 of the paper)."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Bool, Dict, Float, Int

from ...data import StructureSetData
from ...engine.interfaces.energy import cutoff_energy, interface_energy, lateral_area
from ...engine.interfaces.selection import ROUNDING, choose_low_energy, converged


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
    chosen, record = choose_low_energy(structures.structures, window.value, count.value)
    return {"structures": StructureSetData(chosen), "energies": Dict(record)}


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
    cut = converged(reference.structures)
    chosen = converged(structures.structures)
    if not len(cut):  # there is no zero
        counts = {"looked_at": len(structures), "converged": len(chosen), "kept": 0}
        nothing = StructureSetData(chosen[:0])
        return {"structures": nothing, "energies": Dict({"e_cut": None, "window": window.value, **counts})}
    e_cut = float(cutoff_energy(cut.values("energy"), cut.n_atoms, lateral_area(cut.cells), window.value))
    energies = interface_energy(chosen.values("energy"), chosen.n_atoms, lateral_area(chosen.cells), e_cut)
    at_most_zero = energies <= ROUNDING
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
