from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from aiida_dismai.engine.generators.diffcsp.noise import (
    Schedule,
    cosine_betas,
    geometric_sigmas,
    score_norms,
    wrapped_normal_score,
)


def log_density(x, sigma):
    """Of a normal distribution on a circle, by scipy, summed over images."""
    return math.log(norm.pdf(x + np.arange(-30, 31), scale=sigma).sum())


@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1, 0.3, 1.0])
def test_the_score_is_the_derivative_of_the_density(sigma):
    """−d log p / dx in DiffCSP's sign, against central differences of scipy's density."""
    for x in (-0.45, -0.2, 0.0, 0.013, 0.25, 0.49):
        h = 1e-5
        expected = -(log_density(x + h, sigma) - log_density(x - h, sigma)) / (2 * h)
        found = wrapped_normal_score(torch.tensor(x, dtype=torch.float64), sigma).item()
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_score_has_the_period_of_the_cell():
    x = torch.linspace(-0.5, 0.5, 101, dtype=torch.float64)[:-1]
    here = wrapped_normal_score(x, 0.1)
    torch.testing.assert_close(wrapped_normal_score(x + 3, 0.1), here, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(wrapped_normal_score(-x, 0.1)[1:], -here[1:], atol=1e-9, rtol=1e-9)
    assert abs(wrapped_normal_score(torch.tensor(0.5, dtype=torch.float64), 0.1).item()) < 1e-12


def test_small_noise_does_not_underflow():
    """Half a period is 100 σ away: the density of float32 is 0 there, the score is not 0/0."""
    x = torch.tensor([0.0, 0.3, 0.49, -0.49])
    found = wrapped_normal_score(x, 0.005)
    torch.testing.assert_close(found, x / 0.005**2, rtol=1e-4, atol=0)


@pytest.mark.parametrize("sigma", [0.005, 0.03, 0.1, 0.3, 0.5])
def test_the_mean_square_score(sigma):
    """Against adaptive quadrature over one period."""

    def integrand(x):
        score = wrapped_normal_score(torch.tensor(x, dtype=torch.float64), sigma).item()
        return math.exp(log_density(x, sigma)) * score**2

    edge = min(0.5, 12 * sigma)
    expected, _ = quad(integrand, -edge, edge, points=[0.0], epsrel=1e-10, limit=400)
    assert score_norms(3, sigma / 2, sigma)[-1].item() == pytest.approx(expected, rel=1e-6)


def test_the_mean_square_score_is_what_ten_thousand_draws_estimate():
    """As DiffCSP estimates it; the standard error of the mean is asked for and five times that allowed."""
    random = torch.Generator().manual_seed(5)
    norms, sigmas = score_norms(20, 0.005, 0.5), geometric_sigmas(20, 0.005, 0.5)
    for sigma, expected in zip(sigmas.tolist(), norms.tolist(), strict=True):
        draws = sigma * torch.randn(10000, generator=random, dtype=torch.float64)
        squares = wrapped_normal_score(draws % 1, sigma) ** 2
        assert abs(squares.mean().item() - expected) < 5 * squares.std().item() / 100
    assert norms[0].item() == pytest.approx(1 / 0.005**2, rel=1e-9)  # no image is near


def test_the_schedule_of_the_coordinates():
    schedule = Schedule.build(1000, 0.005, 0.1)
    sigmas = schedule.sigmas
    assert (len(sigmas), sigmas[0].item()) == (1001, 0.0)
    assert sigmas[1].item() == pytest.approx(0.005)
    assert sigmas[1000].item() == pytest.approx(0.1)
    torch.testing.assert_close(sigmas[2:] / sigmas[1:-1], torch.full((999,), 20 ** (1 / 999), dtype=torch.float64))
    assert schedule.norms[0].item() == 1.0


def test_the_schedule_of_the_lattice():
    """ᾱ(t) = cos²((t/T + s) / (1 + s) · π/2), normalised, as long as β is not clipped (arXiv 2102.09672)."""
    schedule = Schedule.build(1000, 0.005, 0.1)

    def kept(t):
        return math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = cosine_betas(1000)
    unclipped = [t for t in range(1, 1001) if 1e-4 < 1 - kept(t) / kept(t - 1) < 0.9999]
    assert len(unclipped) > 980
    for t in (unclipped[0], 250, 500, 750, unclipped[-1]):
        assert betas[t - 1].item() == pytest.approx(1 - kept(t) / kept(t - 1), rel=1e-9)
        assert 1 - schedule.alphas[t].item() == pytest.approx(betas[t - 1].item())
    assert betas.min().item() >= 1e-4
    assert betas.max().item() == 0.9999
    assert schedule.kept[500].item() == pytest.approx(kept(500) / kept(0), rel=2e-3)
    # variance of q(x_{t−1} | x_t, x_0) of denoising diffusion (arXiv 2006.11239, equation 7)
    t = 300
    beta, before, now = betas[t - 1].item(), schedule.kept[t - 1].item(), schedule.kept[t].item()
    assert schedule.lattice_sigmas[t].item() ** 2 == pytest.approx(beta * (1 - before) / (1 - now))
    assert schedule.lattice_sigmas[1].item() == 0.0
