"""Our networks beside plain ones: outputs and the gradients of all weights, in double precision."""

from __future__ import annotations

import pytest
import torch
from support import published_unets as published
from support.plain_unets import plain_unet

pytestmark = pytest.mark.engine


def arguments(name):
    given = published.read(name)
    return [given[key] for key in ("x", "log_snr", "lowres", "lowres_log_snr") if key in given]


@pytest.mark.parametrize("name", published.NETWORKS)
def test_the_plain_networks_give_the_published_numbers(name):
    with torch.no_grad():
        found = plain_unet(published.network(name), *arguments(name))
    assert (found - published.read(name)["y"]).abs().max() < 1e-10


@pytest.mark.parametrize("name", published.NETWORKS)
def test_gradients(name):
    network, found = published.network(name), {}
    for forward in (network, lambda *given: plain_unet(network, *given)):
        network.zero_grad()
        y = forward(*arguments(name))
        ((y - published.normal(7, *y.shape)) ** 2).mean().backward()
        for key, weight in network.named_parameters():
            gradient = weight.grad.clone()
            if key in found:
                torch.testing.assert_close(found[key], gradient, atol=1e-10, rtol=1e-8)
            found[key] = gradient
    assert sum(bool(gradient.any()) for gradient in found.values()) > 0.95 * len(found)
