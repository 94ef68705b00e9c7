"""What files call things, and the units in which they give them, turned into the project's.

The project's label is the free energy of the electrons (what forces and stress derive from), in eV; forces in eV/Å;
stress in GPa, 3×3, negative under compression, as matgl and ASE have it. Files of extended XYZ and ASE hold stress in
eV/Å³ unless they say otherwise, and often the virial, −stress × volume (eV).
"""

from __future__ import annotations

import math
import re
from collections.abc import Container
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..text import visible
from ..units import BOHR, EV_PER_A3_IN_GPA, HARTREE, KCAL_PER_MOL, KJ_PER_MOL
from .header import same

#: Keys that give the unit of something: ``stress-unit``, ``energy_units``.
UNIT_KEY = re.compile(
    r"(energy|energies|free_energy|forces?|stress|virials?|pos|positions?|length|lengths|distance|lattice|cell)[-_ "
    r"]?units?"
    r"|units?",
    re.IGNORECASE,
)
_EV_PER_A3 = Decimal(repr(EV_PER_A3_IN_GPA))
#: Factors to the project's units, by quantity; names in lower case, without spaces and ``^``, Å as a.
UNITS: dict[str, dict[str, float]] = {
    "energy": {"ev": 1.0, "electronvolt": 1.0, "mev": 1e-3, "hartree": HARTREE, "ha": HARTREE, "ry": HARTREE / 2,
               "rydberg": HARTREE / 2, "kcal/mol": KCAL_PER_MOL, "kj/mol": KJ_PER_MOL},
    "forces": {"ev/a": 1.0, "mev/a": 1e-3, "hartree/bohr": HARTREE / BOHR, "ha/bohr": HARTREE / BOHR,
               "ry/bohr": HARTREE / 2 / BOHR, "kcal/mol/a": KCAL_PER_MOL},
    "stress": {"ev/a3": EV_PER_A3_IN_GPA, "ev/a**3": EV_PER_A3_IN_GPA, "gpa": 1.0, "kbar": 0.1, "kb": 0.1,
               "mpa": 1e-3, "bar": 1e-4, "pa": 1e-9},
    "virial": {"ev": 1.0, "mev": 1e-3},
    "length": {"a": 1.0},
}  # fmt: skip
#: Names of a whole system of units in which nothing has to be converted.
SYSTEMS = ("metal", "ase", "ev/a", "ev,a", "ev", "a")
#: Quantity of a unit key's first word.
QUANTITIES = {
    "energy": "energy", "energies": "energy", "free_energy": "energy", "force": "forces", "forces": "forces",
    "stress": "stress", "virial": "virial", "virials": "virial",
}  # fmt: skip
ANGSTROM = re.compile(r"ångström|angström|angstroms?|ang\b|å")
#: The energy without smearing of the occupations, where a file has it beside the free energy.
SIGMA0 = "energy_sigma0"
#: Words of truth values.
WORDS = {"yes": True, "y": True, "true": True, "t": True, "no": False, "n": False, "false": False, "f": False}
#: Kind and shape of the properties of a structure that the project reads; all others may be anything.
SCALARS = {
    "energy": "real", "converged": "truth", "steps": "whole", "step": "whole", "fmax": "real",
    "energy_initial": "real", "interface_energy": "real", "interface_thickness": "real", "source_index": "whole",
    "sample": "whole", "rounds": "whole",
}  # fmt: skip
#: Stress and virial that are both given may differ by this share of the larger.
SAME_STRESS = 1e-2


def normalise(
    info: dict[str, Any], arrays: dict[str, Any], volume: float, where: str, wanted: Container[str] | None = None
) -> None:
    """Bring names, units and kinds of one structure's properties to the project's, in place.

    Args:
        info: properties of the structure.
        arrays: properties of its atoms.
        volume: of its cell, Å³.
        where: named in errors.
        wanted: names of the properties that matter, None for all.

    Raises:
        BadInput: a unit that is not known, quantities that contradict each other, or a value of the wrong kind.
    """
    units = _units(info, where)
    if (wanted is None or "energy" in wanted) and "free_energy" in info:
        # what forces derive from; `energy` is then that without smearing, or the same
        other = info.get("energy")
        if other is not None and not same(other, info["free_energy"]):
            info[SIGMA0] = _scaled(other, units.get("energy"), "energy", where)
        info["energy"] = info.pop("free_energy")
    if "energy" in info and (wanted is None or "energy" in wanted):
        info["energy"] = _scaled(info["energy"], units.get("energy"), "energy", where)
    if "force" in arrays and "forces" not in arrays:
        arrays["forces"] = arrays.pop("force")
    if "forces" in arrays:
        arrays["forces"] = _vectors(arrays["forces"], where) * (units.get("forces") or 1.0)
    if wanted is None or "stress" in wanted:
        _stress(info, units, volume, where)
    for name, kind in SCALARS.items():
        if name in info and (wanted is None or name in wanted):
            info[name] = _known(info[name], kind, name, where)


