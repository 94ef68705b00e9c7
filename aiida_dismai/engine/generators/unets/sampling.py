"""Generation with U-Nets: every structure draws its noise from its own stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ...device import matrix_products
from ...errors import BadWeights
from ..seeds import stream
from .denoising import enlarged
from .diffusion import LOW_TIME, add_noise, denoise, linear_log_snr
from .networks import UNet
from .parameters import UNetParameters


class Draws:
    """Normal numbers for a group of structures, of each from its own stream, float32; see ``diffusion.Draw``."""

    def __init__(self, seed: int, indices: Sequence[int], device: str) -> None:
        """Begin the streams of these structures."""
        self.streams = [stream(seed, index) for index in indices]
        self.device = device

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.streams)

    def __call__(self, shape: Sequence[int]) -> Tensor:
        """Return the next numbers; the first axis is that of the structures."""
        values = np.stack([random.standard_normal(tuple(shape[1:]), np.float32) for random in self.streams])
        return torch.from_numpy(values).to(self.device)


def groups(indices: Sequence[int], seed: int, device: str, at_once: int) -> Iterator[Draws]:
    """Return the noise of structures by group: on a CPU one by one, so that rounding does not depend on the others.

    Args:
        indices: of the structures.
        seed: of the whole set.
        device: ``cpu`` or ``cuda``.
        at_once: structures that a GPU works on together.
    """
    size = 1 if device == "cpu" else max(1, at_once)
    for start in range(0, len(indices), size):
        yield Draws(seed, indices[start : start + size], device)


@contextmanager
def products(parameters: UNetParameters, device: str) -> Iterator[None]:
    """Compute inside at the precision of the training; TensorFloat-32 only where there is a GPU."""
    precision = "32" if parameters.precision == "tf32" and device != "cuda" else parameters.precision
    with matrix_products(precision), torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
        yield


def build(kind: type[UNet], channels: int, width: int, weights: Mapping[str, Tensor], model: str, device: str) -> UNet:
    """Build a network with trained weights, in evaluation mode.

    Raises:
        BadWeights: the weights are those of another network.
    """
    with torch.device("meta"):
        network = kind(channels, width)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise BadWeights(f"{model}: weights that do not fit the hyper-parameters ({error}); train again") from error
    return network.to(device).eval()


@torch.no_grad()
def beside_small(network: UNet, small: Tensor, side: int, draw: Draws, steps: int) -> Tensor:
    """Generate large pictures beside small ones.

    Args:
        network: of large pictures.
        small: small ones in [−1, 1], ``(B, C, s, s)``.
        side: of the large ones.
        draw: gives the noise on the small ones, the large ones' start, and that of the steps, in this order.
        steps: of the way back.

    Returns:
        Pictures in [−1, 1], ``(B, C, side, side)``.
    """
    low = enlarged(small, side)
    log_snr = linear_log_snr(torch.full((len(low),), LOW_TIME, dtype=low.dtype, device=low.device))
    low = add_noise(low, draw(low.shape), log_snr)
    return denoise(network, draw(low.shape), draw, steps, low, log_snr)
