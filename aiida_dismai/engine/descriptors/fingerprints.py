"""The CrystalNN fingerprint of a site: how much it resembles each coordination motif, and whose the neighbours are.

A fingerprint has the 61 numbers of matminer's ``CrystalNNFingerprint`` (preset ``ops``: for each
coordination number (CN) 1–24 the likelihood ``wt``, and for CN 1–12 order parameters multiplied by it)
and, for each CN 1–24 and each anion, the share of that anion among the neighbours that make up this CN
(0 where this CN does not occur). With Cl and O that is 61 + 48 = 109, as in Dismai-Bench. A site without any
neighbour of opposite charge has coordination number 0, of which no number speaks: all of them are 0.

Neighbours come from :mod:`..crystalnn`, whole structures at a time, and nothing here calls matminer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from ..compiled import kernel
from ..crystalnn.errors import CrystalNNError
from ..crystalnn.neighbours import near_neighbours
from ..crystalnn.options import CrystalNNOptions
from ..crystalnn.order_parameters import N_PARAMETERS, measure, near_threshold, order_matters
from ..crystalnn.shell import NO_DIRECTION, Shell, make_shell
from ..crystalnn.voronoi import COINCIDENT, Faces, voronoi_faces
from ..errors import NotAnalysed
from ..neighbours import close_pairs, usable
from ..structures import StructureSet
from .chemistry import Chemistry

#: Goes into the key of stored fingerprints: raise it when the numbers change.
VERSION = 3
#: The largest coordination number that has a likelihood.
MAX_CN = 24
#: Order parameters by coordination number, in matminer's order.
ORDER_PARAMETERS: dict[int, tuple[str, ...]] = {
    1: ("sgl_bd",),
    2: ("L-shaped", "water-like", "bent 120 degrees", "bent 150 degrees", "linear"),
    3: ("trigonal planar", "trigonal non-coplanar", "T-shaped"),
    4: ("square co-planar", "tetrahedral", "rectangular see-saw-like", "see-saw-like", "trigonal pyramidal"),
    5: ("pentagonal planar", "square pyramidal", "trigonal bipyramidal"),
    6: ("hexagonal planar", "octahedral", "pentagonal pyramidal"),
    7: ("hexagonal pyramidal", "pentagonal bipyramidal"),
    8: ("body-centered cubic", "hexagonal bipyramidal"),
    9: ("q2", "q4", "q6"),
    10: ("q2", "q4", "q6"),
    11: ("q2", "q4", "q6"),
    12: ("cuboctahedral", "q2", "q4", "q6"),
}
#: Angles (radians) and weights closer to each other than this differ by rounding only.
DOUBT = 1e-9
#: Column of ``wt`` by CN (that of CN 0 is not used).
_FIRST_COLUMN = np.concatenate([[0, 0], np.cumsum(1 + N_PARAMETERS[1:])]).astype(np.int64)
_N_MOTIF_COLUMNS = int(_FIRST_COLUMN[-1])


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of ``m`` sites of one structure.

    Attributes:
        sites: ``(m,)`` atoms.
        features: ``(m, features)``: motifs, then for each CN the share of each anion.
        ambiguous: ``(m,)`` sites whose fingerprint, by pymatgen's rules, is a matter of rounding: the Voronoi cell or
            the rounded weights (:class:`~..crystalnn.neighbours.Neighbours`), an angle on a limit of an order
            parameter, or equal weights where the order of neighbours matters.
    """

    sites: NDArray[np.int64]
    features: NDArray[np.float64]
    ambiguous: NDArray[np.bool_]


@dataclass(frozen=True)
class SiteFingerprints:
    """Fingerprints by cation.

    Attributes:
        fingerprints: for each cation ``(sites, features)``, sites in the structure's order.
        ambiguous_sites: how many of all these are ambiguous (:class:`Fingerprints`).
    """

    fingerprints: dict[str, NDArray[np.float64]]
    ambiguous_sites: int


def motif_labels() -> list[str]:
    """Return the names of the first 61 numbers, for instance ``wt CN_6`` and ``octahedral CN_6``."""
    return [f"{name} CN_{cn}" for cn in range(1, MAX_CN + 1) for name in ("wt", *ORDER_PARAMETERS.get(cn, ()))]


def feature_labels(chemistry: Chemistry) -> list[str]:
    """Return the names of all numbers of a fingerprint, in order."""
    shares = [f"{anion} share CN_{cn}" for cn in range(1, MAX_CN + 1) for anion in chemistry.anions]
    return motif_labels() + shares


def site_fingerprints(structure: StructureSet, chemistry: Chemistry) -> SiteFingerprints:
    """Compute the fingerprints of all cation sites of one structure.

    Args:
        structure: a set of one structure.
        chemistry: the ions; neighbours are of opposite charge only.

    Raises:
        NotAnalysed: as :func:`fingerprints` does.
    """
    symbols = np.array([chemical_symbols[number] for number in structure.numbers])
    sites = np.flatnonzero(np.isin(symbols, chemistry.cations))
    options = CrystalNNOptions(cation_anion=True)
    found = fingerprints(structure, options, dict(chemistry.oxidation_states), sites, chemistry.anions)
    by_cation = {cation: found.features[symbols[sites] == cation] for cation in chemistry.cations}
    return SiteFingerprints(by_cation, int(found.ambiguous.sum()))


