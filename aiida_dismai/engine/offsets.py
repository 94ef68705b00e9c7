"""How far the labels of two methods lie apart on the same structures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadInput
from .methods import methods_of
from .structures import StructureSet

#: Two geometries are one when no coordinate differs by more, Å.
SAME_GEOMETRY = 1e-4
LABELS = ("energy", "forces", "stress")


def offsets(first: StructureSet, second: StructureSet) -> dict[str, Any]:
    """Compare labels of structures that are in both sets.

    Args:
        first: labelled structures.
        second: labelled structures; atoms of a structure in the same order as in the first set.

    Returns:
        ``n_pairs``; ``energy_offset`` and ``energy_scatter`` (mean and standard deviation of second − first, eV/atom);
        ``energy_relative_mae`` (meV/atom, offsets of the elements fitted and taken off: what is left is physics);
        ``element_offsets`` (eV/atom); ``forces_mae``, ``forces_rmse``, ``forces_largest`` (meV/Å); ``stress_mae``,
        ``stress_mean`` (GPa, second − first); the ``methods`` of both.

    Raises:
        BadInput: a set without labels, or no structure that both have.
    """
    for which, structures in (("first", first), ("second", second)):
        missing = [name for name in LABELS if name not in structures.properties]
        if missing:
            raise BadInput(f"the {which} set has no {', '.join(missing)}: give two labelled sets")
    pairs = _pairs(first, second)
    if not pairs:
        raise BadInput("no structure is in both sets (same atoms in the same order, cell and positions within 1e-4 Å)")
    own, other = np.array(pairs).T
    atoms = first.n_atoms[own]
    difference = second.values("energy")[other] - first.values("energy")[own]
    elements = first.elements
    kinds = np.unique(first.numbers)
    counts = np.array([[np.sum(first.numbers[first.atoms_of(i)] == kind) for kind in kinds] for i in own], dtype=float)
    fitted, *_ = np.linalg.lstsq(counts, difference, rcond=None)
    forces = np.concatenate(
        [
            second.values("forces")[second.atoms_of(j)] - first.values("forces")[first.atoms_of(i)]
            for i, j in zip(own, other, strict=True)
        ]
    )
    stress = second.values("stress")[other] - first.values("stress")[own]
    return {
        "n_pairs": len(pairs),
        "methods": {"first": methods_of(first), "second": methods_of(second)},
        "energy_offset": float((difference / atoms).mean()),
        "energy_scatter": float((difference / atoms).std()),
        "energy_relative_mae": float(1000 * np.abs((difference - counts @ fitted) / atoms).mean()),
        "element_offsets": dict(zip(elements, fitted.tolist(), strict=True)),
        "forces_mae": float(1000 * np.abs(forces).mean()),
        "forces_rmse": float(1000 * np.sqrt(np.square(forces).mean())),
        "forces_largest": float(1000 * np.linalg.norm(forces, axis=1).max()),
        "stress_mae": float(np.abs(stress).mean()),
        "stress_mean": float(np.trace(stress, axis1=1, axis2=2).mean() / 3),
    }


def _pairs(first: StructureSet, second: StructureSet) -> list[tuple[int, int]]:
    """Return the structures of two sets that are the same, each once."""
    taken: set[int] = set()
    found = []
    keys: dict[bytes, list[int]] = {}
    for j in range(len(second)):
        keys.setdefault(second.numbers[second.atoms_of(j)].tobytes(), []).append(j)
    for i in range(len(first)):
        own = first.atoms_of(i)
        for j in keys.get(first.numbers[own].tobytes(), []):
            if j not in taken and _same(
                first.cells[i], first.positions[own], second.cells[j], second.positions[second.atoms_of(j)]
            ):
                taken.add(j)
                found.append((i, j))
                break
    return found


def _same(
    cell: NDArray[np.float64], positions: NDArray[np.float64], cell_2: NDArray[np.float64], other: NDArray[np.float64]
) -> bool:
    if np.abs(cell - cell_2).max() > SAME_GEOMETRY:
        return False
    shift = (positions - other) @ np.linalg.inv(cell)
    return bool(np.abs((shift - np.round(shift)) @ cell).max() < SAME_GEOMETRY)
