"""Many periodic structures of any size in flat arrays, with properties, and their files.

``container`` holds :class:`StructureSet`; ``convert`` goes to and from ASE and pymatgen.

Reading: ``files`` reads a whole file and ``stream`` a block at a time, with the same readers beneath: ``extxyz``
(``header``, its comment line), ``set_npz`` (our own file; ``npz``, arrays of strangers), ``lammps_data``,
``lammps_dump`` (``lammps_types``), ``cif``, ``poscar``. ``source`` opens text, ``frames`` joins what was read,
``conventions`` brings names and units to the project's. Writing: ``write_extxyz``, ``set_npz``,
``write_single`` (CIF and POSCAR). Only numpy is
imported at package level.
"""

from .container import StructureSet
from .convert import from_ase, from_pymatgen, to_ase, to_pymatgen
from .files import load_structures, read_extxyz
from .properties import KNOWN_PROPERTIES, Property
from .set_npz import read_npz, write_npz
from .stream import StructureStream
from .write_extxyz import write_extxyz

__all__ = [
    "KNOWN_PROPERTIES",
    "Property",
    "StructureSet",
    "StructureStream",
    "from_ase",
    "from_pymatgen",
    "load_structures",
    "read_extxyz",
    "read_npz",
    "to_ase",
    "to_pymatgen",
    "write_extxyz",
    "write_npz",
]