def _units(info: dict[str, Any], where: str) -> dict[str, float]:
    """Take the keys of units out; returns factors by quantity."""
    found: dict[str, float] = {}
    for key in list(info):
        match = UNIT_KEY.fullmatch(key)
        if match is None:
            continue
        value = info.pop(key)
        unit = re.sub(r"[\s^_]", "", ANGSTROM.sub("a", str(value).lower()).replace("³", "3"))
        if match[1] is None:
            if unit not in SYSTEMS:
                raise BadInput(f"{where}: {visible(key)}={visible(value)}: only eV and Å are read; convert the file")
            continue
        quantity = QUANTITIES.get(match[1].lower(), "length")
        if unit not in UNITS[quantity]:
            known = ", ".join(UNITS[quantity])
            raise BadInput(f"{where}: {visible(key)}={visible(value)}: this unit is not read; known are {known}")
        found[quantity] = UNITS[quantity][unit]
    return found


def _scaled(value: Any, factor: float | None, name: str, where: str) -> Any:
    number = _known(value, "real", name, where)
    return number * factor if factor is not None and factor != 1.0 else number


def _vectors(forces: Any, where: str) -> Any:
    forces = np.asarray(forces)
    if forces.dtype.kind not in "fi" or forces.shape[1:] != (3,):
        raise BadInput(f"{where}: forces must be three numbers for each atom, not {forces.shape[1:]} of {forces.dtype}")
    return forces.astype(float)


def _stress(info: dict[str, Any], units: dict[str, float], volume: float, where: str) -> None:
    """Replace stress and virial by the stress in GPa; a virial beside a stress must agree with it and is kept."""
    if "stress" in info:
        info["stress"] = _matrix(info["stress"], "stress", where, units.get("stress", EV_PER_A3_IN_GPA))
    for name in ("virial", "virials"):
        if name not in info:
            continue
        virial = _matrix(info[name], name, where, units.get("virial", 1.0))
        stress = -virial / volume * EV_PER_A3_IN_GPA
        if "stress" not in info:
            info["stress"] = stress
            del info[name]
            continue
        largest = max(float(np.abs(stress).max()), float(np.abs(info["stress"]).max()))
        if not np.allclose(stress, info["stress"], rtol=0, atol=SAME_STRESS * largest + 1e-6):
            raise BadInput(
                f"{where}: '{name}' and 'stress' contradict each other: −virial/volume is "
                f"{np.trace(stress) / 3:.4g} GPa on average, the stress {np.trace(info['stress']) / 3:.4g} GPa (eV/Å³ "
                "unless "
                "the file says stress-unit=…); leave one of them out"
            )
        info[name] = virial


def _matrix(value: Any, name: str, where: str, factor: float) -> Any:
    """Return a 3×3 of nine numbers, or of six in Voigt order (xx yy zz yz xz xy), times a factor."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiO" or array.shape not in ((3, 3), (9,), (6,)) or not _all_numbers(array):
        raise BadInput(
            f"{where}: '{name}' must be nine numbers, or six in the order xx yy zz yz xz xy, not {visible(value, 60)}"
        )
    if array.shape == (6,):
        if name != "stress":
            raise BadInput(
                f"{where}: '{name}' of six numbers: the order of the components differs by program; give nine"
            )
        array = array[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    matrix = array.reshape(3, 3)
    if factor != EV_PER_A3_IN_GPA:
        return matrix.astype(float) * factor
    return gpa_from_ev(matrix)


def _all_numbers(array: NDArray[Any]) -> bool:
    return array.dtype.kind != "O" or all(isinstance(item, Decimal) for item in array.ravel())


def gpa_from_ev(matrix: Any) -> Any:
    """Turn eV/Å³ into GPa; the exact inverse of :func:`ev_from_gpa` where all of its digits are given."""
    values = [
        x if not math.isfinite(x) else float((x if isinstance(x, Decimal) else Decimal(repr(x))) * _EV_PER_A3)
        for x in matrix.ravel().tolist()
    ]
    return np.array(values).reshape(matrix.shape)


def ev_from_gpa(matrix: Any) -> list[str]:
    """Return GPa in eV/Å³ as texts with as many digits as it takes to get every bit back."""
    return [
        f"{(Decimal(repr(x)) / _EV_PER_A3):.25g}" if math.isfinite(x) else repr(x) for x in np.ravel(matrix).tolist()
    ]


def _known(value: Any, kind: str, name: str, where: str) -> Any:
    """Return a value of the kind that a property of the project has.

    Raises:
        BadInput: several values, or words.
    """
    array = np.asarray(value)
    shown = visible(value, 60)
    if array.ndim:
        raise BadInput(f"{where}: '{name}' must be one value, not {array.size} ({shown})")
    item = array.item()
    if kind == "truth":
        truth = WORDS.get(item.lower()) if isinstance(item, str) else item if item in (0, 1) else None
        if truth is None:
            raise BadInput(f"{where}: '{name}' must be T or F (or yes, no), not {shown}")
        return bool(truth)
    if isinstance(item, (str, bool)) or item is None or isinstance(item, (dict, complex)):
        raise BadInput(f"{where}: '{name}' must be a number, not {shown}")
    if kind == "whole":
        if item != item or item in (float("inf"), float("-inf")) or item != int(item):
            raise BadInput(f"{where}: '{name}' must be a whole number, not {shown}")
        return int(item)
    return float(item)
