from __future__ import annotations

import numpy as np
import pytest
import torch
from support.plain_cryingan import published_critic, published_generator
from torch import nn

from aiida_dismai.engine.generators.cryingan.config import CryinganParameters
from aiida_dismai.engine.generators.cryingan.losses import critic_loss
from aiida_dismai.engine.generators.cryingan.model import Critic, Generator, build_generator, initialise, parts
from aiida_dismai.engine.structures import StructureSet

INTERFACE = [3] * 72 + [21] * 12 + [27] * 36 + [17] * 72 + [8] * 72


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("critics", ["both", "coordinates", "distances"])
def test_trainable_parameters_of_the_interface_models(critics):
    template = StructureSet.from_uniform(INTERFACE, np.zeros((1, 264, 3)), np.eye(3))
    published = {"generator": 2_560_257, "critic_coordinates": 1_879_242, "critic_distances": 1_880_778}
    if critics != "both":
        published = {name: published[name] for name in ("generator", f"critic_{critics}")}
    assert parts(template, CryinganParameters(critics=critics)) == published
    shuffled = StructureSet.from_uniform(
        np.random.default_rng(0).permutation(INTERFACE), np.zeros((1, 264, 3)), np.eye(3)
    )
    assert parts(shuffled, CryinganParameters(critics=critics)) == published


def test_generator_gives_the_numbers_of_the_published_convolutions(random):
    own = Generator(11, 5, (8, 12, 16, 10))
    initialise(own, random)
    with torch.no_grad():
        own.axes_bias.uniform_(-1, 1, generator=random)
        own.last.bias.uniform_(-1, 1, generator=random)
    theirs = published_generator(own, 5, (8, 12, 16, 10))
    noise = torch.randn(6, 5, generator=random)
    torch.testing.assert_close(own(noise), theirs(noise))  # statistics of the batch
    torch.testing.assert_close(own.eval()(noise), theirs.eval()(noise))  # running statistics, as just updated
    assert own(noise).shape == (6, 11, 3)


@pytest.mark.parametrize("width", [3, 6])
def test_critic_gives_the_numbers_of_the_published_convolutions(random, width):
    blocks = [4, 1, 6]
    own = Critic(width, blocks, (8, 9, 7), (12, 5, 3))
    initialise(own, random)
    theirs = published_critic(own, width, blocks, (8, 9, 7), (12, 5, 3))
    atoms = torch.randn(6, 11, width, generator=random)
    torch.testing.assert_close(own(atoms), theirs(atoms))


def test_penalty_and_its_gradient_are_those_of_the_published_network(random):
    """The loss is differentiated twice; the critic of the paper does it with the built-in LeakyReLU."""
    blocks = [5, 3]
    own = Critic(3, blocks, (8, 9, 7), (12, 5, 3))
    initialise(own, random)
    theirs = published_critic(own, 3, blocks, (8, 9, 7), (12, 5, 3))
    real, fake = torch.rand(2, 4, 8, 3, generator=random)
    mix = torch.rand(4, generator=random)
    mine = critic_loss(own, real, fake, mix, 10.0)
    mine.loss.backward()
    mixed = (mix[:, None, None] * real + (1 - mix[:, None, None]) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(theirs(mixed), mixed, torch.ones(4), create_graph=True)
    penalty = ((gradient.view(4, -1).norm(2, dim=1) - 1) ** 2).mean()
    loss = theirs(fake).mean() - theirs(real).mean() + 10 * penalty
    loss.backward()
    torch.testing.assert_close(mine.penalty, penalty)
    torch.testing.assert_close(mine.loss, loss)
    torch.testing.assert_close(own.map2.weight.grad, theirs.layers[2].weight.grad[:, :, 0, 0], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(own.map1.weight.grad, theirs.layers[0].weight.grad[:, 0, 0], rtol=1e-4, atol=1e-6)


def test_critic_is_blind_to_the_order_within_an_element_and_not_between_elements(random):
    critic = Critic(3, [4, 4], (8, 8, 8), (8, 8, 4))
    initialise(critic, random)
    atoms = torch.rand(1, 8, 3, generator=random)
    torch.testing.assert_close(critic(atoms[:, [2, 0, 3, 1, 7, 4, 6, 5]]), critic(atoms))
    assert not torch.allclose(critic(atoms[:, [4, 1, 2, 3, 0, 5, 6, 7]]), critic(atoms))


def test_initial_weights_have_the_bounds_of_xavier_on_the_convolutions(random):
    parameters = CryinganParameters(generator_channels=(16, 24, 40, 24), critic_channels=(48, 40, 24))
    generator = build_generator(50, parameters)
    critic = Critic(6, [50], parameters.critic_channels, parameters.critic_head)
    initialise(generator, random)
    initialise(critic, random)
    pairs = [
        (generator.axes_weight, nn.ConvTranspose2d(16, 24, (1, 3)).weight),
        (generator.map2.weight, nn.ConvTranspose2d(24, 40, (1, 1)).weight),
        (generator.latent.weight, nn.Linear(64, 16 * 50).weight),
        (critic.map1.weight, nn.Conv2d(1, 48, (1, 6)).weight),
        (critic.map2.weight, nn.Conv2d(48, 40, (1, 1)).weight),
        (critic.head1.weight, nn.Linear(24, 1000).weight),
    ]
    for ours, published in pairs:
        nn.init.xavier_uniform_(published, generator=random)
        assert ours.abs().max().item() == pytest.approx(published.abs().max().item(), rel=0.04)
        assert ours.std().item() == pytest.approx(published.std().item(), rel=0.15)
    biases = [value for net in (generator, critic) for name, value in net.named_parameters() if "bias" in name]
    assert all(bool((bias == 0).all()) for bias in biases)


def test_equal_seeds_give_equal_networks():
    first, second, other = (build_generator(4, CryinganParameters()) for _ in range(3))
    for network, seed in ((first, 1), (second, 1), (other, 2)):
        initialise(network, torch.Generator().manual_seed(seed))
    assert torch.equal(first.map2.weight, second.map2.weight)
    assert not torch.equal(first.map2.weight, other.map2.weight)
