"""What energies, forces and stresses of atoms can be; imports numpy only.

A label beyond these is hardly ever physics: atoms on top of each other, electrons that did not converge, another unit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: A force above this is that of atoms on top of each other, eV/Å.
MAX_FORCE = 100.0
#: A stress above this (component, absolute) is more often in other units, GPa.
MAX_STRESS = 100.0
#: Energies of one relaxation do not leave their median by more, eV/atom.
MAX_CHANGE = 10.0


def largest_norm(forces: NDArray[np.floating]) -> float:
    """Return the largest norm of a force, eV/Å; 0 for no atoms.

    Args:
        forces: eV/Å, ``(m, 3)``.
    """
    return float(np.linalg.norm(forces, axis=1).max(initial=0.0))


def with_jumps(reasons: Sequence[str], energies: Sequence[float | None], n_atoms: int) -> list[str]:
    """Return the reasons against the steps of a job, with those whose energy is far off the median of the good ones.

    Args:
        reasons: one for each step, "" for a step that can be trusted.
        energies: total energies, eV; None where a step has none.
        n_atoms: of the structure.
    """
    found = list(reasons)
    kept = [energy for energy, reason in zip(energies, found, strict=True) if not reason and energy is not None]
    if len(kept) > 2:
        middle = float(np.median(kept))
        for i, energy in enumerate(energies):
            if not found[i] and abs((energy or 0.0) - middle) > MAX_CHANGE * n_atoms:
                found[i] = f"exploded: energy more than {MAX_CHANGE:g} eV/atom off the median of the job"
    return found
