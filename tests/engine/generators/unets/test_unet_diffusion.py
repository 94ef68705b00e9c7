"""Noise, losses, steps back, sampling and averages give the published numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import published_unets as published

from aiida_dismai.engine.generators.training.average import decay
from aiida_dismai.engine.generators.unets import diffusion

pytestmark = pytest.mark.engine
GIVEN = published.read("diffusion")
#: Numbers of the rule for noisy images and noise of the single steps.
STEPS = {"unet": (21, 31), "srunet": (22, 32), "unet3d": (23, 33)}
SHAPES = {"unet": (4, 16, 16), "srunet": (4, 32, 32), "unet3d": (3, 6, 4, 4)}
DTYPES = {"float64": (torch.float64, ""), "float32": (torch.float32, "_f32")}


def close(found, expected, bound):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= bound


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_schedules(name, precision):
    dtype, suffix = DTYPES[precision]
    log_snr = getattr(diffusion, f"{name}_log_snr")(GIVEN["schedule.t"].to(dtype))
    bound = 1e-12 if dtype == torch.float64 else 2e-6
    close(log_snr[:-1], GIVEN[f"{name}.log_snr{suffix}"][:-1], 20 * bound)
    close(log_snr[-1:], GIVEN[f"{name}.log_snr{suffix}"][-1:], 1e-9 if dtype == torch.float64 else 1e-4)
    alpha, sigma = diffusion.signal_and_noise(GIVEN[f"{name}.log_snr{suffix}"], 1)
    close(alpha, GIVEN[f"{name}.alpha{suffix}"], bound)
    close(sigma, GIVEN[f"{name}.sigma{suffix}"], bound)


def test_noise():
    log_snr = diffusion.cosine_log_snr(GIVEN["q_sample.t"])
    close(log_snr, GIVEN["q_sample.log_snr"], 1e-12)
    close(diffusion.add_noise(GIVEN["q_sample.x0"], GIVEN["q_sample.noise"], log_snr), GIVEN["q_sample.x_t"], 1e-12)


@pytest.mark.parametrize(("old", "new"), [(280, 64), (64, 280)])
def test_resize(old, new):
    rows = torch.arange(old)[:, None].expand(old, old)[None, None]
    assert diffusion.resize(rows, new)[0, 0, :, 0].tolist() == GIVEN[f"resize.{old}_to_{new}"].tolist()
    assert torch.equal(diffusion.resize(rows.transpose(2, 3), new), diffusion.resize(rows, new).transpose(2, 3))


def training_batch(name, dtype):
    """Return clean images in [-1, 1], noise, and what else the network is given."""
    shape = (2, *SHAPES[name])
    if name == "unet3d":
        return published.uniform(16, *shape).to(dtype), published.normal(17, *shape).to(dtype), ()
    numbers = {"unet": (11, 12), "srunet": (13, 14)}[name]
    image = (published.uniform(numbers[0], *shape) + 1) / 2
    given = ()
    if name == "srunet":
        low = diffusion.resize(diffusion.resize(image, 16), 32)
        close(low[:1], GIVEN["loss.srunet.low0"], 1e-12)
        log_snr = diffusion.linear_log_snr(torch.tensor([0.35, 0.35], dtype=dtype))
        noisy = diffusion.add_noise((2 * low - 1).to(dtype), published.normal(15, *shape).to(dtype), log_snr)
        if dtype == torch.float64:
            close(noisy[:1], GIVEN["loss.srunet.low_noisy0"], 1e-12)
            close(log_snr, GIVEN["loss.srunet.low_log_snr"], 1e-12)
        given = (noisy, log_snr)
    return (2 * image - 1).to(dtype), published.normal(numbers[1], *shape).to(dtype), given


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", SHAPES)
def test_losses_and_gradients(name, precision):
    dtype, suffix = DTYPES[precision]
    clean, noise, given = training_batch(name, dtype)
    network = published.network(name, dtype)
    log_snr = diffusion.cosine_log_snr(GIVEN[f"loss.{name}.times"].to(dtype))
    predicted = network(diffusion.add_noise(clean, noise, log_snr), log_snr, *given)
    losses = diffusion.prediction_losses(predicted, noise, log_snr)
    loss = losses.mean()
    if suffix:
        close(loss, GIVEN[f"loss.{name}.loss{suffix}"], 2e-6)
        return
    close(log_snr, GIVEN[f"loss.{name}.net_time"], 1e-12)
    close(predicted[:1], GIVEN[f"loss.{name}.pred0"], 1e-10)
    close(losses, GIVEN[f"loss.{name}.per_sample"] * GIVEN[f"loss.{name}.weights"], 1e-10)
    close(loss, GIVEN[f"loss.{name}.loss"], 1e-11)
    loss.backward()
    weights = dict(network.named_parameters())
    for (key, *_, used), expected in zip(
        published.parameters(name), GIVEN[f"loss.{name}.grad_norms"].tolist(), strict=True
    ):
        assert used is not np.isnan(expected)
        if used:
            assert weights[key].grad.norm().item() == pytest.approx(expected, rel=1e-8, abs=1e-10), key


def conditions(name, dtype):
    if name != "srunet":
        return ()
    low = diffusion.resize((published.uniform(24, 2, 4, 16, 16) + 1) / 2, 32)
    log_snr = diffusion.linear_log_snr(torch.full((2,), diffusion.LOW_TIME, dtype=dtype))
    noisy = diffusion.add_noise((2 * low - 1).to(dtype), published.normal(25, 2, 4, 32, 32).to(dtype), log_snr)
    if dtype == torch.float64:
        close(noisy[:1], GIVEN["step.srunet.lowres_noised0"], 1e-12)
    return noisy, log_snr


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("place", ["mid", "first", "last"])
def test_single_steps(name, place):
    shape, step = (2, *SHAPES[name]), f"step.{name}.{place}"
    network = published.network(name)
    log_snr, following = diffusion.cosine_log_snr(GIVEN[f"{step}.t_tnext"])[:, None].expand(2, 2)
    close(torch.stack([log_snr[0], following[0]]), GIVEN[f"{step}.log_snr"], 1e-9)
    x = published.normal(STEPS[name][0], *shape)
    with torch.no_grad():
        predicted = network(x, log_snr, *conditions(name, torch.float64))
    close(predicted[:1], GIVEN[f"{step}.pred"], 1e-9)
    alpha, sigma = diffusion.signal_and_noise(log_snr, x.dim())
    clean, quantile = diffusion.threshold((x - sigma * predicted) / alpha.clamp(min=1e-8))
    close(clean[:1], GIVEN[f"{step}.x0"], 1e-10)
    expected = GIVEN[f"{step}.s"].clamp(min=1.0)
    close(quantile[:1] / expected, torch.ones_like(expected), 1e-9)
    mean, variance = diffusion.step_back(x, predicted, log_snr, following)
    close(variance.flatten()[:1], GIVEN[f"{step}.var"], 1e-12)
    noise = published.normal(STEPS[name][1], *shape) if place != "last" else 0.0
    close((mean + variance.clamp(min=1e-20).sqrt() * noise)[:1], GIVEN[f"{step}.x_next"], 1e-10)


@pytest.mark.parametrize("name", SHAPES)
def test_the_first_step_in_float32(name):
    """Its log-SNR is another rounding error there, with which generation begins."""
    step, shape = f"step.{name}.first", (2, *SHAPES[name])
    network = published.network(name, torch.float32)
    log_snr, following = diffusion.cosine_log_snr(GIVEN[f"{step}.t_tnext"].float())[:, None].expand(2, 2)
    close(torch.stack([log_snr[0], following[0]]), GIVEN[f"{step}.log_snr_f32"], 1e-4)
    x = published.normal(STEPS[name][0], *shape).float()
    with torch.no_grad():
        predicted = network(x, log_snr, *conditions(name, torch.float32))
    mean, variance = diffusion.step_back(x, predicted, log_snr, following)
    found = mean + variance.sqrt() * published.normal(STEPS[name][1], *shape).float()
    close(found[:1], GIVEN[f"{step}.x_next_f32"], 3e-5)


class Numbers:
    """The published normal numbers in the order drawn."""

    def __init__(self, first, dtype):
        self.next, self.dtype = first, dtype

    def __call__(self, shape):
        self.next += 1
        return published.normal(self.next - 1, *shape).to(self.dtype)


@pytest.mark.parametrize("precision", ["f64", "f32"])
def test_whole_sampling(precision):
    dtype, bound = {"f64": (torch.float64, 1e-9), "f32": (torch.float32, 5e-5)}[precision]
    draw = Numbers(1000, dtype)
    start = draw((2, *SHAPES["unet"]))
    small = (diffusion.denoise(published.network("unet", dtype), start, draw, 4) + 1) / 2
    close(small, GIVEN[f"sample.unet_{precision}"], bound)
    log_snr = diffusion.linear_log_snr(torch.full((2,), diffusion.LOW_TIME, dtype=dtype))
    low = 2 * diffusion.resize(small, 32) - 1
    low = diffusion.add_noise(low, draw(low.shape), log_snr)
    start = draw(low.shape)
    large = (diffusion.denoise(published.network("srunet", dtype), start, draw, 4, low, log_snr) + 1) / 2
    close(large, GIVEN[f"sample.srunet_{precision}"], bound)
    assert draw.next == 1011
    draw = Numbers(1100, dtype)
    start = draw((2, *SHAPES["unet3d"]))
    video = diffusion.denoise(published.network("unet3d", dtype), start, draw, 4)
    close(video, GIVEN[f"sample.unet3d_{precision}"], bound)


def test_moving_average():
    given = published.read("ema")
    expected = dict(zip(given["call"].tolist(), given["value"].tolist(), strict=True))
    average = 0.0
    for call in range(1, max(expected) + 1):
        kept = decay(call)
        if kept is not None:
            average = kept * average + (1 - kept) * call
        if call in expected:
            assert average == pytest.approx(expected[call], rel=1e-6)
    assert decay(150_001) == pytest.approx(0.99965, abs=1e-5)
