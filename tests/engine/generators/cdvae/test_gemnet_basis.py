from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y
from torch_geometric.nn.models.dimenet import Envelope
from torch_geometric.nn.models.schnet import GaussianSmearing

from aiida_dismai.engine.generators.cdvae.basis import GaussianBasis, envelope, zonal_harmonics


@pytest.mark.parametrize("exponent", [2, 5, 6])
def test_the_envelope_is_that_of_dimenet(exponent):
    # PyG's is divided by the distance and counts its exponent one lower.
    scaled = torch.linspace(0.01, 1.3, 200, dtype=torch.float64)
    theirs = Envelope(exponent - 1)(scaled) * scaled
    assert torch.allclose(envelope(scaled, exponent), theirs, rtol=0, atol=1e-14)


@pytest.mark.parametrize("exponent", [3, 5])
def test_the_envelope_ends_smoothly(exponent):
    near = torch.tensor([1 - 1e-9], dtype=torch.float64, requires_grad=True)
    value = envelope(near, exponent)
    (slope,) = torch.autograd.grad(value.sum(), near, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), near)
    assert abs(value.item()) < 1e-12
    assert abs(slope.item()) < 1e-12
    assert abs(bend.item()) < 1e-6
    values = envelope(torch.linspace(0, 1.2, 500, dtype=torch.float64), exponent)
    assert values[0] == 1
    assert (values.diff() <= 1e-15).all()
    assert (values[-80:] == 0).all()


def test_the_radial_functions_are_gaussians_within_the_envelope():
    distances = torch.linspace(0, 7.5, 301, dtype=torch.float64)
    theirs = GaussianSmearing(0.0, 1.0, 128)
    theirs.offset = torch.linspace(0, 1, 128, dtype=torch.float64)
    theirs.coeff = -0.5 * 127**2
    expected = envelope(distances / 7)[:, None] * theirs(distances / 7)
    ours = GaussianBasis(128, 7.0)(distances)
    assert torch.allclose(ours, expected, rtol=0, atol=1e-13)
    assert ours.shape == (301, 128)
    assert (ours[distances >= 7] == 0).all()


def test_the_radial_functions_in_single_precision_are_those_of_the_published_code():
    distances = torch.linspace(0.1, 6.9, 100)
    expected = envelope(distances / 7)[:, None] * GaussianSmearing(0.0, 1.0, 128)(distances / 7)
    assert torch.allclose(GaussianBasis(128, 7.0)(distances), expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("n_functions", [1, 2, 7])
def test_the_harmonics_are_those_of_scipy(n_functions):
    angles = np.linspace(0, np.pi, 50).reshape(5, 10)
    ours = zonal_harmonics(torch.from_numpy(np.cos(angles)), n_functions).numpy()
    expected = np.stack([sph_harm_y(degree, 0, angles, 0).real for degree in range(n_functions)], axis=-1)
    assert ours.shape == (5, 10, n_functions)
    assert np.abs(ours - expected).max() < 1e-14


def test_straight_lines_and_contact_have_finite_gradients():
    cosines = torch.tensor([-1.0, 1.0, 0.0], requires_grad=True)
    zonal_harmonics(cosines, 7).sum().backward()
    assert torch.isfinite(cosines.grad).all()
    distances = torch.tensor([0.0, 7.0, 1e-30, 100.0], requires_grad=True)
    GaussianBasis(128, 7.0)(distances).sum().backward()
    assert torch.isfinite(distances.grad).all()
