"""Formats that ASE reads: which of them, and how a file is read with its readers (see ``apart``)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from ..errors import BadInput
from ..text import visible
from .container import StructureSet
from .convert import from_ase

#: Formats of ASE that are read with its readers: text, or without pickles, and with elements and a lattice.
ASE_FORMATS = (
    "abinit-in", "abinit-out", "aims", "aims-output", "castep-cell", "castep-castep", "cfg", "cube", "dmol-car",
    "espresso-in", "espresso-out", "exciting", "gen", "json", "netcdftrajectory", "res", "traj", "v-sim", "vasp-out",
    "vasp-xdatcar", "vasp-xml", "wien2k", "struct", "xsd", "xsf", "crystal", "onetep-in", "onetep-out", "octopus-in",
    "db",
)  # fmt: skip


def reader_of(form: str) -> Callable[[Path, str], StructureSet]:
    """Return what reads files of a format of ASE, with its modules imported already."""
    from ase.io import read
    from ase.io.formats import get_ioformat

    importlib.import_module(get_ioformat(form).module_name)

    def read_file(path: Path, shown: str) -> StructureSet:
        try:
            frames = read(str(path), index=":", format=form, do_not_split_by_at_sign=True)
        except MemoryError:
            raise
        except Exception as error:  # ASE raises many types for one meaning
            raise BadInput(
                f"{visible(shown)}: not readable as {form} ({type(error).__name__}: {visible(error, 160)})"
            ) from error
        if not frames:
            raise BadInput(f"{visible(shown)}: no structure in this file")
        for atoms in frames:
            atoms.info.pop("occupancy", None)
        return from_ase(frames, f"{visible(shown)}: frame {{index}}")

    return read_file