def all_faces(structure: StructureSet) -> Faces:
    """Compute the Voronoi faces of all atoms once, for fingerprints and for bond angles.

    Args:
        structure: a set of one structure.

    Raises:
        NotAnalysed: NaN coordinates, no lattice, coincident atoms, or an open Voronoi cell.
    """
    _refuse_hopeless(structure)
    try:
        return voronoi_faces(structure)
    except CrystalNNError as error:
        raise _failure(structure, error) from error


def all_site_fingerprints(structure: StructureSet, faces: Faces | None = None) -> tuple[NDArray[np.float64], int]:
    """Compute the fingerprints of all atoms, whatever they are: no oxidation states, any neighbours.

    Args:
        structure: a set of one structure.
        faces: of :func:`all_faces`, where they are known already.

    Returns:
        ``(n, 61)``, and the number of ambiguous sites (:class:`Fingerprints`).

    Raises:
        NotAnalysed: as :func:`fingerprints` does.
    """
    found = fingerprints(structure, CrystalNNOptions(), faces=faces)
    return found.features, int(found.ambiguous.sum())


def fingerprints(
    structure: StructureSet,
    options: CrystalNNOptions,
    oxidation_states: Mapping[str, float] | Sequence[float] | NDArray[np.float64] | None = None,
    sites: NDArray[np.int64] | None = None,
    anions: Sequence[str] = (),
    faces: Faces | None = None,
) -> Fingerprints:
    """Compute fingerprints of any sites.

    Args:
        structure: a set of one structure.
        options: CrystalNN's.
        oxidation_states: by symbol, or of each atom; None: not known.
        sites: ``(m,)`` atoms; all when None.
        anions: symbols whose shares are counted, if any.
        faces: of :func:`all_faces`, where they are known already and all sites are meant.

    Raises:
        NotAnalysed: NaN coordinates, no lattice, coincident atoms, or a site at which CrystalNN is not defined.
    """
    if faces is None:
        _refuse_hopeless(structure)
    try:
        found = near_neighbours(structure, options, oxidation_states, sites, faces)
    except CrystalNNError as error:
        raise _failure(structure, error) from error
    anion_of_atom = np.full(len(structure.numbers), -1, dtype=np.int64)
    for k, anion in enumerate(anions):
        anion_of_atom[structure.numbers == chemical_symbols.index(anion)] = k
    features = np.zeros((len(found.sites), _N_MOTIF_COLUMNS + MAX_CN * len(anions)))
    doubtful = np.zeros(len(found.sites), dtype=np.bool_)
    _fill(
        found.start, found.vectors, found.exact_weights, found.cn_weights, anion_of_atom[found.index], len(anions),
        make_shell(), features, doubtful,
    )  # fmt: skip
    if not np.isfinite(features).all():
        raise NotAnalysed("an order parameter is NaN")
    return Fingerprints(found.sites, features, found.ambiguous | doubtful)


def _refuse_hopeless(structure: StructureSet) -> None:
    if not usable(structure.positions, structure.cells[0]):
        raise NotAnalysed("NaN or absurd coordinates, or a cell without volume")
    pairs = close_pairs(structure.positions, structure.cells[0], structure.pbc[0], COINCIDENT)
    if len(pairs.first):
        raise NotAnalysed(f"atoms {pairs.first[0]} and {pairs.second[0]} coincide; push atoms apart (postprocess)")


def _failure(structure: StructureSet, error: CrystalNNError) -> NotAnalysed:
    where = "" if error.site is None else f"site {error.site} ({chemical_symbols[structure.numbers[error.site]]}): "
    return NotAnalysed(f"{where}CrystalNN fails: {error.reason}")


@kernel
def _fill(
    start: NDArray[np.int64],
    vectors: NDArray[np.float64],
    weights: NDArray[np.float64],
    cn_weights: NDArray[np.float64],
    anions: NDArray[np.int64],
    n_anions: int,
    shell: Shell,
    features: NDArray[np.float64],
    doubtful: NDArray[np.bool_],
) -> None:
    """Compute the fingerprints of all sites from their neighbours into ``features`` (zeros), and which are doubtful."""
    for i in range(len(cn_weights)):
        first = start[i]
        own = features[i]
        for cn in range(1, MAX_CN + 1):
            likelihood = cn_weights[i, cn]
            if likelihood == 0.0:
                continue
            column = _FIRST_COLUMN[cn]
            own[column] = likelihood
            if N_PARAMETERS[cn] > 0:
                if not measure(vectors, first, cn, shell, own, column + 1):
                    raise ValueError(NO_DIRECTION)
                doubtful[i] |= near_threshold(shell, cn, DOUBT)
                if cn == 8:
                    doubtful[i] |= order_matters(shell, weights, first, own[column + 1], DOUBT)
                for k in range(column + 1, column + 1 + N_PARAMETERS[cn]):
                    own[k] *= likelihood
            shares = _N_MOTIF_COLUMNS + (cn - 1) * n_anions
            for k in range(first, first + cn):
                if anions[k] >= 0:
                    own[shares + anions[k]] += 1.0
            for k in range(shares, shares + n_anions):
                own[k] /= cn
