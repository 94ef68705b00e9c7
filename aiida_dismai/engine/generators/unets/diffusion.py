"""The diffusion of the U-Nets: noise in continuous time, the loss of its prediction, the way back in steps."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

#: Signal-to-noise ratio above which a sample's loss is weighted less.
MAX_SNR = 5.0
#: Quantile of the absolute values to which a predicted image is scaled, where it goes beyond one.
QUANTILE = 0.95
#: Time of the noise on the small image when a large one is generated beside it.
LOW_TIME = 0.2

Schedule = Callable[[Tensor], Tensor]
#: Returns the noise of a step, of a shape; called once a step, in order.
Draw = Callable[[torch.Size], Tensor]


def cosine_log_snr(times: Tensor) -> Tensor:
    """Return the log-SNR of times in [0, 1], ``(B,)``: that of all noise but that on small images.

    At time one it is a rounding error, which generation begins with, so the order of the operations matters.
    """
    return -torch.log(torch.clamp(torch.cos((times + 0.008) / 1.008 * math.pi * 0.5) ** -2 - 1, min=1e-5))


def linear_log_snr(times: Tensor) -> Tensor:
    """Return the log-SNR of the noise on small images at times in [0, 1], ``(B,)``."""
    return -torch.log(torch.expm1(1e-4 + 10 * times**2))


def signal_and_noise(log_snr: Tensor, dimensions: int) -> tuple[Tensor, Tensor]:
    """Return the factors of the image and of the noise, α and σ, as ``(B, 1, …)`` with so many dimensions."""
    log_snr = log_snr.reshape(-1, *[1] * (dimensions - 1))
    return torch.sigmoid(log_snr).sqrt(), torch.sigmoid(-log_snr).sqrt()


def add_noise(clean: Tensor, noise: Tensor, log_snr: Tensor) -> Tensor:
    """Return images with noise, ``(B, …)``, at log-SNRs ``(B,)``."""
    alpha, sigma = signal_and_noise(log_snr, clean.dim())
    return alpha * clean + sigma * noise


def prediction_losses(predicted: Tensor, noise: Tensor, log_snr: Tensor) -> Tensor:
    """Return each sample's loss, ``(B,)``: mean square of the error of its noise, times min(SNR, 5) / SNR."""
    squares = (predicted - noise).square().flatten(1).mean(dim=1)
    snr = torch.exp(log_snr)
    return squares * snr.clamp(max=MAX_SNR) / snr


def resize(images: Tensor, side: int) -> Tensor:
    """Return images ``(B, C, S, S)`` with another side, every pixel that of the nearest (floor) place."""
    places = torch.arange(side, device=images.device) * images.shape[-1] // side
    return images[..., places[:, None], places]


def threshold(images: Tensor) -> tuple[Tensor, Tensor]:
    """Bring predicted images into [−1, 1]: clamp at the 95 % quantile of their absolute values and divide by it.

    Returns:
        The images and the quantile of each, which is at least one, ``(B,)``.
    """
    quantile = torch.quantile(images.abs().flatten(1), QUANTILE, dim=1).clamp(min=1.0)
    bound = quantile.reshape(-1, *[1] * (images.dim() - 1))
    return images.clamp(-bound, bound) / bound, quantile


def step_back(x: Tensor, predicted: Tensor, log_snr: Tensor, next_log_snr: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean, ``(B, …)``, and variance, ``(B, 1, …)``, of the images at the next, earlier time.

    Args:
        x: noisy images, ``(B, …)``.
        predicted: noise in them.
        log_snr: of the images, ``(B,)``.
        next_log_snr: at the next time, ``(B,)``.
    """
    alpha, sigma = signal_and_noise(log_snr, x.dim())
    next_alpha, next_sigma = signal_and_noise(next_log_snr, x.dim())
    clean, _ = threshold((x - sigma * predicted) / alpha.clamp(min=1e-8))
    share = -torch.expm1(log_snr - next_log_snr).reshape(alpha.shape)
    return next_alpha * (x * (1 - share) / alpha + share * clean), next_sigma**2 * share


@torch.no_grad()
def denoise(network: nn.Module, x: Tensor, draw: Draw, steps: int, *given: Tensor) -> Tensor:
    """Take pure noise to images.

    Args:
        network: that predicts noise.
        x: normal numbers, ``(B, …)``.
        draw: gives the noise of every step, the last, which uses none, included.
        steps: how many; the times are equidistant from one to zero.
        given: what the network gets besides the noisy images and their log-SNR.

    Returns:
        Images in [−1, 1].
    """
    times = torch.linspace(1.0, 0.0, steps + 1, dtype=x.dtype, device=x.device)
    log_snrs = cosine_log_snr(times)[:, None].expand(-1, len(x))
    for step in range(steps):
        predicted = network(x, log_snrs[step], *given).to(x.dtype)
        mean, variance = step_back(x, predicted, log_snrs[step], log_snrs[step + 1])
        noise = draw(x.shape)
        x = mean + variance.clamp(min=1e-20).sqrt() * noise if step < steps - 1 else mean
    return x.clamp(-1.0, 1.0)
