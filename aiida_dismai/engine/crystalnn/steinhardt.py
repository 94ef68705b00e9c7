"""Bond-orientational order of a shell of neighbours: the q2, q4 and q6 of Steinhardt, Nelson and Ronchetti.

Source: Phys. Rev. B 28, 784 (1983), eq. 1.2–1.3: q_l² = 4π/(2l+1) Σ_m |⟨Y_lm⟩|², averaged over the neighbours.

The harmonics are summed, although the addition theorem would need only the angles between neighbours: its sum
of terms of either sign leaves 1e-16 where q_l² is zero by symmetry, and so 1e-8 in q_l.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: A direction whose z is beyond this is on the pole, and its azimuth 0 (pymatgen's ``left_of_unity``). There
#: sin θ is 1.4e-6 at most, by which q_l may depend on how the shell is turned.
POLE = 1.0 - 1e-12
#: 4π/(2l+1) times the squared prefactor of Y_lm, twice that for m > 0 (for -m adds the same); l = 2, 4, 6.
Q2_WEIGHTS = (1 / 4, 3.0, 3 / 4)
Q4_WEIGHTS = (1 / 64, 5 / 8, 5 / 16, 35 / 8, 35 / 64)
Q6_WEIGHTS = (1 / 256, 21 / 64, 105 / 512, 105 / 128, 63 / 256, 693 / 128, 231 / 512)


@njit(cache=True, nogil=True)
def bond_order(directions: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Compute q2, q4 and q6 of a shell.

    Args:
        directions: ``(n, 3)`` unit vectors to the neighbours, n ≥ 1.
        out: ``(≥ 3,)``, receives q2, q4, q6 (0 to 1).
    """
    n = directions.shape[0]
    real = np.zeros((3, 7))
    imaginary = np.zeros((3, 7))
    for i in range(n):
        z = max(-1.0, min(directions[i, 2], 1.0))
        sine = math.sqrt((1.0 - z) * (1.0 + z))
        cos_phi = 1.0
        sin_phi = 0.0
        if -POLE < directions[i, 2] < POLE:
            x, y = directions[i, 0], directions[i, 1]
            cos_phi = max(-1.0, min(x / math.sqrt(x * x + y * y), 1.0))
            # Not y / sqrt(x² + y²): pymatgen takes φ of its cosine, which within 1e-8 of the xz plane is φ = 0.
            sin_phi = math.sqrt((1.0 - cos_phi) * (1.0 + cos_phi))
            if y < 0.0:
                sin_phi = -sin_phi
        z2 = z * z
        z4 = z2 * z2
        # sin^m θ · exp(imφ), m = 0…6, times what is left of the associated Legendre polynomial.
        re, im = 1.0, 0.0
        for m in range(7):
            if m == 0:
                p2, p4 = 3.0 * z2 - 1.0, 35.0 * z4 - 30.0 * z2 + 3.0
                p6 = 231.0 * z4 * z2 - 315.0 * z4 + 105.0 * z2 - 5.0
            elif m == 1:
                p2, p4, p6 = z, z * (7.0 * z2 - 3.0), z * (33.0 * z4 - 30.0 * z2 + 5.0)
            elif m == 2:
                p2, p4, p6 = 1.0, 7.0 * z2 - 1.0, 33.0 * z4 - 18.0 * z2 + 1.0
            elif m == 3:
                p2, p4, p6 = 0.0, z, z * (11.0 * z2 - 3.0)
            elif m == 4:
                p2, p4, p6 = 0.0, 1.0, 11.0 * z2 - 1.0
            elif m == 5:
                p2, p4, p6 = 0.0, 0.0, z
            else:
                p2, p4, p6 = 0.0, 0.0, 1.0
            real[0, m] += p2 * re
            imaginary[0, m] += p2 * im
            real[1, m] += p4 * re
            imaginary[1, m] += p4 * im
            real[2, m] += p6 * re
            imaginary[2, m] += p6 * im
            re, im = sine * (re * cos_phi - im * sin_phi), sine * (re * sin_phi + im * cos_phi)
    squares = real * real + imaginary * imaginary
    q2 = q4 = q6 = 0.0
    for m in range(3):
        q2 += Q2_WEIGHTS[m] * squares[0, m]
    for m in range(5):
        q4 += Q4_WEIGHTS[m] * squares[1, m]
    for m in range(7):
        q6 += Q6_WEIGHTS[m] * squares[2, m]
    out[0] = math.sqrt(q2) / n
    out[1] = math.sqrt(q4) / n
    out[2] = math.sqrt(q6) / n
