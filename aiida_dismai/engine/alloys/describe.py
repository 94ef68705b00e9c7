"""All numbers of one generated or training alloy that the metrics average: :func:`describe`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..structures import StructureSet
from .alignment import CODES
from .cleanup import clean
from .counts import cluster_probabilities, count_pairs, short_range_order, species_codes
from .expansion import Expansion
from .lattice import LatticeError
from .parameters import AlloyLatticeParameters


def cluster_labels(parameters: AlloyLatticeParameters) -> list[str]:
    """Return the names of the entries of ``cluster``, those of the authors' ``cluster_prob.csv``."""
    return parameters.build_expansion().cluster_labels()


def sro_labels(parameters: AlloyLatticeParameters) -> tuple[list[str], list[str]]:
    """Return the names of the rows (shells, ``1NN`` …) and columns (pairs, ``Cr-Fe`` …) of ``sro``."""
    expansion = parameters.build_expansion()
    return [f"{shell}NN" for shell in range(1, len(expansion.vectors) + 1)], expansion.pair_labels()


def describe(
    structure: StructureSet, parameters: AlloyLatticeParameters, compat: bool = False
) -> dict[str, NDArray[np.float64]]:
    """Clean up one structure and count its clusters.

    Args:
        structure: a set of one structure.
        parameters: lattice, alignment, margins.
        compat: the authors' numbers wherever these do not depend on the order of atoms; see
            :func:`~.cleanup.clean` and :func:`~.counts.count_pairs`.

    Returns:
        float64 arrays of the same shapes for every structure:
        ``cluster`` ``(3 + 7 × 6,)`` for Fe–Ni–Cr, cluster probabilities;
        ``sro`` ``(shells, pairs)`` Warren–Cowley parameters;
        ``formation_energy`` ``()`` eV per atom present;
        ``vacancies`` ``()`` empty sites, ``removed`` ``()`` atoms removed;
        ``alignment`` ``()`` code in :data:`~.alignment.CODES` of the alignment that was used.

    Raises:
        LatticeError: a structure that cannot be counted, with the reason: rejected, unknown species, no atoms, NaN,
            not periodic, or a cell that does not fit the lattice.
    """
    expansion = parameters.build_expansion()
    _refuse_strangers(structure, expansion)
    cleaned = clean(
        structure.positions,
        structure.cells[0],
        structure.numbers,
        expansion.lattice,
        parameters.align,
        parameters.margin,
        parameters.max_removed,
        compat,
    )
    counts = count_pairs(cleaned, expansion, parameters.margin, compat)
    return {
        "cluster": cluster_probabilities(counts, expansion),
        "sro": short_range_order(counts),
        "formation_energy": np.array(expansion.formation_energy(counts.fractions, counts.pairs)),
        "vacancies": np.array(float(cleaned.n_vacancies)),
        "removed": np.array(float(cleaned.n_removed)),
        "alignment": np.array(float(CODES[cleaned.alignment.kind])),
    }


def _refuse_strangers(structure: StructureSet, expansion: Expansion) -> None:
    if len(structure) != 1:
        raise ValueError(f"describe takes one structure, not {len(structure)}")
    if not len(structure.numbers):
        raise LatticeError("no atoms")
    if not structure.pbc[0].all():
        raise LatticeError("the cell is not periodic in all directions; an alloy needs pbc T T T")
    species_codes(structure.numbers, expansion)
