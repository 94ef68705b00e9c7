"""How much a shell of neighbours resembles each coordination motif: the order parameters of matminer's preset ``ops``.

The numbers are those of pymatgen's ``LocalStructOrderParams`` (Zimmermann, Horton, Jain and Haranczyk, Front. Mater.
4, 34 (2017); Zimmermann and Jain, RSC Adv. 10, 6063 (2020)), one neighbour shell at a time. Nearly all motifs are
scored in one way. A neighbour j is put on the north pole and a neighbour k on the prime meridian. The other
neighbours m score by a Gaussian of their polar angle θ, times cos² of a multiple of their azimuth φ; k scores by its
polar angle alone. For motifs with an atom at the south pole, what lies south of a limit scores by a Gaussian around
180° instead. The order parameter is the mean score in the best choice of j and k (:mod:`.motifs` has scores and
numbers).

Three motifs differ: ``bent`` looks at the one angle of two neighbours, ``bcc`` sums over all choices with j before k
(B. Peters, J. Chem. Phys. 131, 244103 (2009)), and the cuboctahedron has three rings of latitude. q2, q4 and q6 are in
:mod:`.steinhardt`.

**Where pymatgen itself jumps.** The limits make the scores discontinuous where an angle sits on one: 135° (CN 4–8),
150° (CN 6), 144.7° and 90° (CN 8, bcc), 75°, 105° and 160° (CN 12), and for CN 4 also an azimuth of 135°. And k
nearly opposite to j (or in the same direction) leaves the meridian to rounding: within 1e-12 pymatgen says that there
is none, just above it the direction is noise. :func:`on_threshold` tells such shells. (Two neighbours in line with
the site also have an angle that is only known to 1e-8, by way of acos: no jump, but 1e-8 in the numbers.)

**Where pymatgen depends on the order of neighbours.** In ``bcc`` alone, which takes each pair once, the earlier
neighbour as pole: where weights tie, it may differ by 0.2 (not for the ideal cube, where it is 1 in any order).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper, kernel
from .motifs import (
    BCC_SOUTH,
    BENT_ANGLE,
    BENT_WIDTH,
    CUBOCT_NORTH_OF,
    CUBOCT_SOUTH,
    CUBOCT_SOUTH_OF,
    FIRST,
    SOUTH,
    THREE_QUARTERS,
    axial,
    body_centred,
    cuboctahedral,
)
from .shell import LARGEST, NO_DIRECTION, PARALLEL, Shell, azimuth_cosine, find_angles, find_directions, gaussian
from .steinhardt import bond_order

#: Changes of an order parameter smaller than this do not make a site ambiguous.
SAME = 1e-7

#: Order parameters of CN 0–24.
N_PARAMETERS = np.array([0, 1, 5, 3, 5, 3, 3, 2, 2, 3, 3, 3, 4] + [0] * 12, dtype=np.int64)


@kernel
def motif_parameters(vectors: NDArray[np.float64], cn: int, shell: Shell, out: NDArray[np.float64]) -> None:
    """Compute the order parameters of a site's first ``cn`` neighbours.

    Args:
        vectors: ``(≥ cn, 3)``, from the site to its neighbours in Å, in CrystalNN's order (the heaviest first).
        cn: coordination number, 0–24; 0 and 13–24 have no order parameters.
        shell: scratch.
        out: ``(≥ N_PARAMETERS[cn],)``, receives them in the order of the fingerprint, not multiplied by the weight.

    Raises:
        ValueError: too few vectors, ``out`` too short, or a neighbour at no or no finite distance.
    """
    if cn < 0 or cn > 24:
        raise ValueError("coordination number outside 0–24: has no place in the fingerprint")
    if vectors.shape[0] < cn:
        raise ValueError("fewer neighbours than the coordination number: give at least cn vectors")
    if out.shape[0] < N_PARAMETERS[cn]:
        raise ValueError("out is too short: it needs N_PARAMETERS[cn] places")
    if not measure(vectors, 0, cn, shell, out, 0):
        raise ValueError(NO_DIRECTION)


@kernel
def on_threshold(vectors: NDArray[np.float64], cn: int, shell: Shell, tolerance: float) -> bool:
    """Tell whether rounding may decide an order parameter of a shell, in pymatgen as here.

    Args:
        vectors: as for :func:`motif_parameters`.
        cn: coordination number.
        shell: scratch.
        tolerance: how near to a threshold is on it, radians; the errors of the directions, for instance 1e-9.

    Returns:
        True if an angle is within the tolerance of a limit of this CN's motifs, or if the direction of a meridian
        is noise: the sine of an angle between two neighbours is below the tolerance, but not safely below
        PARALLEL, where there is no meridian. Never false where rounding changes a number by more than 1e-7, but
        often true where the best pole is another and nothing changes. The order of neighbours is another matter.
    """
    if cn < 3 or cn > 12 or not find_directions(shell, vectors, 0, cn):
        return False
    find_angles(shell, cn)
    return near_threshold(shell, cn, tolerance)


@helper
def measure(
    vectors: NDArray[np.float64], first: int, cn: int, shell: Shell, out: NDArray[np.float64], place: int
) -> bool:
    """Compute the order parameters of ``cn`` neighbours, and their angles, which are left in ``shell``.

    Args:
        vectors: those of all sites.
        first: of the site.
        cn: coordination number, 0–24.
        shell: filled (the angles only where order parameters need them: CN 2–8 and 12).
        out: receives the order parameters.
        place: of the first one.

    Returns:
        False where a neighbour is at no or no finite distance.
    """
    if cn == 0 or cn > LARGEST:
        return True
    if cn == 1:
        # 1 - d1/d2 of a shell of one neighbour, of which pymatgen says 1.
        out[place] = 1.0
        return True
    if not find_directions(shell, vectors, first, cn):
        return False
    if cn >= 9:
        # The cuboctahedron's comes first.
        bond_order(shell.direction, cn, shell.scratch, out, place + (cn == 12))
    if 9 <= cn <= 11:
        return True
    find_angles(shell, cn)
    if cn == 2:
        for i in range(5):
            out[place + i] = gaussian(BENT_WIDTH[i] * (shell.theta[0, 1] / math.pi - BENT_ANGLE[i]))
    elif cn == 12:
        out[place] = cuboctahedral(shell, cn)
    else:
        if cn == 8:
            out[place] = body_centred(shell, cn)
        axial(shell, cn, out, place + (cn == 8))
    return True


@helper
def near_threshold(shell: Shell, cn: int, tolerance: float) -> bool:
    """Tell whether rounding may decide an order parameter: see :func:`on_threshold`; of a shell whose angles are known.

    Shells of CN 9–11 have no thresholds, and smaller ones than 3 none that matters.
    """
    if cn < 3 or 9 <= cn <= 11:
        return False
    for j in range(cn):
        for k in range(cn):
            if j == k:
                continue
            angle = shell.theta[j, k]
            if 0.5 * PARALLEL < shell.distance[j, k] < tolerance:
                return True
            for row in range(FIRST[cn], FIRST[cn + 1]):
                if abs(angle - SOUTH[row]) < tolerance:
                    return True
            if cn == 8 and (abs(angle - BCC_SOUTH) < tolerance or abs(angle - 0.5 * math.pi) < tolerance):
                return True
            if cn == 12 and (
                abs(angle - CUBOCT_NORTH_OF) < tolerance
                or abs(angle - CUBOCT_SOUTH_OF) < tolerance
                or abs(angle - CUBOCT_SOUTH) < tolerance
            ):
                return True
            if cn == 4 and shell.distance[j, k] >= PARALLEL:
                for m in range(k):
                    if m != j and shell.distance[j, m] >= PARALLEL:
                        phi = math.acos(azimuth_cosine(shell, j, k, m))
                        if abs(phi - THREE_QUARTERS) < tolerance:
                            return True
    return False


@helper
def order_matters(shell: Shell, weights: NDArray[np.float64], first: int, value: float, doubt: float) -> bool:
    """Say whether exchanging two neighbours of equal weight changes an order parameter of CN 8 by more than SAME.

    Only the body-centred cubic one knows an order, and for pymatgen that of equal neighbours is by chance.

    Args:
        shell: of 8 neighbours; its angles are changed.
        weights: of all neighbours, falling.
        first: the place of the shell's first one.
        value: of the order parameter as it is.
        doubt: weights that differ by no more are equal.
    """
    matters = False
    for j in range(8):
        for k in range(j + 1, 8):
            if matters or weights[first + j] - weights[first + k] > doubt:
                break
            exchange(shell, j, k)
            find_angles(shell, 8)
            matters = abs(body_centred(shell, 8) - value) > SAME
            exchange(shell, j, k)
    return matters


@helper
def exchange(shell: Shell, j: int, k: int) -> None:
    """Exchange the directions of two neighbours."""
    for axis in range(3):
        kept = shell.direction[j, axis]
        shell.direction[j, axis] = shell.direction[k, axis]
        shell.direction[k, axis] = kept
