"""How near structures relaxed by a potential are to DFT: the figures of the paper's Table 5.

Structures were relaxed with the potential (M-opt), then further with DFT. The first DFT frame is M-opt, the
last one is the DFT-relaxed structure (D-opt). On both, the potential's energy is compared with DFT's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..structures import StructureSet


@dataclass(frozen=True)
class Pairs:
    """Relaxed structures that have a DFT trajectory.

    Attributes:
        relaxed: numbers of the structures relaxed by the potential, ``(k,)``.
        first: number of the first DFT frame of each, ``(k,)``.
        last: of the last, ``(k,)``.
        n_steps: geometries that DFT computed, one for a structure that it left as it was, ``(k,)``.
        without_dft: trajectories of relaxed structures that have no DFT frames.
        not_matching: trajectories whose first DFT frame is another structure.
    """

    relaxed: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    n_steps: NDArray[np.int64]
    without_dft: list[Any]
    not_matching: list[Any]


def find_pairs(relaxed: StructureSet, frames: StructureSet, tolerance: float, where: str) -> Pairs:
    """Match relaxed structures with DFT trajectories by the property ``trajectory``.

    Args:
        relaxed: one structure per trajectory, with ``trajectory``.
        frames: with ``trajectory`` and ``step`` (and ``stage``, when there are several), in any order.
        tolerance: the first frame is the relaxed structure when no atom is farther off, Å.
        where: named in the errors.

    Raises:
        BadInput: a property is missing, a trajectory occurs twice, or nothing matches.
    """
    relaxed.require(f"{where}: input 'relaxed'", "trajectory")
    frames.require(f"{where}: input 'structures'", "trajectory", "step")
    names = relaxed.values("trajectory")
    unique, counts = np.unique(names, return_counts=True)
    if (counts > 1).any():
        raise BadInput(f"{where}: input 'relaxed' has trajectory {unique[counts > 1][0]} more than once")
    stage = frames.values("stage") if "stage" in frames.properties else np.zeros(len(frames))
    order = np.lexsort((frames.values("step"), stage))
    of_frame = frames.values("trajectory")[order]
    found: list[tuple[int, int, int, int]] = []
    without: list[Any] = []
    odd: list[Any] = []
    for i, name in enumerate(names):
        own = order[of_frame == name]
        if not len(own):
            without.append(name.item())
        elif not _same(relaxed, i, frames, int(own[0]), tolerance):
            odd.append(name.item())
        else:
            found.append((i, int(own[0]), int(own[-1]), len(own)))
    if not found:
        raise BadInput(
            f"{where}: no DFT trajectory begins with one of the {len(relaxed)} relaxed structures ({len(without)} have "
            f"no frames, {len(odd)} begin with another structure than within {tolerance:g} Å); are they of one run?"
        )
    columns = np.array(found, dtype=np.int64).T
    return Pairs(columns[0], columns[1], columns[2], columns[3], without, odd)


def _same(a: StructureSet, i: int, b: StructureSet, j: int, tolerance: float) -> bool:
    """Whether two structures have the same atoms in the same places, whole lattice vectors apart."""
    own, other = a.atoms_of(i), b.atoms_of(j)
    if not np.array_equal(a.numbers[own], b.numbers[other]) or not np.allclose(a.cells[i], b.cells[j], atol=1e-3):
        return False
    shift = np.linalg.solve(a.cells[i].T, (a.positions[own] - b.positions[other]).T).T
    shift -= np.round(shift) * a.pbc[i]
    return bool(np.linalg.norm(shift @ a.cells[i], axis=1).max(initial=0.0) <= tolerance)


def table(
    pairs: Pairs, frames: StructureSet, predicted: NDArray[np.float64], interface_energy: NDArray[np.float64] | None
) -> dict[str, Any]:
    """Return the figures of Table 5.

    Args:
        pairs: of the ``k`` structures.
        frames: the DFT frames, with ``energy``.
        predicted: the potential's energy of every frame, eV.
        interface_energy: normalised, of every relaxed structure, J/m²; low means at most 0.

    Returns:
        For ``low`` and ``high`` (when interface energies are known and there are such) and ``all``: ``n``,
        ``n_steps_mean``, ``n_steps_std``, ``m_opt_mean``, ``m_opt_std``, ``d_opt_mean``, ``d_opt_std``
        (absolute energy differences, meV/atom; population standard deviations).
    """
    difference = 1000 * np.abs(predicted - frames.values("energy")) / frames.n_atoms
    columns = {
        "n_steps": pairs.n_steps.astype(float),
        "m_opt": difference[pairs.first],
        "d_opt": difference[pairs.last],
    }
    groups = {"all": np.ones(len(pairs.relaxed), dtype=bool)}
    if interface_energy is not None:
        low = interface_energy[pairs.relaxed] <= 0
        groups = {"low": low, "high": ~low} | groups
    result: dict[str, Any] = {}
    for group, chosen in groups.items():
        if not chosen.any():
            continue
        result[group] = {"n": int(chosen.sum())}
        for name, values in columns.items():
            result[group][f"{name}_mean"] = float(values[chosen].mean())
            result[group][f"{name}_std"] = float(values[chosen].std())
    return result
