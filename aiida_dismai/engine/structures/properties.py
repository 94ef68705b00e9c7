"""Properties of structures and atoms: what may be one, and those that the project itself knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..text import visible

#: Level and unit of the properties that the project itself reads and writes.
KNOWN_PROPERTIES: dict[str, tuple[str, str]] = {
    "energy": ("structure", "eV"),
    "stress": ("structure", "GPa"),
    "forces": ("atom", "eV/Å"),
    "region": ("atom", ""),
    "trajectory": ("structure", ""),
    "step": ("structure", ""),
    "stage": ("structure", ""),
    "converged": ("structure", ""),
    "steps": ("structure", ""),
    "fmax": ("structure", "eV/Å"),
    "energy_initial": ("structure", "eV"),
    "interface_energy": ("structure", "J/m²"),
    "interface_thickness": ("structure", "Å"),
    "source": ("structure", ""),
}
#: Shape of the values of one structure or atom, for properties that the project computes with.
SHAPES: dict[str, tuple[int, ...]] = {
    "energy": (),
    "stress": (3, 3),
    "forces": (3,),
    "region": (),
    "converged": (),
    "steps": (),
}
#: Names of properties: what every file format can hold, without control characters, spaces, quotes and ``=``.
NAME = re.compile(r"\w[\w\-+./()]{0,99}")
#: Names that mean the structure itself in a file, in lower case.
RESERVED = frozenset({"lattice", "properties", "pbc", "species", "pos", "positions", "numbers", "z", "symbols", "cell"})


@dataclass(frozen=True)
class Property:
    """One property of every structure or of every atom.

    Attributes:
        values: first axis is the structures (level ``structure``) or all atoms in order (level ``atom``).
        level: ``"structure"`` or ``"atom"``.
        unit: as a person writes it, empty for pure numbers.
    """

    values: NDArray[Any]
    level: str
    unit: str = ""


def checked(name: str, prop: Property, structures: int, atoms: int) -> Property:
    """Return a property of a set with its values as an array.

    Args:
        name: of the property.
        prop: as it was given.
        structures: number of structures of the set.
        atoms: number of its atoms.

    Raises:
        BadInput: a name that no file can hold, another level, values of a type or shape that cannot be stored, or not
            one for each structure or atom.
    """
    values = np.asarray(prop.values)
    if not NAME.fullmatch(name) or name.lower() in RESERVED:
        raise BadInput(
            f"property '{visible(name, 60)}': this name cannot be used; take letters, digits and _ - + . / ( ), "
            f"and none of {', '.join(sorted(RESERVED))}"
        )
    if prop.level not in ("structure", "atom"):
        raise BadInput(f"property '{name}': level must be 'structure' or 'atom', not {visible(repr(prop.level), 40)}")
    if not isinstance(prop.unit, str):
        raise BadInput(f"property '{name}': its unit must be text, not {visible(repr(prop.unit), 40)}")
    if values.dtype == object:
        raise BadInput(f"property '{name}': values of mixed type cannot be stored")
    if values.dtype.kind not in "biufU":
        raise BadInput(f"property '{name}': values of the type {values.dtype} cannot be stored")
    if name in SHAPES and values.shape[1:] != SHAPES[name]:
        raise BadInput(f"property '{name}': the shape {values.shape[1:]} where {SHAPES[name]} is due")
    expected = structures if prop.level == "structure" else atoms
    if values.shape[:1] != (expected,):
        raise BadInput(f"property '{name}': {values.shape[:1]} rows for {expected} {prop.level}s")
    return Property(values, prop.level, prop.unit)


def unit_of(name: str) -> str:
    """Return the unit of a property that the project knows, empty for others."""
    return KNOWN_PROPERTIES.get(name, ("", ""))[1]
