"""The CrystalNN fingerprint of a site: how much it resembles each coordination motif, and whose the neighbours are.

A fingerprint has 61 numbers of matminer's ``CrystalNNFingerprint`` (preset ``ops``: for each
coordination number (CN) 1–24 the likelihood ``wt``, and for CN 1–12 order parameters multiplied by it)
and, for each CN 1–24 and each anion, the share of that anion among the neighbours that make up this CN
(0 where this CN does not occur). With Cl and O that is 61 + 48 = 109, as in Dismai-Bench. A site without any
neighbour of opposite charge has coordination number 0, of which no number speaks: all of them are 0.

:func:`site_fingerprints` is the only place where neighbours are looked for; a faster one can take its place.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..structures import StructureSet, to_pymatgen
from .chemistry import Chemistry
from .pairs import close_pairs, usable

#: Goes into the key of stored fingerprints: raise it when the numbers change.
VERSION = 2
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
#: What pymatgen raises at sites that it cannot treat (Qhull's errors are RuntimeErrors).
SITE_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
#: Two atoms nearer than this are one point to a Voronoi tessellation, Å.
COINCIDENT = 1e-3


class FingerprintError(Exception):
    """A structure one of whose sites has no fingerprint; the message says which and why."""


def motif_labels() -> list[str]:
    """Return the names of the first 61 numbers, for instance ``wt CN_6`` and ``octahedral CN_6``."""
    return [f"{name} CN_{cn}" for cn in range(1, MAX_CN + 1) for name in ("wt", *ORDER_PARAMETERS.get(cn, ()))]


def feature_labels(chemistry: Chemistry) -> list[str]:
    """Return the names of all numbers of a fingerprint, in order."""
    shares = [f"{anion} share CN_{cn}" for cn in range(1, MAX_CN + 1) for anion in chemistry.anions]
    return motif_labels() + shares


def site_fingerprints(structure: StructureSet, chemistry: Chemistry) -> dict[str, NDArray[np.float64]]:
    """Compute the fingerprints of all cation sites of one structure.

    Args:
        structure: a set of one structure.
        chemistry: the ions; neighbours are of opposite charge only.

    Returns:
        For each cation ``(sites, features)``, sites in the structure's order.

    Raises:
        FingerprintError: NaN coordinates, no lattice, coincident atoms, or a site at which CrystalNN fails.
    """
    _refuse_hopeless(structure)
    crystal = to_pymatgen(structure.without_properties())[0]
    crystal.add_oxidation_state_by_element(dict(chemistry.oxidation_states))
    featurizer = _featurizer()
    symbols = np.array([site.specie.symbol for site in crystal])
    result = {}
    for cation in chemistry.cations:
        rows = []
        for index in np.flatnonzero(symbols == cation).tolist():
            where = f"site {index} ({cation})"
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    motifs = featurizer.featurize(crystal, index)
            except SITE_ERRORS as error:
                raise FingerprintError(f"{where}: CrystalNN fails ({type(error).__name__}: {error})") from error
            neighbours = featurizer.cnn.last.cn_nninfo
            rows.append([*motifs, *_anion_shares(neighbours, chemistry.anions)])
        result[cation] = np.array(rows, dtype=np.float64).reshape(len(rows), -1)
        if not np.isfinite(result[cation]).all():
            raise FingerprintError(f"{cation}: CrystalNN gives NaN")
    return result


def _refuse_hopeless(structure: StructureSet) -> None:
    if not usable(structure.positions, structure.cells[0]):
        raise FingerprintError("NaN or absurd coordinates, or a cell without volume")
    pairs = close_pairs(structure.positions, structure.cells[0], structure.pbc[0], COINCIDENT)
    if len(pairs.first):
        raise FingerprintError(f"atoms {pairs.first[0]} and {pairs.second[0]} coincide; push atoms apart (postprocess)")


def _anion_shares(neighbours: dict[int, list[dict[str, Any]]], anions: tuple[str, ...]) -> list[float]:
    shares = []
    for cn in range(1, MAX_CN + 1):
        found = [entry["site"].specie.symbol for entry in neighbours.get(cn, [])]
        shares += [found.count(anion) / cn for anion in anions]
    return shares


@cache
def _featurizer() -> Any:
    """Return matminer's featurizer, which keeps the neighbours it found at the last site.

    They are needed twice (order parameters and anion shares) and are half of the cost.
    """
    from matminer.featurizers.site.fingerprint import CrystalNNFingerprint
    from pymatgen.analysis.local_env import CrystalNN

    class KeepingCrystalNN(CrystalNN):  # type: ignore[misc]
        """CrystalNN that remembers its last answer."""

        def get_nn_data(self, structure: Any, n: int, length: int | None = None) -> Any:
            self.last = super().get_nn_data(structure, n, length)
            return self.last

    featurizer = CrystalNNFingerprint.from_preset("ops", cation_anion=True)
    featurizer.cnn = KeepingCrystalNN(cation_anion=True)
    return featurizer
