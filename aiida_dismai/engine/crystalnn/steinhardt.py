"""Bond-orientational order of a shell of neighbours: the q2, q4 and q6 of Steinhardt, Nelson and Ronchetti.

Source: Phys. Rev. B 28, 784 (1983), eq. 1.2–1.3: q_l² = 4π/(2l+1) Σ_m |⟨Y_lm⟩|², averaged over the neighbours.

The harmonics are summed, although the addition theorem would need only the angles between neighbours: its sum
of terms of either sign leaves 1e-16 where q_l² is zero by symmetry, and so 1e-8 in q_l.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper

#: A direction whose z is beyond this is on the pole, and its azimuth 0 (pymatgen's ``left_of_unity``). There
#: sin θ is 1.4e-6 at most, by which q_l may depend on how the shell is turned.
POLE = 1.0 - 1e-12
#: 4π/(2l+1) times the squared prefactor of Y_lm, twice that for m > 0 (for -m adds the same); l = 2, 4, 6.
WEIGHTS = np.array(
    [
        [1 / 4, 3.0, 3 / 4, 0.0, 0.0, 0.0, 0.0],
        [1 / 64, 5 / 8, 5 / 16, 35 / 8, 35 / 64, 0.0, 0.0],
        [1 / 256, 21 / 64, 105 / 512, 105 / 128, 63 / 256, 693 / 128, 231 / 512],
    ]
)
#: What is left of the associated Legendre polynomials without their prefactors and sin^m θ, l = 2, 4, 6 and m = 0…6:
#: coefficients of 1, z², z⁴ and z⁶, to be multiplied by z where m is odd.
LEGENDRE = np.zeros((3, 7, 4))
LEGENDRE[0, :3, :2] = [[-1, 3], [1, 0], [1, 0]]
LEGENDRE[1, :5, :3] = [[3, -30, 35], [-3, 7, 0], [-1, 7, 0], [1, 0, 0], [1, 0, 0]]
LEGENDRE[2] = [
    [-5, 105, -315, 231], [5, -30, 33, 0], [1, -18, 33, 0], [-3, 11, 0, 0], [-1, 11, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0],
]  # fmt: skip


@helper
def bond_order(
    directions: NDArray[np.float64], n: int, scratch: NDArray[np.float64], out: NDArray[np.float64], place: int
) -> None:
    """Compute q2, q4 and q6 of a shell.

    Args:
        directions: ``(≥ n, 3)`` unit vectors to the neighbours.
        n: how many, ≥ 1.
        scratch: ``(≥ 6, ≥ 7)``.
        out: receives q2, q4, q6 (0 to 1).
        place: of q2 in ``out``.
    """
    # Sums of the harmonics over the neighbours: real parts of l = 2, 4, 6, then imaginary ones.
    for row in range(6):
        for m in range(7):
            scratch[row, m] = 0.0
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
        # sin^m θ · exp(imφ), m = 0…6, times what is left of the associated Legendre polynomial.
        re, im = 1.0, 0.0
        for m in range(7):
            for row in range(3):
                p = LEGENDRE[row, m, 2] + z2 * LEGENDRE[row, m, 3]
                p = LEGENDRE[row, m, 0] + z2 * (LEGENDRE[row, m, 1] + z2 * p)
                if m % 2 == 1:
                    p *= z
                scratch[row, m] += p * re
                scratch[row + 3, m] += p * im
            re, im = sine * (re * cos_phi - im * sin_phi), sine * (re * sin_phi + im * cos_phi)
    for row in range(3):
        q = 0.0
        for m in range(7):
            real, imaginary = scratch[row, m], scratch[row + 3, m]
            q += WEIGHTS[row, m] * (real * real + imaginary * imaginary)
        out[place + row] = math.sqrt(q) / n
