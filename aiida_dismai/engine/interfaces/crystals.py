"""The two bulk crystals of the paper's interface, and the checks for anyone's crystal."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadInput
from ..structures import StructureSet, from_pymatgen, load_structures

#: Two atoms of a crystal closer than this (Å) are one atom written twice, or a wrong unit.
OVERLAP = 0.5


def licoo2() -> StructureSet:
    """Return LiCoO2, R-3m, in its hexagonal cell (12 atoms).

    The lattice (a = 2.829651 Å, c = 14.133136 Å) is the one whose (110) plane gives the paper's
    lateral cell to 2e-5 Å; oxygen sits at z = 0.2605.
    """
    from pymatgen.core import Lattice, Structure

    crystal = Structure.from_spacegroup(
        "R-3m",
        Lattice.hexagonal(2.829651, 14.133136),
        ["Co", "Li", "O"],
        [(0, 0, 0), (0, 0, 0.5), (0, 0, 0.2605)],
    )
    return _plain(crystal)


def li3sccl6() -> StructureSet:
    """Return Li3ScCl6, C2/m, in its conventional cell (20 atoms).

    Cell of Bohnsack et al. 1997; the sites are those of an ordered Li3InCl6-type crystal
    (Sc 2a, Li 4h and 2d, Cl 8j and 4i).
    """
    from pymatgen.core import Lattice, Structure

    crystal = Structure.from_spacegroup(
        "C2/m",
        Lattice.from_parameters(6.398, 11.040, 6.391, 90, 109.89, 90),
        ["Sc", "Li", "Li", "Cl", "Cl"],
        [(0, 0, 0), (0, 0.1681, 0.5), (0, 0.5, 0.5), (0.2380, 0.1600, 0.2350), (0.2440, 0, 0.7610)],
    )
    return _plain(crystal)


def _plain(crystal: object) -> StructureSet:
    return from_pymatgen([crystal]).without_properties()  # type: ignore[list-item]


def read_crystal(path: Path, where: str) -> StructureSet:
    """Read the first structure of a file and check that it is a crystal to cut slabs from.

    Args:
        path: any file that :func:`~aiida_dismai.engine.structures.load_structures` reads.
        where: the input's name, for the error.

    Returns:
        A set of one structure, without properties.

    Raises:
        BadInput: unreadable, empty, partial occupancies, no lattice, NaN, or overlapping atoms.
    """
    return check_crystal(load_structures(path), where)


def check_crystal(structures: StructureSet, where: str) -> StructureSet:
    """Return the first structure without its properties; see :func:`read_crystal`."""
    structures.require(where)
    crystal = structures[0].without_properties()
    if len(crystal.positions) == 0:
        raise BadInput(f"{where}: the crystal has no atoms")
    if not crystal.pbc.all():
        raise BadInput(f"{where}: the crystal is not periodic in all three directions (pbc {crystal.pbc[0].tolist()})")
    closest = crystal.closest_pair(0)
    if closest < OVERLAP:
        raise BadInput(
            f"{where}: two atoms of the crystal are {closest:.3f} Å apart; "
            "are there partial occupancies or duplicate sites? give an ordered cell"
        )
    return crystal
