"""From a structure to one with U, and back, in the provenance graph."""

from __future__ import annotations

from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Dict, StructureData
from ase.data import atomic_numbers

#: Noble gases, each the end of a period.
_PERIOD_ENDS = (2, 10, 18, 36, 54, 86, 118)
#: The shell of the outermost p, d and f electrons in a period: d and f electrons are those of inner shells.
_INNER = {"p": 0, "d": 1, "f": 2}


def manifold(element: str, orbital: str) -> str:
    """Return the shell that U acts on as pw.x names it.

    Example:
        >>> manifold("Co", "d"), manifold("O", "p"), manifold("Ce", "f")
        ('3d', '2p', '4f')
    """
    number = atomic_numbers[element]
    period = next(i for i, end in enumerate(_PERIOD_ENDS, 1) if number <= end)
    return f"{period - _INNER[orbital]}{orbital}"


@calcfunction
def with_hubbard(structure: StructureData, hubbard: Dict) -> Any:
    """Return the structure with an on-site repulsion.

    Args:
        structure: kinds named after elements.
        hubbard: ``projectors``, and ``u``: kind → ``[shell, eV]``.
    """
    from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData

    found = HubbardStructureData.from_structure(structure)
    for kind, (shell, value) in hubbard["u"].items():
        found.initialize_onsites_hubbard(kind, shell, value, "U", use_kinds=True)
    made = found.hubbard
    made.projectors = hubbard["projectors"]
    found.hubbard = made
    return found


@calcfunction
def without_hubbard(structure: StructureData) -> StructureData:
    """Return the structure without U, which the plugin leaves on what a job gives out."""
    plain = StructureData(cell=structure.cell, pbc=structure.pbc)
    for site in structure.sites:
        symbol = structure.get_kind(site.kind_name).symbol
        plain.append_atom(symbols=symbol, name=site.kind_name, position=site.position)
    return plain
