"""What the U-Nets minimise: pictures of structures get noise, of which a network says what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .augmentation import Shuffles
from .diffusion import add_noise, cosine_log_snr, linear_log_snr, prediction_losses, resize


class Pictures:
    """Pictures of training and validation structures with the same atoms, made when they are looked at.

    Attributes:
        encode: makes pictures in the network's range, [−1, 1], of fractional coordinates ``(B, n, 3)`` float64, on
            the device of these.
        shuffles: of the atoms of training structures; None for none.
    """

    def __init__(
        self,
        encode: Callable[[Tensor], Tensor],
        training: NDArray[np.float64],
        validation: NDArray[np.float64] | None,
        shuffles: Shuffles | None,
    ) -> None:
        """Take fractional coordinates, ``(M, n, 3)``, of the training structures and those kept aside."""
        self.encode, self.shuffles = encode, shuffles
        self.coordinates = {False: torch.from_numpy(training)}
        if validation is not None:
            self.coordinates[True] = torch.from_numpy(validation)

    def count(self, validation: bool) -> int:
        """Return the number of structures; 0 where none are kept aside."""
        return len(self.coordinates.get(validation, ()))

    def n_atoms(self, indices: Sequence[int]) -> int:
        """Return the number of atoms of some structures together."""
        return len(indices) * self.coordinates[False].shape[1]

    def shuffled_atoms(self) -> int:
        """Return how many atoms may change places in the training structure where these are most."""
        return 0 if self.shuffles is None else self.shuffles.most()

    def clean(
        self, indices: Sequence[int], validation: bool, generator: torch.Generator, device: torch.device
    ) -> Tensor:
        """Return pictures without noise, ``(B, channels, …)`` float64 on the device.

        Args:
            indices: of training or validation structures.
            validation: which of the two; only training structures are shuffled.
            generator: of the shuffles, on the CPU.
            device: where to make them.
        """
        coordinates = self.coordinates[validation][list(indices)]
        if self.shuffles is not None and not validation:
            coordinates = coordinates.take_along_dim(self.shuffles.orders(indices, generator)[..., None], dim=1)
        return self.encode(coordinates.to(device))


class Denoising:
    """A network that is given noisy pictures; a ``NamedProblem`` of the training by steps."""

    monitor = "loss"

    def __init__(self, name: str, network: nn.Module, pictures: Pictures, side: int | None = None) -> None:
        """Give the network its pictures.

        Args:
            name: of the network, in errors and in the checkpoint.
            network: with its initial weights.
            pictures: of the structures.
            side: to which square pictures are reduced (nearest place); None for none.
        """
        self.name, self.network, self.pictures, self.side = name, network, pictures, side
        self.n_training, self.n_validation = pictures.count(False), pictures.count(True)

    def n_atoms(self, indices: Sequence[int], validation: bool) -> int:
        """Return the number of atoms of some structures together."""
        return self.pictures.n_atoms(indices)

    def given(self, clean: Tensor, random: torch.Generator) -> tuple[Tensor, ...]:
        """Return what the network gets besides noisy pictures and their log-SNR."""
        return ()

    def losses(
        self, network: nn.Module, indices: Sequence[int], validation: bool, epoch: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return ``loss``: the mean over the batch of :func:`~.diffusion.prediction_losses`; see ``Problem``.

        Each picture has a time of its own, uniform in [0, 1].
        """
        weight = next(network.parameters())
        clean = self.pictures.clean(indices, validation, generator, weight.device).to(weight.dtype)
        if self.side is not None:
            clean = resize(clean, self.side)
        with dropout_of(generator, weight.device) as random:
            options = {"generator": random, "device": weight.device, "dtype": weight.dtype}
            log_snr = cosine_log_snr(torch.rand(len(clean), **options))  # type: ignore[call-overload]
            noise = torch.randn(clean.shape, **options)  # type: ignore[call-overload]
            predicted = network(add_noise(clean, noise, log_snr), log_snr, *self.given(clean, random))
        return {"loss": prediction_losses(predicted.to(weight.dtype), noise, log_snr).mean()}


class DenoisingBesideSmall(Denoising):
    """A network that is given a small picture, enlarged and with noise, beside the noisy one."""

    def __init__(self, name: str, network: nn.Module, pictures: Pictures, small: int) -> None:
        """Give the network its pictures; ``small`` is the side of the small ones, other arguments as above."""
        super().__init__(name, network, pictures)
        self.small = small

    def given(self, clean: Tensor, random: torch.Generator) -> tuple[Tensor, ...]:
        """Return the small pictures, enlarged, with noise of one time for the whole batch, and its log-SNR."""
        low = enlarged(resize(clean, self.small), clean.shape[-1])
        time = torch.rand(1, generator=random, device=clean.device, dtype=clean.dtype)
        log_snr = linear_log_snr(time).expand(len(clean))
        noise = torch.randn(low.shape, generator=random, device=clean.device, dtype=clean.dtype)
        return add_noise(low, noise, log_snr), log_snr


def enlarged(small: Tensor, side: int) -> Tensor:
    """Return small pictures with another side (nearest place), in [−1, 1]."""
    return resize(small.clamp(-1.0, 1.0), side)


@contextmanager
def dropout_of(generator: torch.Generator, device: torch.device) -> Iterator[torch.Generator]:
    """Let everything random inside follow from a generator on the CPU: dropout, and a generator on the device."""
    seed, other = torch.randint(2**62, (2,), generator=generator).tolist()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield torch.Generator(device).manual_seed(other)
