"""Noise schedules, and the score of the wrapped normal distribution in which fractional coordinates diffuse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

#: Images of the period that are summed on each side (DiffCSP's own number).
IMAGES = 10
#: Bounds of β in the cosine schedule, and its offset s (arXiv 2102.09672, DiffCSP).
BETA_BOUNDS = (1e-4, 0.9999)
COSINE_OFFSET = 0.008


def wrapped_normal_score(x: Tensor, sigma: Tensor | float) -> Tensor:
    """Return −d log p(x) / dx of a normal distribution wrapped on a period of 1, in DiffCSP's sign.

    Each image's (x + i) / σ² is weighted by its share of the density. The shares are a softmax of their logarithms, so
    that nothing underflows where all images are far away.

    Args:
        x: displacements, periods; any shape.
        sigma: standard deviation before wrapping; broadcast against ``x``.
    """
    x = x - torch.round(x)
    images = torch.arange(-IMAGES, IMAGES + 1, device=x.device, dtype=x.dtype)
    shifted = x[..., None] + images
    variance = (torch.as_tensor(sigma, device=x.device, dtype=x.dtype) ** 2)[..., None]
    shares = torch.softmax(-(shifted**2) / (2 * variance), dim=-1)
    return (shares * shifted / variance).sum(dim=-1)


@lru_cache(maxsize=8)
def score_norms(timesteps: int, begin: float, end: float) -> Tensor:
    """Return E[score²] of every σ of the schedule, ``(timesteps,)`` float64.

    DiffCSP estimates it with 10000 random numbers; here it is integrated, over ±9σ of the normal distribution with the
    trapezoidal rule, which converges exponentially for it.
    """
    sigmas = geometric_sigmas(timesteps, begin, end)
    z = torch.linspace(-9.0, 9.0, 721, dtype=torch.float64)
    weights = torch.exp(-(z**2) / 2)
    weights /= weights.sum()
    chunks = [(wrapped_normal_score(s[:, None] * z, s[:, None]) ** 2 * weights).sum(dim=1) for s in sigmas.split(50)]
    return torch.cat(chunks)


def geometric_sigmas(timesteps: int, begin: float, end: float) -> Tensor:
    """Return σ from ``begin`` to ``end`` in equal ratios, ``(timesteps,)`` float64."""
    return torch.exp(torch.linspace(math.log(begin), math.log(end), timesteps, dtype=torch.float64))


def cosine_betas(timesteps: int) -> Tensor:
    """Return β of the cosine schedule, ``(timesteps,)`` float64."""
    times = torch.linspace(0, 1, timesteps + 1, dtype=torch.float64)
    kept = torch.cos((times + COSINE_OFFSET) / (1 + COSINE_OFFSET) * math.pi / 2) ** 2
    return torch.clip(1 - kept[1:] / kept[:-1], *BETA_BOUNDS)


@dataclass(frozen=True)
class Schedule:
    """The numbers of every time step; index 0 is no noise, ``timesteps`` the most. All ``(timesteps + 1,)`` float64.

    Attributes:
        sigmas: σ of the coordinates, periods; 0 at 0.
        norms: E[score²] at that σ; 1 at 0.
        alphas: 1 − β of the lattice.
        kept: product of the ``alphas`` so far.
        lattice_sigmas: standard deviation of the noise in a lattice's step back.
    """

    sigmas: Tensor
    norms: Tensor
    alphas: Tensor
    kept: Tensor
    lattice_sigmas: Tensor

    @classmethod
    def build(cls, timesteps: int, sigma_begin: float, sigma_end: float) -> Schedule:
        """Compute all of them."""
        zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        betas = torch.cat([zero, cosine_betas(timesteps)])
        alphas = 1 - betas
        kept = torch.cumprod(alphas, dim=0)
        lattice_sigmas = torch.zeros_like(betas)
        lattice_sigmas[1:] = torch.sqrt(betas[1:] * (1 - kept[:-1]) / (1 - kept[1:]))
        return cls(
            sigmas=torch.cat([zero, geometric_sigmas(timesteps, sigma_begin, sigma_end)]),
            norms=torch.cat([one, score_norms(timesteps, sigma_begin, sigma_end)]),
            alphas=alphas,
            kept=kept,
            lattice_sigmas=lattice_sigmas,
        )
