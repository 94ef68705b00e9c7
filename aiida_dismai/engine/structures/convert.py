"""To and from ASE and pymatgen, with units converted at the border.

Inside the project stress is in GPa (3×3, compressive negative, as matgl has it); ASE holds eV/Å³ in
Voigt order. Energies (eV), forces (eV/Å) and positions (Å) are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadInput
from .container import KNOWN_PROPERTIES, Property, StructureSet

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

#: eV/Å³ in GPa (CODATA 2018 elementary charge).
EV_PER_A3_IN_GPA = 160.21766339999998
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


def from_ase(frames: Iterable[Atoms]) -> StructureSet:
    """Convert ASE ``Atoms``; properties must be there in all frames or in none.

    Raises:
        BadInput: a property that only some frames have, or values of mixed type.
    """
    frames = list(frames)
    if not frames:
        return StructureSet.empty()
    per_structure: dict[str, list[Any]] = {}
    per_atom: dict[str, list[Any]] = {}
    for index, atoms in enumerate(frames):
        found_structure: dict[str, Any] = dict(atoms.info)
        found_atom = {name: array for name, array in atoms.arrays.items() if name not in OWN_ARRAYS}
        stored = dict(atoms.calc.results) if atoms.calc is not None else {}
        if "energy" in stored:
            found_structure["energy"] = float(stored["energy"])
        if "stress" in stored:
            found_structure["stress"] = from_voigt(np.asarray(stored["stress"])) * EV_PER_A3_IN_GPA
        if "forces" in stored:
            found_atom["forces"] = stored["forces"]
        for store, found in ((per_structure, found_structure), (per_atom, found_atom)):
            if index == 0:
                store.update({name: [] for name in found})
            if set(found) != set(store):
                odd = ", ".join(sorted(set(found) ^ set(store)))
                raise BadInput(f"frame {index}: the property {odd} is there in some frames only")
            for name, value in found.items():
                store[name].append(value)
    properties = {}
    for name, values in per_structure.items():
        try:
            array = np.array(values)
        except ValueError as error:
            raise BadInput(f"property '{name}': values of different shape ({error})") from error
        properties[name] = Property(array, "structure", _unit(name))
    for name, values in per_atom.items():
        properties[name] = Property(np.concatenate(values), "atom", _unit(name))
    return StructureSet(
        np.concatenate([atoms.numbers for atoms in frames]),
        np.concatenate([atoms.positions for atoms in frames]),
        np.array([np.asarray(atoms.cell) for atoms in frames]),
        np.array([atoms.pbc for atoms in frames]),
        np.concatenate([[0], np.cumsum([len(atoms) for atoms in frames])]),
        properties,
    )


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
            properties[name] = Property(join([np.asarray(store[name]) for store in stores]), level, _unit(name))
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


def from_voigt(stress: Any) -> Any:
    """Turn xx, yy, zz, yz, xz, xy into 3×3; a 3×3 stays as it is."""
    stress = np.asarray(stress)
    if stress.shape[-2:] == (3, 3):
        return stress
    return stress[..., [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]


def _unit(name: str) -> str:
    return KNOWN_PROPERTIES.get(name, ("", ""))[1]
