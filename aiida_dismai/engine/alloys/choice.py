"""From the files of a sampling to the structures of a data set, with the numbers that say what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..structures import Property, StructureSet
from .selection import Selection, SelectionParameters, Snapshots, select


def choose_snapshots(
    arrays: Mapping[str, NDArray[Any]],
    energy: NDArray[np.float64],
    parameters: SelectionParameters,
    count: int,
    seed: int,
) -> tuple[StructureSet, dict[str, Any]]:
    """Choose up to ``count`` distinct, decorrelated snapshots by seed, evenly of all runs.

    Args:
        arrays: of ``snapshots.npz``.
        energy: formation energies after every pass of every run, of ``traces.npz``, eV/atom, ``(runs, passes)``.
        parameters: the filter and the spacing, see :mod:`.selection`.
        count: how many are wanted.
        seed: of the draw.

    Returns:
        The structures, atoms sorted by species, with the properties ``run``, ``pass``, ``formation_energy`` (eV/atom)
        and ``sro`` (shells × pairs), and a summary: how many snapshots were looked at and left by each step, the
        trapped runs, the spacing, the average order, and averages over the chosen.

    Raises:
        BadInput: shells or pairs that the snapshots do not have.
    """
    pairs = tuple(str(pair) for pair in arrays["pairs"])
    series = energy[:, int(arrays["pass"].min()) :]
    every = Snapshots(arrays["numbers"], arrays["run"], arrays["pass"], arrays["sro"], pairs, series)
    found = select(every, parameters, count, seed)
    return _structures(arrays, pairs, found.chosen), _summary(arrays, every, parameters, found, count, seed)


def _structures(arrays: Mapping[str, NDArray[Any]], pairs: tuple[str, ...], chosen: NDArray[np.int64]) -> StructureSet:
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
    arrays: Mapping[str, NDArray[Any]],
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
