"""Formation energies and short-range order of whole crystals: every site holds an atom, every atom is on a site.

For generated structures, which may lack atoms, see :mod:`.describe`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..structures import StructureSet
from .cleanup import clean
from .counts import count_pairs, short_range_order, species_codes
from .expansion import Expansion
from .lattice import LatticeError
from .parameters import Align


@dataclass(frozen=True, eq=False)
class Energies:
    """What the cluster expansion says of structures.

    Attributes:
        formation_energy: ``(n,)`` eV/atom.
        sro: ``(n, shells, pairs)`` Warren–Cowley parameters, pairs as in ``Expansion.pairs``.
    """

    formation_energy: NDArray[np.float64]
    sro: NDArray[np.float64]


def evaluate(
    structures: StructureSet, expansion: Expansion, align: Align = "auto", margin: float | None = None
) -> Energies:
    """Return energies and short-range order of structures on the lattice of an expansion.

    Args:
        structures: any cells that are supercells of the lattice, of any composition; displaced (relaxed) atoms count
            for the site that they are nearest to.
        expansion: the coefficients, on their lattice.
        align: how the lattice is laid on the structures, see :class:`~.parameters.AlloyLatticeParameters`.
        margin: atoms up to this far from a site are on it, Å; 0.8, or less where sites are near.

    Raises:
        BadInput: an empty set, vacancies, atoms off the lattice, unknown species, a cell that does not fit; says which
            structure.
    """
    structures.require("energies")
    if margin is None:
        margin = min(0.8, 0.45 * expansion.lattice.nearest)
    energies, orders = [], []
    for index, structure in enumerate(structures):
        try:
            energy, order = _evaluate(structure, expansion, align, margin)
        except LatticeError as error:
            raise BadInput(f"energies: structure {index}: {error}") from error
        energies.append(energy)
        orders.append(order)
    return Energies(np.array(energies), np.array(orders))


def _evaluate(
    structure: StructureSet, expansion: Expansion, align: Align, margin: float
) -> tuple[float, NDArray[np.float64]]:
    if not len(structure.numbers):
        raise LatticeError("no atoms")
    if not structure.pbc[0].all():
        raise LatticeError("the cell is not periodic in all directions; an alloy needs pbc T T T")
    species_codes(structure.numbers, expansion)
    # whatever is missing is reported below
    cleaned = clean(
        structure.positions,
        structure.cells[0],
        structure.numbers,
        expansion.lattice,
        align,
        margin,
        max_removed=len(structure.numbers),
    )
    if cleaned.n_vacancies or cleaned.n_removed:
        raise LatticeError(
            f"{cleaned.n_vacancies} of {len(cleaned.species)} sites are empty and {cleaned.n_removed} atoms are not on "
            "a site of their own; a cluster expansion has no energy for that: fill the sites, or count the clusters "
            "with the metrics of alloys"
        )
    if cleaned.supercell is None:
        raise LatticeError("the lattice does not repeat with the cell, there is a seam at its faces")
    counts = count_pairs(cleaned, expansion)
    return expansion.formation_energy(counts.fractions, counts.pairs), short_range_order(counts)
