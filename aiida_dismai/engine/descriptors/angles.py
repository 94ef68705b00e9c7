"""Bond angles of a structure, from the neighbours of its sites.

The benchmark's authors take as neighbours those of CrystalNN's most likely coordination number (CN), without distance
cutoffs, electronegativity weight and porous adjustment (so not those of the fingerprints), and of every site the angles
between all pairs of them. A structure is described by the shares of its angles in bins of 0.5°, which include their
right edge (the first one both); all angles of a structure count the same, so a site with more neighbours counts more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import kernel
from ..crystalnn.errors import CrystalNNError
from ..crystalnn.neighbours import near_neighbours
from ..crystalnn.options import GEOMETRIC
from ..crystalnn.voronoi import Faces
from ..errors import NotAnalysed
from ..neighbours import usable
from ..structures import StructureSet

#: The authors' width of a bin, degrees.
WIDTH = 0.5
#: An angle this little above an edge is on it, degrees. Perfect crystals have 60°, 90° and 120° up to the last digit.
ON_EDGE = 1e-9
NO_ANGLE = "no site has two neighbours, so there is no bond angle"


class Bonds(NamedTuple):
    """The bonds of ``m`` sites, site after site.

    Attributes:
        start: ``(m + 1,)`` those of site i are ``start[i]:start[i + 1]``.
        vectors: ``(k, 3)`` from the site to its neighbour, Å.
    """

    start: NDArray[np.int64]
    vectors: NDArray[np.float64]


def structure_angles(structure: StructureSet, faces: Faces | None = None) -> Bonds:
    """Find the bonds between which the authors take angles.

    Args:
        structure: a set of one structure.
        faces: the Voronoi faces of all its atoms, where they are known already.

    Raises:
        NotAnalysed: coordinates or a cell that mean nothing, CrystalNN fails at a site, or no site has two neighbours.
    """
    if not usable(structure.positions, structure.cells[0]):
        raise NotAnalysed("NaN or absurd coordinates, or a cell without volume")
    try:
        found = near_neighbours(structure, GEOMETRIC, faces=faces)
    except CrystalNNError as error:
        raise NotAnalysed(f"no bond angles: {error}") from error
    if not (found.best_cn > 1).any():
        raise NotAnalysed(NO_ANGLE)
    return Bonds(np.concatenate([[0], np.cumsum(found.best_cn)]), found.vectors[found.bonded()])


def bond_angles(start: NDArray[np.int64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return all bond angles, degrees: site after site, of each the pairs (0, 1), (0, 2), … (1, 2), ….

    Args:
        start: ``(m + 1,)`` where each site's neighbours begin.
        vectors: ``(k, 3)`` from the site to its neighbours, in any unit.

    Raises:
        NotAnalysed: a neighbour at its site's own place, or one that is NaN.
    """
    number = np.diff(start)
    angles = np.empty(int((number * (number - 1) // 2).sum()))
    culprit = _fill(_integers(start), _floats(vectors), np.empty(len(vectors)), angles)
    if culprit >= 0:
        raise NotAnalysed(f"site {culprit} has a neighbour in no direction: atoms coincide, or positions are NaN")
    return angles


def angle_histogram(
    start: NDArray[np.int64], vectors: NDArray[np.float64], width: float = WIDTH
) -> NDArray[np.float64]:
    """Return the shares of the bond angles of one structure in bins from 0° to 180°; they sum to 1.

    Args:
        start: as for :func:`bond_angles`.
        vectors: as for :func:`bond_angles`.
        width: of a bin, degrees; a whole number of them makes 180°.

    Returns:
        ``(180 / width,)``.

    Raises:
        NotAnalysed: a structure none of whose sites has two neighbours, or as :func:`bond_angles` does.
    """
    return histogram_of(bond_angles(start, vectors), width)


def histogram_of(angles: NDArray[np.float64], width: float = WIDTH) -> NDArray[np.float64]:
    """Return the shares of the angles (degrees) in each bin; see :func:`angle_histogram`.

    Raises:
        NotAnalysed: there is none.
        ValueError: an angle outside 0–180°, or a width that does not divide 180°.
    """
    bins = _n_bins(width)
    if not len(angles):
        raise NotAnalysed(NO_ANGLE)
    if not ((angles >= 0) & (angles <= 180)).all():  # also for NaN
        raise ValueError("bond angles lie between 0° and 180°")
    places = np.maximum(np.ceil((_floats(angles) - ON_EDGE) / width).astype(np.int64) - 1, 0)
    return np.bincount(places, minlength=bins) / len(angles)


def mean_and_sigma(angles: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and the standard deviation (of all, not of a sample) of the angles, degrees.

    Raises:
        NotAnalysed: there is none.
    """
    if not len(angles):
        raise NotAnalysed(NO_ANGLE)
    return float(np.mean(angles)), float(np.std(angles))


def bin_centres(width: float = WIDTH) -> NDArray[np.float64]:
    """Return the middles of the bins, ``(180 / width,)``, degrees."""
    return np.linspace(0.5, _n_bins(width) - 0.5, _n_bins(width)) * width


def _n_bins(width: float) -> int:
    bins = round(180 / width) if width > 0 else 0
    if bins < 1 or abs(bins * width - 180) > 1e-9:
        raise ValueError(f"bins of {width}° do not divide 180°")
    return bins


def _integers(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.ascontiguousarray(values, dtype=np.int64)


def _floats(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ascontiguousarray(values, dtype=np.float64)


@kernel
def _fill(
    start: NDArray[np.int64], vectors: NDArray[np.float64], lengths: NDArray[np.float64], angles: NDArray[np.float64]
) -> int:
    """Write the lengths and the angles; returns the first site with a vector that has no direction (−1: none)."""
    place = 0
    for i in range(len(start) - 1):
        for j in range(start[i], start[i + 1]):
            x, y, z = vectors[j, 0], vectors[j, 1], vectors[j, 2]
            lengths[j] = math.sqrt(x * x + y * y + z * z)
            if not 0 < lengths[j] < np.inf:
                return i
        for j in range(start[i], start[i + 1]):
            for k in range(j + 1, start[i + 1]):
                dot = vectors[j, 0] * vectors[k, 0] + vectors[j, 1] * vectors[k, 1] + vectors[j, 2] * vectors[k, 2]
                cosine = min(1.0, max(-1.0, dot / (lengths[j] * lengths[k])))
                angles[place] = math.acos(cosine) * (180 / math.pi)
                place += 1
    return -1
