"""Many periodic structures of any size in flat arrays, with properties, and their files.

``container`` holds :class:`StructureSet`; ``convert`` goes to and from ASE and pymatgen;
``files`` reads and writes ``.npz`` and extxyz, ``stream`` reads them a block at a time. Only numpy is imported at
package level.
"""

from .container import KNOWN_PROPERTIES, Property, StructureSet
from .convert import from_ase, from_pymatgen, to_ase, to_pymatgen
from .files import load_structures, read_extxyz, read_npz, write_extxyz, write_npz
from .stream import StructureStream

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
