"""Losses as the training sees them, sampling, and published weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import published_unets as published

from aiida_dismai.engine.checkpoint import save_weights
from aiida_dismai.engine.errors import BadWeights
from aiida_dismai.engine.generators.seeds import stream
from aiida_dismai.engine.generators.training.randomness import seeded_weights
from aiida_dismai.engine.generators.unets import denoising, sampling
from aiida_dismai.engine.generators.unets.augmentation import Shuffles
from aiida_dismai.engine.generators.unets.denoising import Denoising, DenoisingBesideSmall, Pictures
from aiida_dismai.engine.generators.unets.diffusion import denoise
from aiida_dismai.engine.generators.unets.networks import SuperResolutionUNet, UNet, VideoUNet
from aiida_dismai.engine.generators.unets.published import from_published

pytestmark = pytest.mark.engine
GIVEN = published.read("diffusion")


class Images(Pictures):
    """Images in the place of those of structures."""

    def __init__(self, images):
        self.images = images
        self.coordinates = {False: torch.zeros(len(images), 1, 3)}

    def clean(self, indices, validation, generator, device):
        return self.images[list(indices)]


def problem(name, side=None):
    if name == "unet3d":
        images = published.uniform(16, 2, 3, 6, 4, 4)
    else:
        images = published.uniform(*{"unet": (11, 2, 4, 16, 16), "srunet": (13, 2, 4, 32, 32)}[name])
    if name == "srunet":
        return DenoisingBesideSmall(name, published.network(name), Images(images), 16)
    return Denoising(name, published.network(name), Images(images), side)


@pytest.mark.parametrize("name", ["unet", "srunet", "unet3d"])
def test_the_loss_of_the_training_is_the_published_one(name, monkeypatch):
    """With the published times and noise in the place of random ones, drawn in this order."""
    given = problem(name)
    times = [GIVEN[f"loss.{name}.times"], torch.tensor([0.35], dtype=torch.float64)]
    noise = {"unet": [12], "srunet": [14, 15], "unet3d": [17]}[name]
    monkeypatch.setattr(torch, "rand", lambda *shape, **options: times.pop(0))
    monkeypatch.setattr(torch, "randn", lambda shape, **options: published.normal(noise.pop(0), *shape))
    found = given.losses(given.network, [0, 1], False, 0, torch.Generator())
    assert found.keys() == {"loss"}
    assert found["loss"].item() == pytest.approx(GIVEN[f"loss.{name}.loss"].item(), abs=1e-10)
    assert not noise


def test_random_numbers_follow_from_the_generator_dropout_included():
    given = problem("unet")
    given.network.train()

    def loss(seed):
        return given.losses(given.network, [0, 1], False, 0, torch.Generator().manual_seed(seed))["loss"].item()

    state = torch.get_rng_state()
    first = loss(1)
    torch.manual_seed(77)
    assert loss(1) == first
    torch.set_rng_state(state)
    assert loss(1) == first
    assert torch.equal(torch.get_rng_state(), state)
    given.network.eval()
    assert loss(1) != first  # the dropout of linear attention
    assert loss(1) != loss(2)


def test_a_side_reduces_the_images():
    images = published.uniform(11, 2, 4, 32, 32)
    reduced = Denoising("a", published.network("unet"), Images(images), 16)
    direct = Denoising("a", published.network("unet"), Images(images[..., ::2, ::2]))
    random = [torch.Generator().manual_seed(4) for _ in range(2)]
    with torch.no_grad():
        losses = [
            p.losses(p.network, [0, 1], True, 0, g)["loss"] for p, g in zip((reduced, direct), random, strict=True)
        ]
    assert losses[0] == losses[1]


def test_training_structures_are_shuffled_and_those_kept_aside_are_not():
    training = np.arange(24.0).reshape(2, 4, 3)
    shuffles = Shuffles(torch.tensor([[0, 0, 0, 1]] * 2), copies=10**6)
    pictures = Pictures(lambda x: 2 * x, training, training[:1], shuffles)
    assert (pictures.count(False), pictures.count(True), pictures.n_atoms([0, 1])) == (2, 1, 8)
    found = [pictures.clean([1], False, torch.Generator().manual_seed(i), torch.device("cpu")) for i in range(9)]
    assert len({tuple(each.flatten().tolist()) for each in found}) > 2
    for each in found:
        assert sorted(each[0, :, 0].tolist()) == (2 * training[1, :, 0]).tolist()
        assert each[0, 3].tolist() == (2 * training[1, 3]).tolist()
    kept = pictures.clean([0], True, torch.Generator(), torch.device("cpu"))
    assert torch.equal(kept, 2 * torch.from_numpy(training[:1]))


def test_sampling_depends_on_seed_and_index_only():
    small, large = (published.network(name, torch.float32) for name in ("unet", "srunet"))

    def sample(indices, at_once=1):
        found = []
        for draw in sampling.groups(indices, 5, "cpu", at_once):
            assert len(draw) == 1  # on a CPU
            start = denoise(small, draw((1, 4, 16, 16)), draw, 2)
            found.append(sampling.beside_small(large, start, 32, draw, 2))
        return torch.cat(found)

    three = sample([0, 1, 2], at_once=8)
    assert torch.equal(three[[2]], sample([2]))
    assert not torch.equal(three[0], three[1])
    expected = stream(5, 3).standard_normal((4, 2, 2), np.float32)
    assert torch.equal(sampling.Draws(5, [3], "cpu")((1, 4, 2, 2))[0], torch.from_numpy(expected))
    both = sampling.Draws(5, [1, 3], "cpu")
    assert torch.equal(both((2, 4, 2, 2))[1], torch.from_numpy(expected))


class Numbers:
    """The published normal numbers in the order drawn."""

    def __init__(self, first):
        self.next = first

    def __call__(self, shape):
        self.next += 1
        return published.normal(self.next - 1, *shape)


def test_large_images_beside_small_ones_are_the_published_ones():
    """The noise on the small image is drawn first, then the start, then the steps."""
    small = 2 * GIVEN["sample.unet_f64"] - 1
    found = sampling.beside_small(published.network("srunet"), small, 32, Numbers(1005), 4)
    assert ((found + 1) / 2 - GIVEN["sample.srunet_f64"]).abs().max() < 1e-9


# ---------------------------------------------------------------------- published weights
KINDS = {"unet": (UNet, 4, 0), "srunet": (SuperResolutionUNet, 4, 1), "unet3d": (VideoUNet, 3, 0)}


def checkpoint(form):
    """Return both networks of CrysTens as in a published checkpoint, its averages among them or not."""
    model = {f"unets.{i}.{key}": v for i, n in enumerate(("unet", "srunet")) for key, v in published.state(n).items()}
    if form == "model":
        return model
    averages = {
        f"{i}.ema_model.{key}": v for i, n in enumerate(("unet", "srunet")) for key, v in published.state(n).items()
    }
    return averages | {f"{i}.online_model.x": torch.zeros(1) for i in (0, 1)} | {"0.step": torch.tensor(3)}


@pytest.mark.parametrize("name", KINDS)
def test_published_weights_without_what_is_never_used(name):
    kind, channels, _ = KINDS[name]
    expected = published.network(name).state_dict()
    found = from_published(published.state(name), kind, channels)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize("form", ["model", "averages"])
@pytest.mark.parametrize("name", ["unet", "srunet"])
def test_published_checkpoints_of_two_networks(name, form, tmp_path):
    kind, channels, number = KINDS[name]
    save_weights(tmp_path / "weights.safetensors", checkpoint(form))
    found = from_published(tmp_path / "weights.safetensors", kind, channels, number)
    expected = published.network(name).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize(
    ("given", "wanted", "message"),
    [
        ("unet", "srunet", "those of the network of small images, not that of large images"),
        ("srunet", "unet", "those of that of large images, not the network of small images"),
        ("unet3d", "unet", "those of that of videos, not the network of small images"),
        ("unet", "unet3d", "those of the network of small images, not that of videos"),
    ],
)
def test_the_weights_of_another_network_are_refused_by_name(given, wanted, message):
    kind, channels, _ = KINDS[wanted]
    with pytest.raises(BadWeights, match=message):
        from_published(published.state(given), kind, channels)


def test_a_checkpoint_of_the_first_network_where_the_second_is_wanted():
    first = {name: value for name, value in checkpoint("model").items() if name.startswith("unets.0.")}
    with pytest.raises(BadWeights, match=r"holds no network 1 \('unets.1.…'\).*saved after the training"):
        from_published(first, SuperResolutionUNet, 4, 1)
    untrained = checkpoint("model") | {"unets.1.final_conv.weight": torch.zeros(4, 12, 3, 3)}
    with pytest.raises(BadWeights, match="is a checkpoint of the first network; give one of the second"):
        from_published(untrained, SuperResolutionUNet, 4, 1)


def test_what_is_no_u_net_or_a_pickle_is_refused(tmp_path):
    with pytest.raises(BadWeights, match=r"no 'norm_cond.weight'"):
        from_published({"weight": torch.ones(2)}, UNet)
    state = published.state("unet")
    del state["init_conv.convs.1.bias"]
    with pytest.raises(BadWeights, match=r"lacks 'init_conv.convs.1.bias'"):
        from_published(state, UNet)
    torch.save(published.state("unet"), tmp_path / "best.pt")
    with pytest.raises(BadWeights, match="this is a pickle"):
        from_published(tmp_path / "best.pt", UNet)


def test_weights_of_another_width_are_named_when_a_network_is_built():
    with seeded_weights(1):
        weights = UNet(4, 8).state_dict()
    with pytest.raises(BadWeights, match="crystens: weights that do not fit the hyper-parameters"):
        sampling.build(UNet, 4, 16, weights, "crystens", "cpu")
    assert denoising.enlarged(torch.full((1, 4, 2, 2), 3.0), 4).max() == 1.0
