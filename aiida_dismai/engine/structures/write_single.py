"""What files that hold one structure have in them: CIF and POSCAR."""

from __future__ import annotations

import io
from pathlib import Path

from .container import StructureSet
from .convert import to_ase

#: Endings of files that hold one structure, and the names of their formats in ASE.
SINGLE = {".cif": "cif", ".vasp": "vasp", ".poscar": "vasp"}
#: Beginnings of the names of such files without an ending.
NAMED = ("POSCAR", "CONTCAR")


def single_format(path: Path) -> str | None:
    """Return ASE's name of the format of a file that holds one structure; None for others, by its name."""
    return SINGLE.get(path.suffix.lower()) or ("vasp" if path.name.upper().startswith(NAMED) else None)


def single_file(structures: StructureSet, path: Path) -> bytes:
    """Return the first structure of a set as the CIF (in P 1, every atom listed) or POSCAR of that name."""
    from ase.io import write

    form = single_format(path)
    assert form is not None
    atoms = to_ase(structures[:1].without_properties())[0]
    if form == "cif":
        binary = io.BytesIO()
        write(binary, atoms, format=form)
        return binary.getvalue()
    text = io.StringIO()
    write(text, atoms, format=form, direct=True)
    return text.getvalue().encode()
