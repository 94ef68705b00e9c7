"""To and from ASE and pymatgen, with units converted at the border.

Inside the project stress is in GPa (3×3, compressive negative, as matgl has it); ASE holds eV/Å³ in
Voigt order. Energies (eV), forces (eV/Å) and positions (Å) are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadInput
from ..units import EV_PER_A3_IN_GPA
from .container import StructureSet
from .frames import Frame, join
from .properties import Property, unit_of

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

#: Arrays of ASE's Atoms that are no properties.
OWN_ARRAYS = ("numbers", "positions")


def to_ase(structures: StructureSet) -> list[Atoms]:
    """Convert to a list of ASE ``Atoms``.

    Energy, forces and stress go into a ``SinglePointCalculator``, where ASE's users look for them;
    the other properties into ``info`` (per structure) and ``arrays`` (per atom).
    """
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    result = []
    for i in range(len(structures)):
        own = structures.atoms_of(i)
        atoms = Atoms(
            numbers=structures.numbers[own],
            positions=structures.positions[own],
            cell=structures.cells[i],
            pbc=structures.pbc[i],
        )
        results: dict[str, Any] = {}
        for name, prop in structures.properties.items():
            if name == "energy":
                results["energy"] = float(prop.values[i])
            elif name == "forces":
                results["forces"] = prop.values[own]
            elif name == "stress":
                results["stress"] = to_voigt(prop.values[i]) / EV_PER_A3_IN_GPA
            elif prop.level == "atom":
                atoms.set_array(name, prop.values[own].copy())
            else:
                value = prop.values[i]
                atoms.info[name] = value.item() if np.ndim(value) == 0 else value.copy()
        if results:
            atoms.calc = SinglePointCalculator(atoms, **results)
        result.append(atoms)
    return result


def from_ase(frames: Iterable[Atoms], where: str = "frame {index}") -> StructureSet:
    """Convert ASE ``Atoms``; properties must be there in all frames or in none.

    Args:
        frames: with energy, forces and stress (eV/Å³) in their calculators, other properties in ``info``, ``arrays``.
        where: named in errors; ``{index}`` becomes the place of the structure.

    Raises:
        BadInput: a structure without lattice, a property that only some frames have, or values of mixed type.
    """
    converted = []
    for index, atoms in enumerate(frames):
        frame = Frame(
            where.replace("{index}", str(index)),
            atoms.numbers,
            atoms.positions,
            np.asarray(atoms.cell),
            np.asarray(atoms.pbc),
            dict(atoms.info),
            {name: array for name, array in atoms.arrays.items() if name not in OWN_ARRAYS},
        )
        stored = dict(atoms.calc.results) if atoms.calc is not None else {}
        frame.info |= {name: stored[name] for name in ("energy", "free_energy", "stress") if name in stored}
        if "forces" in stored:
            frame.arrays["forces"] = stored["forces"]
        frame.prepare(None, atoms=True)
        converted.append(frame)
    return join(converted)


def to_pymatgen(structures: StructureSet) -> list[Structure]:
    """Convert to pymatgen ``Structure``; per-atom properties become site properties, the others ``properties``."""
    from pymatgen.core import Lattice, Structure

    result = []
    for i in range(len(structures)):
        own, pbc = structures.atoms_of(i), structures.pbc[i]
        site = {name: prop.values[own] for name, prop in structures.properties.items() if prop.level == "atom"}
        whole = {name: prop.values[i] for name, prop in structures.properties.items() if prop.level == "structure"}
        result.append(
            Structure(
                Lattice(structures.cells[i], pbc=(bool(pbc[0]), bool(pbc[1]), bool(pbc[2]))),
                structures.numbers[own].tolist(),
                structures.positions[own],
                coords_are_cartesian=True,
                site_properties=site,
                properties=whole,
            )
        )
    return result


def from_pymatgen(frames: Sequence[Structure]) -> StructureSet:
    """Convert ordered pymatgen structures.

    Raises:
        BadInput: partial occupancies, or properties that only some structures have.
    """
    frames = list(frames)
    if not frames:
        return StructureSet.empty()
    for index, frame in enumerate(frames):
        if not frame.is_ordered:
            raise BadInput(f"structure {index} has partial occupancies; order it first")
    properties = {}
    for level, stores in (
        ("atom", [frame.site_properties for frame in frames]),
        ("structure", [frame.properties for frame in frames]),
    ):
        for name in stores[0]:
            if any(name not in store for store in stores):
                raise BadInput(f"the property {name} is there in some structures only")
            join = np.concatenate if level == "atom" else np.array
            properties[name] = Property(join([np.asarray(store[name]) for store in stores]), level, unit_of(name))
    return StructureSet(
        np.concatenate([frame.atomic_numbers for frame in frames]),
        np.concatenate([frame.cart_coords for frame in frames]),
        np.array([frame.lattice.matrix for frame in frames]),
        np.array([frame.lattice.pbc for frame in frames]),
        np.concatenate([[0], np.cumsum([len(frame) for frame in frames])]),
        properties,
    )


def to_voigt(stress: Any) -> Any:
    """Turn 3×3 into xx, yy, zz, yz, xz, xy (ASE's order)."""
    return np.asarray(stress)[..., [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
