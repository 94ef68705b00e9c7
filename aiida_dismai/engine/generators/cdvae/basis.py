"""Functions of distances and angles in which GemNet sees its neighbourhoods.

Source: GemNet (arXiv 2106.08903) with the choices of CDVAE (arXiv 2110.06197): Gaussians of the distance and Legendre
polynomials of the cosine, that is spherical harmonics with m = 0. Neither divides by the distance or by a sine, so
coincident atoms and straight lines give finite values and gradients.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def envelope(scaled: Tensor, exponent: int = 5) -> Tensor:
    """Return a polynomial that falls from 1 at 0 to 0 at 1 with two vanishing derivatives there.

    ``1 − (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) − p(p+1)/2 x^(p+2)`` (DimeNet, arXiv 2003.03123, eq. 8).

    Args:
        scaled: distances divided by the cutoff, any shape.
        exponent: p, at least 1.

    Returns:
        the values, 0 from the cutoff on.
    """
    p = exponent
    inner = 1 + scaled**p * (-(p + 1) * (p + 2) / 2 + scaled * (p * (p + 2) - scaled * (p * (p + 1) / 2)))
    return torch.where(scaled < 1, inner, torch.zeros_like(scaled))


class GaussianBasis(nn.Module):
    """Gaussians with evenly spaced centres from 0 to the cutoff, times the envelope.

    Their standard deviation is the distance of two centres.
    """

    def __init__(self, n_functions: int, cutoff: float, exponent: int = 5) -> None:
        """Keep the shape.

        Args:
            n_functions: at least 2.
            cutoff: Å.
            exponent: of the envelope.
        """
        super().__init__()
        self.n_functions = n_functions
        self.cutoff = cutoff
        self.exponent = exponent

    def forward(self, distances: Tensor) -> Tensor:
        """Return ``(E, n_functions)`` for distances ``(E,)`` in Å."""
        scaled = distances / self.cutoff
        # Computed every time: a buffer would be rounded to float32 and stay so after `double()`.
        steps = torch.arange(self.n_functions, dtype=distances.dtype, device=distances.device)
        gaussians = torch.exp(-0.5 * (scaled[:, None] * (self.n_functions - 1) - steps) ** 2)
        return envelope(scaled, self.exponent)[:, None] * gaussians


def zonal_harmonics(cosines: Tensor, n_functions: int) -> Tensor:
    """Return the spherical harmonics Y_l0 for l = 0 … n_functions − 1 on a new last axis.

    ``√((2l+1)/4π) P_l(cos φ)``; the Legendre polynomials by Bonnet's recursion.

    Args:
        cosines: in [−1, 1], any shape.
        n_functions: at least 1.
    """
    polynomials = [torch.ones_like(cosines), cosines]
    for degree in range(2, n_functions):
        last, before = polynomials[-1], polynomials[-2]
        polynomials.append(((2 * degree - 1) * cosines * last - (degree - 1) * before) / degree)
    factors = [math.sqrt((2 * degree + 1) / (4 * math.pi)) for degree in range(n_functions)]
    return torch.stack([f * p for f, p in zip(factors, polynomials[:n_functions], strict=True)], dim=-1)
