"""Files of structure sets: our ``.npz`` (exact, lazy) and extxyz (exact, for everyone else)."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import BadInput
from ..files import write_atomically
from .container import Property, StructureSet
from .convert import EV_PER_A3_IN_GPA, from_ase
from .lammps_data import is_lammps_data, read_lammps_data

FORMAT = "dismai-structures"
VERSION = 1
META = "meta"
#: What ASE's reader of CIF files adds beside the structure.
CIF_INFO = ("spacegroup", "unit_cell", "occupancy")


def write_npz(structures: StructureSet, path: Path | str | BinaryIO) -> None:
    """Write a set to a path (atomically) or an open binary file; equal sets give equal bytes."""
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "properties": {name: [prop.level, prop.unit] for name, prop in sorted(structures.properties.items())},
    }
    arrays: dict[str, Any] = {META: np.array(json.dumps(meta, sort_keys=True))}
    arrays |= dict(sorted(structures.arrays().items()))

    def write(handle: BinaryIO) -> None:
        np.savez(handle, allow_pickle=False, **arrays)

    if isinstance(path, (str, Path)):
        write_atomically(path, write)
    else:
        write(path)


def read_npz(path: Path | str | BinaryIO) -> StructureSet:
    """Read a set.

    Raises:
        BadInput: missing, truncated, or not a file of this format.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if META not in archive:
                raise BadInput(f"{path}: not a structure set ({FORMAT}); convert it with from_ase or write_npz")
            meta = json.loads(str(archive[META]))
            if meta.get("format") != FORMAT or meta.get("version", 0) > VERSION:
                raise BadInput(f"{path}: format {meta.get('format')} {meta.get('version')} is not read by this version")
            properties = {
                name: Property(archive[f"property.{name}"], level, unit)
                for name, (level, unit) in meta["properties"].items()
            }
            return StructureSet(
                archive["numbers"],
                archive["positions"],
                archive["cells"],
                archive["pbc"],
                archive["offsets"],
                properties,
            )
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file") from error
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError, OSError) as error:
        # numpy takes what it does not know for a pickle, and advises to load it
        reason = "not an npz file" if "pickle" in str(error) else error
        raise BadInput(f"{path}: truncated or not a structure set ({reason})") from error


def write_extxyz(structures: StructureSet, path: Path | str) -> None:
    """Write extended XYZ with every digit (ASE's own writer keeps eight decimals).

    Stress is written in eV/Å³, the unit that readers of extxyz expect; strings are quoted.
    """
    from ase.data import chemical_symbols

    symbols = np.array(chemical_symbols)

    def write(handle: BinaryIO) -> None:
        for i in range(len(structures)):
            handle.write(_frame(structures, i, symbols).encode())

    write_atomically(path, write)


def _frame(structures: StructureSet, i: int, symbols: Any) -> str:
    own = structures.atoms_of(i)
    columns = [symbols[structures.numbers[own]].tolist()]
    layout = ["species:S:1"]

    def add(name: str, values: Any) -> None:
        values = np.asarray(values)
        flat = values.reshape(len(values), -1)
        kind = {"f": "R", "i": "I", "u": "I", "b": "L", "U": "S"}[values.dtype.kind]
        layout.append(f"{name}:{kind}:{flat.shape[1]}")
        columns.extend([_word(item) for item in column] for column in flat.T.tolist())

    add("pos", structures.positions[own])
    header = [
        'Lattice="' + " ".join(repr(float(x)) for x in structures.cells[i].ravel()) + '"',
        'pbc="' + " ".join("T" if flag else "F" for flag in structures.pbc[i]) + '"',
    ]
    for name, prop in structures.properties.items():
        if prop.level == "atom":
            add(name, prop.values[own])
            continue
        value = prop.values[i]
        if name == "stress":
            value = value / EV_PER_A3_IN_GPA
        if np.ndim(value) == 0:
            header.append(f"{name}={_quoted(value.item() if hasattr(value, 'item') else value)}")
        elif np.ndim(value) == 1:
            header.append(f'{name}="' + " ".join(_word(item) for item in value.tolist()) + '"')
        elif value.shape == (3, 3):  # ASE reads nine numbers as a 3×3 in column order
            header.append(f'{name}="' + " ".join(_word(item) for item in value.T.ravel().tolist()) + '"')
        else:
            header.append(f"{name}=_JSON {json.dumps(value.tolist())}")
    header.insert(1, "Properties=" + ":".join(layout))
    rows = "\n".join(" ".join(row) for row in zip(*columns, strict=True))
    return f"{len(columns[0])}\n{' '.join(header)}\n{rows}\n"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return repr(value) if isinstance(value, (int, float)) else str(value)


def _quoted(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return _word(value)


def read_extxyz(path: Path | str) -> StructureSet:
    """Read extended XYZ (any writer's).

    Raises:
        BadInput: missing, unreadable, empty, or a frame without a lattice.
    """
    from ase.io import read

    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    try:
        frames = read(path, index=":", format="extxyz")
    except Exception as error:  # ASE raises many types for one meaning
        raise BadInput(f"{path}: not readable as extxyz ({type(error).__name__}: {error})") from error
    for index, atoms in enumerate(frames):
        if abs(atoms.cell.volume) < 1e-6:
            raise BadInput(f'{path}: frame {index} has no lattice; add Lattice="ax ay az bx …" to its comment line')
    return from_ase(frames)


def load_structures(path: Path | str, element: str | None = None) -> StructureSet:
    """Read structures by the file's ending.

    That is ``.npz``, ``.extxyz``/``.xyz``, LAMMPS data (``.data``, ``.lmp``, ``data.…``), or anything ASE reads (cif,
    POSCAR, …).

    Args:
        path: of the file.
        element: of all atoms of a LAMMPS data file that does not say it.

    Raises:
        BadInput: the file cannot be read; the message says why.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return read_npz(path)
    if ".extxyz" in path.suffixes or ".xyz" in path.suffixes:
        return read_extxyz(path)
    from ase.io import read

    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    if is_lammps_data(path):
        return read_lammps_data(path, element)
    try:
        frames = read(path, index=":")
    except Exception as error:  # ASE raises many types for one meaning
        raise BadInput(f"{path}: not readable as a structure ({type(error).__name__}: {error})") from error
    for index, atoms in enumerate(frames):
        # ASE keeps one species of a mixed site and hides the others here
        for occupancy in atoms.info.get("occupancy", {}).values():
            if abs(sum(occupancy.values()) - 1) > 1e-3 or len(occupancy) > 1:
                raise BadInput(f"{path}: frame {index} has partial occupancies {occupancy}; give an ordered structure")
        for name in CIF_INFO:
            atoms.info.pop(name, None)
        atoms.arrays.pop("spacegroup_kinds", None)
    return from_ase(frames)
