"""Reading a file of structures, whatever its format: by its content first, then by its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInput
from ..text import visible
from .apart import read_apart
from .cif import FEW, SMALL, LongWork, read_here
from .container import StructureSet
from .extxyz import frames_of
from .foreign import ASE_FORMATS
from .frames import Frame, join_many
from .lammps_data import is_lammps_data, read_lammps_data
from .lammps_dump import is_lammps_dump, read_lammps_dump
from .poscar import read_poscar
from .set_npz import read_npz
from .source import content_suffixes, open_bytes, refuse_what_is_no_data


def read_cif(path: Path, shown: str = "") -> StructureSet:
    """Read all structures of a file; one that is not small in a process of its own.

    Args:
        path: of the file.
        shown: its name in errors; without it, the path.

    Raises:
        BadInput: unreadable, without symmetry, with partial or unknown occupancies, or with sites that do not give the
            stated formula.
    """
    with open_bytes(path) as handle:
        small = len(handle.read(SMALL + 1)) <= SMALL
    try:
        return read_here(path, shown or str(path), FEW) if small else read_apart(path, "cif")
    except LongWork:
        return read_apart(path, "cif")


#: Formats of ASE whose files are recognised here by other names, and what reads them.
OWN = {"vasp": read_poscar, "cif": read_cif}


def read_extxyz(path: Path | str) -> StructureSet:
    """Read extended XYZ (any writer's).

    Raises:
        BadInput: missing, unreadable, empty, a frame without a lattice, or frames whose properties differ; names frame
            and line.
    """
    return join_many(_prepared(frames_of(Path(path))))


def _prepared(frames: Iterator[Frame]) -> Iterator[Frame]:
    for frame in frames:
        frame.require_lattice()
        frame.prepare(None, atoms=True)
        yield frame


def load_structures(path: Path | str, element: str | None = None) -> StructureSet:
    """Read structures: npz of this project, extxyz, LAMMPS data and dumps, CIF, POSCAR, or what ASE reads.

    Args:
        path: of the file; it may be compressed with gzip, bzip2 or xz (text formats).
        element: of all atoms of a LAMMPS file that does not say it.

    Raises:
        BadInput: the file cannot be read, or not without guessing; the message says why.
    """
    path = Path(path)
    suffixes = content_suffixes(path)
    if path.suffix.lower() == ".npz":
        return read_npz(path)
    refuse_what_is_no_data(path)
    if {".extxyz", ".xyz"} & set(suffixes):
        return read_extxyz(path)
    if is_lammps_dump(path):
        return read_lammps_dump(path, element)
    if is_lammps_data(path):
        return read_lammps_data(path, element)
    if ".cif" in suffixes:
        return read_cif(path)
    return _read_with_ase(path)


def _read_with_ase(path: Path) -> StructureSet:
    from ase.io.formats import UnknownFileTypeError, filetype

    try:
        form = filetype(str(path))
    except (UnknownFileTypeError, OSError, ValueError) as error:
        raise BadInput(
            f"{visible(path)}: its format is not known; convert it to extxyz, or name it after its format (.extxyz, "
            ".cif, "
            "POSCAR, …)"
        ) from error
    if form in OWN:
        return OWN[form](path)
    if form not in ASE_FORMATS:
        raise BadInput(f"{visible(path)}: files of the format '{visible(form, 40)}' are not read; convert it to extxyz")
    return read_apart(path, form)
