"""What energies, forces and stresses of atoms can be; imports numpy only.

A label beyond these is hardly ever physics: atoms on top of each other, electrons that did not converge, another unit.
"""

from __future__ import annotations

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
