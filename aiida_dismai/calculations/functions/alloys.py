"""Choosing the structures of an alloy data set among the snapshots of a sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Int
from numpy.typing import NDArray

from ...data import StructureSetData
from ...engine.alloys.selection import Selection, SelectionParameters, Snapshots, select
from ...engine.structures import Property, StructureSet


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
    energy = traces.get_array("energy")[:, int(arrays["pass"].min()) :]
    pairs = tuple(str(pair) for pair in arrays["pairs"])
    every = Snapshots(arrays["numbers"], arrays["run"], arrays["pass"], arrays["sro"], pairs, energy)
    parameters = SelectionParameters(**selection.get_dict())
    found = select(every, parameters, n_structures.value, seed.value)
    return {
        "structures": StructureSetData(_structures(arrays, pairs, found.chosen)),
        "summary": Dict(_summary(arrays, every, parameters, found, n_structures.value, seed.value)),
    }


def _structures(arrays: dict[str, NDArray[Any]], pairs: tuple[str, ...], chosen: NDArray[np.int64]) -> StructureSet:
    """Return the chosen snapshots as structures, atoms sorted by species as in the cluster expansion."""
    from ase.data import atomic_numbers

    ends = [pair.split("-") for pair in pairs]
    place = np.zeros(119, dtype=np.int64)
    for index, symbol in enumerate(first for first, second in ends if first == second):
        place[atomic_numbers[symbol]] = index
    numbers = arrays["numbers"][chosen]
    order = np.argsort(place[numbers], axis=-1, kind="stable")
    units = {"formation_energy": "eV/atom"}
    properties = {
        name: Property(arrays[name][chosen], "structure", units.get(name, ""))
        for name in ("run", "pass", "formation_energy", "sro")
    }
    if not len(chosen):
        return StructureSet.empty()
    # one composition, so that the sorted numbers are the same for all
    return StructureSet.from_uniform(numbers[0][order[0]], arrays["positions"][order], arrays["cell"], True, properties)


def _summary(
    arrays: dict[str, NDArray[Any]],
    snapshots: Snapshots,
    parameters: SelectionParameters,
    found: Selection,
    wanted: int,
    seed: int,
) -> dict[str, Any]:
    runs = len(snapshots.energy)
    everything = snapshots.run[found.members]
    return {
        "wanted": wanted,
        "kept": len(found.chosen),
        "seed": seed,
        "snapshots": len(snapshots),
        "looked_at": found.looked_at,
        "distinct": found.distinct,
        "passed": found.passed,
        "decorrelated": found.apart,
        "passed_percent": 100 * found.passed / found.looked_at,
        "nearest_deviation": found.nearest,
        "width_needed": found.needed,
        "autocorrelation_passes": found.autocorrelation,
        "spacing_passes": found.spacing,
        "trapped_runs": found.trapped,
        "run_energies": snapshots.energy.mean(axis=1).tolist(),
        "structures_of_runs": np.bincount(snapshots.run[found.chosen], minlength=runs).tolist(),
        "snapshots_of_runs": np.bincount(everything, minlength=runs).tolist(),
        "selection": parameters.model_dump(),
        "shells": [str(shell) for shell in arrays["shells"]],
        "pairs": list(snapshots.pairs),
        "average_sro": snapshots.sro[found.members].mean(axis=0).tolist(),
        "average_formation_energy": _moments(arrays["formation_energy"][found.members]),
        "sro": _moments(snapshots.sro[found.chosen]),
        "formation_energy": _moments(arrays["formation_energy"][found.chosen]),
    }


def _moments(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return mean and standard deviation over structures; None of an empty set."""
    if not len(values):
        return {"mean": None, "std": None}
    return {"mean": values.mean(axis=0).tolist(), "std": values.std(axis=0).tolist()}
