"""What a shell of neighbours scores for each coordination motif, and the numbers of the motifs.

Nearly all motifs are scored in one way: by pole and meridian (:func:`axial`, :class:`Motif`). Body-centred cubic and
the cuboctahedron have rules of their own. :mod:`.order_parameters` says what is scored for which coordination number,
and where the numbers are from.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper
from .shell import PARALLEL, Shell, azimuth_cosine, gaussian

#: Kinds of Gaussian in the polar angle: around one angle, around 72° and 144°, around two angles about the equator.
ONE, PENTAGON, TWO = 0, 1, 2
THREE_QUARTERS = 0.75 * math.pi


class Motif(NamedTuple):
    """The numbers of one motif; angles without a unit are in fractions of 180°.

    Source: pymatgen's ``cn_opt_params.yaml`` for the motifs that it lists with numbers, else ``op_params.yaml``
    (core folder; numbers of pymatgen 2026.10).
    """

    #: Inverse width of the Gaussian in θ.
    width: float
    #: Its centre; for TWO how far the centres are from the equator.
    centre: float
    #: Twice the factor of φ: cos² of φ · fold / 2.
    fold: int
    #: ONE, PENTAGON or TWO.
    kind: int = ONE
    #: Polar angle in radians from which a neighbour is at the south pole.
    south: float = math.inf
    #: Inverse width of the Gaussian around the south pole.
    south_width: float = 0.0
    #: Only neighbours of smaller azimuth (radians) count.
    azimuth: float = math.inf


#: The motifs that are scored by pole and meridian, by CN, in the order of matminer's fingerprint.
AXIAL: dict[int, tuple[Motif, ...]] = {
    3: (
        Motif(17.5, 0.66666666667, 2),  # trigonal planar: tri_plan_max
        Motif(18.33, 0.6081734479693927, 3),  # trigonal non-coplanar: tet_max
        Motif(15.5, 0.5, 2),  # T-shaped: T
    ),
    4: (
        Motif(17.7, 0.5, 2, south=THREE_QUARTERS, south_width=13.5),  # square co-planar: sq_plan_max
        Motif(18.5, 0.6081734479693927, 3),  # tetrahedral: tet_max
        # rectangular see-saw-like: see_saw_rect
        Motif(27.0, 0.5, 4, south=THREE_QUARTERS, south_width=11.5, azimuth=THREE_QUARTERS),
        Motif(15.75, 0.5, 3, south=THREE_QUARTERS, south_width=12.75),  # see-saw-like: tri_bipyr
        Motif(15.5, 0.5, 3),  # trigonal pyramidal: tri_pyr
    ),
    5: (
        Motif(19.333, 0.6, 2, kind=PENTAGON),  # pentagonal planar: pent_plan_max
        Motif(14.9, 0.5, 4),  # square pyramidal: sq_pyr
        Motif(16.6, 0.5, 3, south=THREE_QUARTERS, south_width=12.0),  # trigonal bipyramidal: tri_bipyr
    ),
    6: (
        # hexagonal planar: hex_plan_max
        Motif(25.0, 0.16666667, 2, kind=TWO, south=2.6179938779914944, south_width=7.5),
        Motif(18.0, 0.5, 4, south=THREE_QUARTERS, south_width=15.0),  # octahedral: oct_max
        Motif(13.8, 0.5, 5),  # pentagonal pyramidal: pent_pyr
    ),
    7: (
        Motif(12.5, 0.5, 6),  # hexagonal pyramidal: hex_pyr
        Motif(14.75, 0.5, 5, south=THREE_QUARTERS, south_width=12.5),  # pentagonal bipyramidal: pent_bipyr
    ),
    8: (Motif(13.6, 0.5, 6, south=THREE_QUARTERS, south_width=14.1),),  # hexagonal bipyramidal: hex_bipyr
}
#: ``bent`` of CN 2, five times: inverse width and angle (L-shaped, water-like, 120°, 150°, linear).
BENT_WIDTH = np.array([15.15, 13.95, 13.25, 12.45, 8.667])
BENT_ANGLE = np.array([0.5, 0.5802777777777778, 0.666666666667, 0.833333333333333, 1.0])
#: ``bcc``: south pole from here (radians), its inverse width and weight; the unit of the angle from the equator.
BCC_SOUTH, BCC_SOUTH_WIDTH, BCC_SOUTH_WEIGHT = 2.5261129449194057, 15.0, 6.0
BCC_ANGLE = math.asin(1 / 3)
BCC_FACTOR = 1 / math.exp(-0.5)
#: ``cuboct_max``: south pole; the equator's ring lies between two angles (radians); inverse widths of the rings.
CUBOCT_SOUTH, CUBOCT_SOUTH_WIDTH, CUBOCT_SOUTH_WEIGHT = 2.792526803190927, 28.75, 1.8
CUBOCT_NORTH_OF, CUBOCT_SOUTH_OF = 1.3089969389957472, 1.8325957145940461
CUBOCT_EQUATOR_WIDTH, CUBOCT_RING_WIDTH = 25.5, 31.25
CUBOCT_AZIMUTH_WIDTH, CUBOCT_AZIMUTH_SINE = 0.0556, 0.81649658

#: The table as arrays, for compiled code: rows FIRST[cn] to FIRST[cn + 1].
_ROWS = [motif for cn in range(13) for motif in AXIAL.get(cn, ())]
FIRST = np.cumsum([0] + [len(AXIAL.get(cn, ())) for cn in range(13)])
_WIDTH = np.array([motif.width for motif in _ROWS])
_CENTRE = np.array([motif.centre for motif in _ROWS])
_FOLD = np.array([motif.fold for motif in _ROWS])
_KIND = np.array([motif.kind for motif in _ROWS])
SOUTH = np.array([motif.south for motif in _ROWS])
_SOUTH_WIDTH = np.array([motif.south_width for motif in _ROWS])
_AZIMUTH = np.array([motif.azimuth for motif in _ROWS])


@helper
def squared_cosine(fold: int, c: float) -> float:
    """Return cos²(φ · fold / 2) of c = cos φ, for folds of 2 to 6: polynomials, where pymatgen takes acos and cos."""
    if fold == 2:
        return c * c
    if fold == 3:
        return 0.5 * (1.0 + c) * ((2.0 * c - 1.0) * (2.0 * c - 1.0))
    if fold == 4:
        x = 2.0 * c * c - 1.0
        return x * x
    if fold == 5:
        x = 4.0 * c * c - 2.0 * c - 1.0
        return 0.5 * (1.0 + c) * (x * x)
    x = c * (4.0 * c * c - 3.0)
    return x * x


@helper
def polar_score(row: int, theta: float) -> float:
    """Return the Gaussian of a motif at a polar angle (radians) that is not at the south pole."""
    x = theta / math.pi
    if _KIND[row] == PENTAGON:
        return gaussian(_WIDTH[row] * (x - (0.4 if theta <= _CENTRE[row] * math.pi else 0.8)))
    if _KIND[row] == TWO:
        return gaussian(_WIDTH[row] * (abs(x - 0.5) - _CENTRE[row]))
    return gaussian(_WIDTH[row] * (x - _CENTRE[row]))


@helper
def axial(shell: Shell, n: int, out: NDArray[np.float64], place: int) -> None:
    """Compute the motifs of the table for CN n: mean score with the best pole and meridian.

    Args:
        shell: of n neighbours.
        n: coordination number.
        out: receives them.
        place: of the first one.
    """
    theta, distance = shell.theta, shell.distance
    first = FIRST[n]
    motifs = FIRST[n + 1] - first
    # Of each motif and neighbour: rows i, i + 5 and i + 10.
    polar = score = count = shell.scratch
    for i in range(motifs):
        out[place + i] = 0.0
    for j in range(n):
        for i in range(motifs):
            row = first + i
            south_score = 0.0
            south_count = 0.0
            for k in range(n):
                score[i + 5, k] = count[i + 10, k] = polar[i, k] = 0.0
                if k == j:
                    continue
                if theta[j, k] >= SOUTH[row]:
                    polar[i, k] = gaussian(_SOUTH_WIDTH[row] * (theta[j, k] / math.pi - 1.0))
                    south_score += polar[i, k]
                    south_count += 1.0
                else:
                    polar[i, k] = polar_score(row, theta[j, k])
                    score[i + 5, k] = polar[i, k]
                    count[i + 10, k] = 1.0
            # What is at the south pole counts on every meridian, except as the meridian itself.
            for k in range(n):
                if k != j and distance[j, k] >= PARALLEL:
                    southern = theta[j, k] >= SOUTH[row]
                    score[i + 5, k] += south_score - (polar[i, k] if southern else 0.0)
                    count[i + 10, k] += south_count - (1.0 if southern else 0.0)
        for k in range(n):
            if k == j or distance[j, k] < PARALLEL:
                continue
            for m in range(k):
                if m == j or distance[j, m] < PARALLEL:
                    continue
                c = azimuth_cosine(shell, j, k, m)
                for i in range(motifs):
                    row = first + i
                    if theta[j, k] >= SOUTH[row] or theta[j, m] >= SOUTH[row]:
                        continue
                    if _AZIMUTH[row] < math.inf and math.acos(c) >= _AZIMUTH[row]:
                        continue
                    azimuthal = squared_cosine(_FOLD[row], c)
                    score[i + 5, k] += azimuthal * polar[i, m]
                    score[i + 5, m] += azimuthal * polar[i, k]
                    count[i + 10, k] += 1.0
                    count[i + 10, m] += 1.0
        for i in range(motifs):
            for k in range(n):
                if count[i + 10, k] > 0.0:
                    out[place + i] = max(out[place + i], score[i + 5, k] / count[i + 10, k])


@helper
def body_centred(shell: Shell, n: int) -> float:
    """Compute ``bcc`` of n neighbours, 1 for the eight of a body-centred cubic lattice."""
    theta, distance, latitude = shell.theta, shell.distance, shell.scratch
    total = 0.0
    for j in range(n):
        for m in range(n):
            x = (theta[j, m] - 0.5 * math.pi) / BCC_ANGLE
            latitude[0, m] = BCC_FACTOR * x * gaussian(x)
        for k in range(j + 1, n):
            if theta[j, k] >= BCC_SOUTH:
                total += BCC_SOUTH_WEIGHT * gaussian(BCC_SOUTH_WIDTH * (theta[j, k] / math.pi - 1.0))
                continue
            if distance[j, k] < PARALLEL:
                continue
            sign = 1.0 if theta[j, k] > 0.5 * math.pi else -1.0
            for m in range(n):
                if m == j or m == k or distance[j, m] < PARALLEL:  # noqa: SIM109 (costs Numba more)
                    continue
                c = azimuth_cosine(shell, j, k, m)
                total += sign * c * (4.0 * c * c - 3.0) * latitude[0, m]
    return total / (0.5 * n * (6 + (n - 2) * (n - 3)))


@helper
def cuboctahedral(shell: Shell, n: int) -> float:
    """Compute ``cuboct_max`` of n neighbours, 1 for a cuboctahedron.

    A meridian through the equator's ring scores the neighbours on the equator and on a ring on either side of it; a
    meridian through the south pole scores that alone, so any two opposite neighbours make the maximum 1.
    """
    theta, distance = shell.theta, shell.distance
    # Of each neighbour seen from the pole, row 0: 1 north, 2 equator, 3 south ring, 0 none of them. Row 1: its score.
    ring = polar = shell.scratch
    best = 0.0
    for j in range(n):
        for m in range(n):
            angle = theta[j, m]
            x = angle / math.pi
            ring[0, m] = 0
            if m == j:
                continue
            if angle >= CUBOCT_SOUTH:
                # Weight over weight: the mean of the one contribution.
                best = max(best, gaussian(CUBOCT_SOUTH_WIDTH * (x - 1.0)))
            elif distance[j, m] < PARALLEL:
                continue
            elif CUBOCT_NORTH_OF < angle < CUBOCT_SOUTH_OF:
                ring[0, m] = 2
                polar[1, m] = gaussian(CUBOCT_EQUATOR_WIDTH * (x - 0.5))
            elif angle < CUBOCT_NORTH_OF:
                ring[0, m] = 1
                polar[1, m] = gaussian(CUBOCT_RING_WIDTH * (x - 1 / 3))
            elif angle > CUBOCT_SOUTH_OF:
                ring[0, m] = 3
                polar[1, m] = gaussian(CUBOCT_RING_WIDTH * (x - 2 / 3.0))
        for k in range(n):
            if ring[0, k] != 2:
                continue
            score = 0.0
            count = 0
            for m in range(n):
                if m == k or ring[0, m] == 0:
                    continue
                c = azimuth_cosine(shell, j, k, m)
                if ring[0, m] == 2:
                    score += c * c * polar[1, m]
                else:
                    sine = math.sqrt((1.0 - c) * (1.0 + c))
                    score += gaussian(CUBOCT_AZIMUTH_WIDTH * (sine - CUBOCT_AZIMUTH_SINE)) * polar[1, m]
                count += 1
            if count > 0:
                best = max(best, score / count)
    return best
