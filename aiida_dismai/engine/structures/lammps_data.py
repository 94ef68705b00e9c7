"""LAMMPS data files: the atoms and the cell, elements from masses, labels of types, or as told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import BadInput
from .container import StructureSet
from .convert import from_ase

#: Names of LAMMPS data files: their endings, or how they begin.
ENDINGS = (".data", ".lmp", ".lammps", ".lammps-data", ".lmpdat")
BEGINNING = "data."
#: Atom style by the number of columns, without and with image flags.
STYLES = {5: "atomic", 8: "atomic", 6: "charge", 9: "charge", 7: "full", 10: "full"}
#: Masses in u that differ by less than this from an element's are that element's.
SAME_MASS = 0.1


def is_lammps_data(path: Path) -> bool:
    """Say whether a file is a LAMMPS data file, by its name and its first lines."""
    if path.suffix not in ENDINGS and not path.name.startswith(BEGINNING):
        return False
    with path.open(errors="replace") as handle:
        beginning = "".join(line for line, _ in zip(handle, range(40), strict=False))
    return re.search(r"^\s*\d+\s+atoms\b", beginning, re.MULTILINE) is not None


def read_lammps_data(path: Path, element: str | None = None) -> StructureSet:
    """Read a data file of atom style atomic, charge or full, with any box; periodic along all axes.

    Velocities, charges, bonds and the like are left out, image flags too.

    Args:
        path: of the file.
        element: symbol of all atoms, where the file does not say it.

    Raises:
        BadInput: unreadable, another atom style, or elements that cannot be told.
    """
    from ase import Atoms
    from ase.io.lammpsdata import read_lammps_data as read

    style, masses, labels = _scan(path)
    try:
        with path.open() as handle:
            atoms = read(handle, atom_style=style, read_image_flags=False, units="metal")
    except Exception as error:  # ASE raises many types for one meaning
        raise BadInput(
            f"{path}: not readable as LAMMPS data of atom style {style} ({type(error).__name__}: {error})"
        ) from error
    elements = {kind: _element(path, int(kind), masses, labels, element) for kind in set(atoms.arrays["type"].tolist())}
    symbols = [elements[kind] for kind in atoms.arrays["type"].tolist()]
    return from_ase([Atoms(symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)])


def _element(path: Path, kind: int, masses: dict[int, float], labels: dict[int, str], element: str | None) -> str:
    """Return the symbol of an atom type."""
    from ase.data import atomic_masses, atomic_numbers, chemical_symbols

    if labels.get(kind) in atomic_numbers:
        return labels[kind]
    if kind in masses:
        nearest = int(abs(atomic_masses - masses[kind]).argmin())
        if abs(atomic_masses[nearest] - masses[kind]) < SAME_MASS:
            return str(chemical_symbols[nearest])
    if element is not None:
        return element
    told = f"its mass {masses[kind]:g} is no element's" if kind in masses else "it has no mass"
    raise BadInput(
        f"{path}: which element is atom type {kind}? {told}; write a section Masses (g/mol) into the file, or convert "
        "it to extxyz"
    )


def _scan(path: Path) -> tuple[str, dict[int, float], dict[int, str]]:
    """Return the atom style, and masses and labels by atom type."""
    section: str | None = None
    style: str | None = None
    masses: dict[int, float] = {}
    labels: dict[int, str] = {}
    with path.open(errors="replace") as handle:
        next(handle, None)  # the first line is a comment
        for line in handle:
            content, _, comment = line.partition("#")
            words: list[Any] = content.split()
            if not words:
                continue
            if words[0][0].isalpha():
                section = " ".join(words)
                if section == "Atoms":
                    style = comment.split()[0] if comment.split() else None
                    if style is not None and style not in STYLES.values():
                        raise BadInput(
                            f"{path}: atom style '{style}' is not read; write the file with atom_style atomic, charge "
                            "or full, or convert it to extxyz"
                        )
                continue
            try:
                if section == "Masses":
                    masses[int(words[0])] = float(words[1])
                elif section == "Atom Type Labels":
                    labels[int(words[0])] = words[1]
                elif section == "Atoms":
                    if style is None:
                        style = STYLES.get(len(words))
                    section = "seen"
            except (ValueError, IndexError) as error:
                raise BadInput(f"{path}: section {section} is not as LAMMPS writes it: {line.strip()!r}") from error
    if style is None:
        raise BadInput(
            f"{path}: no section Atoms, or one whose atom style cannot be told; write 'Atoms # atomic' above its lines"
        )
    return style, masses, labels
