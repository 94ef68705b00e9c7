"""Choosing the structures of an alloy data set among the snapshots of a sampling."""

from __future__ import annotations

from typing import Any

from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Int

from ...data import StructureSetData
from ...engine.alloys.choice import choose_snapshots
from ...engine.alloys.selection import SelectionParameters


@calcfunction
def select_snapshots(
    snapshots: ArrayData, traces: ArrayData, selection: Dict, n_structures: Int, seed: Int
) -> dict[str, Any]:
    """Choose up to ``n_structures`` distinct, decorrelated snapshots by seed, evenly of all runs.

    Args:
        snapshots: all snapshots of a sampling (output of ``dismai.alloys.sample``).
        traces: its energies after every pass.
        selection: the filter and the spacing, see ``aiida_dismai.engine.alloys.selection``.
        n_structures: how many are wanted.
        seed: of the draw.

    Returns:
        ``structures``, atoms sorted by species, with the properties ``run``, ``pass``, ``formation_energy`` (eV/atom)
        and ``sro`` (shells × pairs), and ``summary``: a Dict with how many snapshots were looked at and left by each
        step, the trapped runs, the spacing, the average order, and averages over the chosen.
    """
    arrays = {name: snapshots.get_array(name) for name in snapshots.get_arraynames()}
    parameters = SelectionParameters(**selection.get_dict())
    chosen, summary = choose_snapshots(arrays, traces.get_array("energy"), parameters, n_structures.value, seed.value)
    return {"structures": StructureSetData(chosen), "summary": Dict(summary)}
