"""The bases of DimeNet++: sines of the distance, and spherical Bessel functions times Legendre polynomials.

Source: DimeNet (arXiv 2003.03123), eqs. 6-8, with the envelope that contains 1/x. The published codes evaluate the
spherical Bessel functions by closed forms of sines and powers of 1/x, which lose all digits at small x in float32;
here small x are summed as a series, and everything is computed in float64 and rounded once.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

#: Terms of the series: enough for float64 below the argument at which the recurrence takes over.
SERIES_TERMS = 18


def spherical_bessel(order: int, x: Tensor) -> list[Tensor]:
    """Return j_0(x) … j_order(x), each of the shape of ``x`` ≥ 0, to some 1e-13 in float64.

    The upward recurrence loses digits below x = l, the power series above; they meet at x = l + 2.
    """
    safe = torch.where(x < 1.0, torch.ones_like(x), x)
    up = [safe.sin() / safe, safe.sin() / safe**2 - safe.cos() / safe]
    for n in range(1, order):
        up.append((2 * n + 1) / safe * up[n] - up[n - 1])
    values = []
    for n in range(order + 1):
        small = x < n + 2
        inside = torch.where(small, x, torch.zeros_like(x))
        square = -0.5 * inside**2
        term = torch.ones_like(x)
        total = torch.ones_like(x)
        for k in range(1, SERIES_TERMS + 1):
            term = term * square / (k * (2 * n + 2 * k + 1))
            total = total + term
        leading = inside**n / math.prod(range(1, 2 * n + 2, 2))
        values.append(torch.where(small, leading * total, up[n]))
    return values


def bessel_zeros(order: int, count: int) -> list[list[float]]:
    """Return the first ``count`` positive zeros of j_0 … j_order; those of j_l lie between those of j_(l-1)."""
    from scipy.optimize import brentq
    from scipy.special import spherical_jn

    zeros = [[math.pi * (n + 1) for n in range(count + order)]]
    for n in range(1, order + 1):
        last = zeros[-1]
        zeros.append([brentq(lambda x, n=n: spherical_jn(n, x), a, b, xtol=1e-14) for a, b in zip(last, last[1:])])  # noqa: B905, RUF007
    return [row[:count] for row in zeros]


def legendre(order: int, cosine: Tensor) -> list[Tensor]:
    """Return the Legendre polynomials P_0 … P_order of cosines, by Bonnet's recurrence."""
    values = [torch.ones_like(cosine), cosine]
    for n in range(1, order):
        values.append(((2 * n + 1) * cosine * values[n] - n * values[n - 1]) / (n + 1))
    return values[: order + 1]


def envelope_over_x(x: Tensor, exponent: int) -> Tensor:
    """Return DimeNet's envelope divided by x: 1/x + a x^p + b x^(p+1) + c x^(p+2), 0 from 1 on.

    Args:
        x: distances over the cutoff, above 0.
        exponent: p, the published 5.
    """
    q = exponent + 1
    a, b, c = -(q + 1) * (q + 2) / 2, q * (q + 2), -q * (q + 1) / 2
    return torch.where(x < 1.0, 1.0 / x + x ** (q - 1) * (a + x * (b + x * c)), torch.zeros_like(x))


class SineBasis(nn.Module):
    """``envelope(x)/x · sin(f_n x)`` with trainable frequencies that begin at nπ."""

    def __init__(self, n_radial: int, exponent: int) -> None:
        """Set the frequencies.

        Args:
            n_radial: number of functions.
            exponent: of the envelope.
        """
        super().__init__()
        self.exponent = exponent
        self.freq = nn.Parameter(math.pi * torch.arange(1, n_radial + 1, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(E, n_radial)`` for distances over the cutoff ``(E,)``."""
        return envelope_over_x(x, self.exponent)[:, None] * (self.freq * x[:, None]).sin()


class BesselLegendreBasis(nn.Module):
    """``envelope(x)/x · N_ln j_l(z_ln x) · Y_l0(θ)``, with Y_l0 written as Legendre polynomials of cos θ."""

    def __init__(self, n_spherical: int, n_radial: int, exponent: int) -> None:
        """Find the zeros of the Bessel functions.

        Args:
            n_spherical: orders l = 0 … n_spherical - 1.
            n_radial: zeros of each.
            exponent: of the envelope.
        """
        super().__init__()
        from scipy.special import spherical_jn

        self.exponent = exponent
        self.zeros = bessel_zeros(n_spherical - 1, n_radial)
        self.norms = [
            [1.0 / math.sqrt(0.5 * spherical_jn(order + 1, zero) ** 2) for zero in row]
            for order, row in enumerate(self.zeros)
        ]

    def radial(self, x: Tensor) -> Tensor:
        """Return ``(E, n_spherical, n_radial)`` for distances over the cutoff ``(E,)``."""
        exact = x.to(torch.float64)
        columns = []
        for order, (zeros, norms) in enumerate(zip(self.zeros, self.norms, strict=True)):
            argument = exact[:, None] * exact.new_tensor(zeros)
            columns.append(spherical_bessel(order, argument)[order] * exact.new_tensor(norms))
        return (envelope_over_x(exact, self.exponent)[:, None, None] * torch.stack(columns, dim=1)).to(x.dtype)

    def angular(self, cosine: Tensor) -> Tensor:
        """Return Y_l0, ``(T, n_spherical)``, for cosines ``(T,)``."""
        values = legendre(len(self.zeros) - 1, cosine)
        return torch.stack([math.sqrt((2 * n + 1) / (4 * math.pi)) * value for n, value in enumerate(values)], dim=1)
