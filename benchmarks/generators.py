"""The five models of the paper beside plain implementations of their published steps: time, memory, the same numbers.

    OMP_NUM_THREADS=1 python benchmarks/generators.py [--model unimat] [--batch 1] [--repeat 2]

The paper's networks on interfaces of 264 atoms, a line for each network: a training step (losses, backward pass, Adam)
for each structure of the batch, the peak of the memory that it takes, and the evaluations of the network that a
generated structure takes. Both run in turns in one process, of each the fastest counts (CPU seconds); the memory is
that of a process of its own for each, above what it held before. Plain is, with the same weights:

- diffcsp: every edge gets its features again in every layer (tests/support/plain_cspnet.py)
- cdvae: the decoder's sum over triplets with a row for each triplet (benchmarks/graphs.py); the encoder is ours
- cryingan: convolutions over an image of n rows, distances over 27 images (tests/support/plain_cryingan.py)
- crystens, unimat: channels first, attention with all its similarities (tests/support/plain_unets.py)
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from cryingan import CELL, interfaces
from graphs import published_sum
from support.plain_cryingan import plain_distances, published_critic, published_generator
from support.plain_cspnet import PlainCSPNet
from support.plain_unets import plain_unet

from aiida_dismai.engine.generators.cdvae.config import CdvaeParameters
from aiida_dismai.engine.generators.cdvae.data import Limits, prepare
from aiida_dismai.engine.generators.cdvae.gemnet_blocks import Bilinear
from aiida_dismai.engine.generators.cdvae.model import Cdvae
from aiida_dismai.engine.generators.cdvae.train import CdvaeProblem
from aiida_dismai.engine.generators.cryingan.config import CryinganParameters
from aiida_dismai.engine.generators.cryingan.losses import critic_loss
from aiida_dismai.engine.generators.cryingan.train import Adversaries
from aiida_dismai.engine.generators.diffcsp.config import DiffcspParameters
from aiida_dismai.engine.generators.diffcsp.losses import Diffusion
from aiida_dismai.engine.generators.graphs.edges import Edges
from aiida_dismai.engine.generators.graphs.lattice import lengths_and_angles
from aiida_dismai.engine.generators.graphs.triplets import triplets_same_target
from aiida_dismai.engine.generators.training.memory import peak_memory as peak_memory_of
from aiida_dismai.engine.generators.unets.denoising import Denoising, DenoisingBesideSmall, Pictures
from aiida_dismai.engine.generators.unets.networks import SuperResolutionUNet, UNet, VideoUNet

SAMPLING_STEPS = 100
#: Sides of CrysTens' pictures: small, and large for 264 atoms.
SMALL, LARGE = 64, 280


@dataclass
class Side:
    """One of the two implementations.

    Attributes:
        loss: of a training step on so many structures, without the backward pass.
        networks: whose weights are trained.
        evaluate: one evaluation for a generated structure.
        fused: whether the optimiser works on all weights at once.
    """

    loss: Callable[[int], Tensor]
    networks: list[nn.Module]
    evaluate: Callable[[], object]
    fused: bool
    optimizer: torch.optim.Adam | None = field(default=None)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return the weights."""
        return (weight for network in self.networks for weight in network.parameters())

    def gradients(self, batch: int) -> list[Tensor]:
        """Return the loss and the gradients of all weights."""
        for network in self.networks:
            network.zero_grad()
        torch.manual_seed(3)
        loss = self.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [weight.grad for weight in self.parameters() if weight.grad is not None]
        return [loss.detach(), *(gradient.detach().clone().flatten() for gradient in gradients)]

    def step(self, batch: int) -> None:
        """Take a step of the optimiser."""
        if self.optimizer is None:
            self.optimizer = torch.optim.Adam(self.parameters(), lr=1e-9, fused=self.fused)
        self.optimizer.zero_grad()
        self.loss(batch).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


@dataclass(frozen=True)
class Model:
    """A network of the benchmark.

    Attributes:
        build: from whether it is the plain one.
        evaluations: of the network for a generated structure.
        batch: structures of a step that is measured; the cost grows in proportion.
    """

    build: Callable[[bool], Side]
    evaluations: int
    batch: int = 1


def diffcsp(plain: bool) -> Side:
    problem = Diffusion(interfaces(2), None, DiffcspParameters())
    network = problem.network
    if plain:
        network = PlainCSPNet(27)
        network.load_state_dict(problem.network.state_dict())
    arguments = (
        torch.tensor([500]),
        torch.from_numpy(interfaces(1).numbers.astype(np.int64)),
        torch.rand(264, 3),
        torch.tensor(CELL, dtype=torch.float32)[None],
        torch.tensor([264]),
    )

    def loss(batch: int) -> Tensor:
        return problem.losses(network, range(batch), False, 0, torch.Generator().manual_seed(1))["loss"]

    return Side(loss, [network], lambda: network(*arguments), not plain)


def cdvae(plain: bool) -> Side:
    parameters = CdvaeParameters(fit_scale_factors=False)
    structures = interfaces(2)
    limits = Limits.of(structures, parameters)
    data = prepare(structures, limits, parameters, "benchmark", lambda done, total: None)
    network = Cdvae(parameters, limits)
    network.fit_lattice(*lengths_and_angles(data.cells.double()), data.counts)
    problem = CdvaeProblem(network, data, None, parameters)
    if plain:
        triplets: dict[int, object] = {}

        def rows(layer: Bilinear) -> Callable[..., Tensor]:
            def forward(messages: Tensor, bases: object, near: object) -> Tensor:
                if triplets.get(0) is not near:  # once for all blocks
                    edges = Edges(near.source, near.target, near.source.new_zeros(len(near.source), 3))
                    triplets.update({0: near, 1: triplets_same_target(edges, int(near.target.max()) + 1)})
                return published_sum(layer, messages, bases.circular, near, triplets[1])

            return forward

        for layer in network.modules():
            if isinstance(layer, Bilinear):
                layer.forward = rows(layer)  # type: ignore[method-assign]
    latent = torch.randn(1, parameters.latent_dim)
    arguments = (
        torch.rand(264, 3),
        torch.from_numpy(structures[0].numbers.astype(np.int64)),
        torch.tensor([264]),
        torch.tensor(CELL, dtype=torch.float32)[None],
    )

    def loss(batch: int) -> Tensor:
        return problem.losses(network, range(batch), False, 0, torch.Generator().manual_seed(1))["loss"]

    return Side(loss, [network], lambda: network.decoder(latent, *arguments), not plain)


def cryingan(plain: bool) -> Side:
    """One step of both critics and of the generator."""
    parameters = CryinganParameters()
    template = interfaces(1)
    nets = Adversaries(template, parameters, 1, "cpu")
    generator, critics, distances = nets.generator, dict(nets.critics), nets.distances
    if plain:
        blocks, cell = [72, 12, 36, 72, 72], torch.tensor(CELL, dtype=torch.float32)
        sizes = blocks, parameters.critic_channels, parameters.critic_head
        generator = published_generator(generator, parameters.latent_dim, parameters.generator_channels)
        widths = {"coordinates": 3, "distances": parameters.n_neighbors}
        critics = {name: published_critic(critic, widths[name], *sizes) for name, critic in critics.items()}

        def distances(coordinates: Tensor) -> Tensor:
            return plain_distances(coordinates, cell, parameters.n_neighbors)

    def views(coordinates: Tensor) -> dict[str, Tensor]:
        return {"coordinates": coordinates, "distances": distances(coordinates)}

    fractional = np.linalg.solve(CELL.T, interfaces(8).positions.T).T.reshape(8, 264, 3) % 1
    coordinates = torch.from_numpy(fractional).float()
    real = {"coordinates": coordinates, "distances": nets.distances(coordinates)}

    def loss(batch: int) -> Tensor:
        random = torch.Generator().manual_seed(1)
        generated = views(generator(torch.randn(batch, parameters.latent_dim, generator=random)))
        total = torch.zeros(())
        for name, critic in critics.items():
            mix = torch.rand(batch, generator=random)
            given = generated[name]
            total = total + critic_loss(critic, real[name][:batch], given.detach(), mix, 10.0).loss
            total = total - critic(given).mean()
        return total

    def evaluate() -> None:
        generator(torch.randn(1, parameters.latent_dim).expand(2, -1))

    return Side(loss, [generator, *critics.values()], evaluate, not plain)


class Plain(nn.Module):
    """A network of ours, evaluated plainly."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *arguments: Tensor) -> Tensor:
        """Return the predicted noise."""
        result: Tensor = plain_unet(self.network, *arguments)
        return result


def unet(kind: type[UNet], shape: tuple[int, ...]) -> Callable[[bool], Side]:
    """Return what builds one of the U-Nets for pictures of a shape; the cost does not depend on what they show."""

    def build(plain: bool) -> Side:
        def encode(coordinates: Tensor) -> Tensor:
            return 2 * torch.rand(len(coordinates), *shape, generator=torch.Generator().manual_seed(2)) - 1

        pictures = Pictures(encode, np.zeros((8, 264, 3)), None, None)
        beside = kind is SuperResolutionUNet
        network: nn.Module = kind(shape[0], 64).eval()  # without dropout, so that both give the same numbers
        with torch.no_grad():  # an untrained network gives zeros, and no gradient goes beyond its last layer
            for weight in network.parameters():
                if not weight.any():
                    weight.normal_(0, 0.02)
        problem = DenoisingBesideSmall("", network, pictures, SMALL) if beside else Denoising("", network, pictures)
        used = Plain(network) if plain else network
        picture = torch.randn(1, *shape)
        arguments = (picture, torch.zeros(1)) + ((picture, torch.zeros(1)) if beside else ())

        def loss(batch: int) -> Tensor:
            return problem.losses(used, range(batch), False, 0, torch.Generator().manual_seed(1))["loss"]

        return Side(loss, [used], lambda: used(*arguments), not plain)

    return build


CDVAE = CdvaeParameters()
MODELS = {
    "diffcsp": Model(diffcsp, 2 * DiffcspParameters().timesteps),
    "cdvae": Model(cdvae, CDVAE.noise_levels * CDVAE.langevin_steps),
    "cryingan": Model(cryingan, 1, batch=8),
    "crystens (small)": Model(unet(UNet, (4, SMALL, SMALL)), SAMPLING_STEPS),
    "crystens (large)": Model(unet(SuperResolutionUNet, (4, LARGE, LARGE)), SAMPLING_STEPS),
    "unimat": Model(unet(VideoUNet, (3, 264, 4, 4)), SAMPLING_STEPS),
}


def build(name: str, plain: bool) -> Side:
    torch.manual_seed(0)
    return MODELS[name].build(plain)


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_memory(name: str, plain: bool, batch: int) -> float:
    """Return the MB that a training step takes, from a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--model",
        name,
        "--batch",
        str(batch),
        "--memory",
        "plain" if plain else "ours",
    ]
    # else glibc keeps what was freed, and the peak is far above what is in use
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return float(json.loads(found.splitlines()[-1]))


def measure_here(name: str, plain: bool, batch: int) -> None:
    side = build(name, plain)
    before = peak_memory_of(torch.device("cpu"))
    side.gradients(batch)
    print((peak_memory_of(torch.device("cpu")) - before) / 1e6)


def difference(ours: list[Tensor], plain: list[Tensor]) -> float:
    """Return how far losses and gradients are apart, relative to their norm; gradients in any order."""
    norms = [math.hypot(*(float(part.norm()) for part in parts[1:])) for parts in (ours, plain)]
    return max(abs(float(ours[0] - plain[0])) / abs(float(plain[0])), abs(norms[0] - norms[1]) / norms[1])


def measure(name: str, batch: int, repeat: int) -> None:
    sides = {"ours": build(name, False), "plain": build(name, True)}
    apart = difference(*(side.gradients(batch) for side in sides.values()))
    step, evaluation = dict.fromkeys(sides, math.inf), dict.fromkeys(sides, math.inf)
    for _ in range(repeat):
        for which, side in sides.items():
            step[which] = min(step[which], seconds(lambda side=side: side.step(batch)) / batch)
            with torch.no_grad():
                evaluation[which] = min(evaluation[which], seconds(side.evaluate))
    memory = {which: peak_memory(name, which == "plain", batch) for which in sides}
    times = MODELS[name].evaluations
    print(
        f"{name:17s} step {step['ours']:6.2f} s, plain {step['plain']:6.2f} s ({step['plain'] / step['ours']:.2f} ×); "
        f"memory {memory['ours']:5.0f} MB, plain {memory['plain']:5.0f} MB ({memory['ours'] / memory['plain']:.2f}); "
        f"structure {times * evaluation['ours']:7.2f} s, plain {times * evaluation['plain']:7.2f} s "
        f"({evaluation['plain'] / evaluation['ours']:.2f} ×); apart {apart:.0e}",
        flush=True,
    )


@click.command()
@click.option("--model", "models", type=click.Choice(list(MODELS)), multiple=True, default=tuple(MODELS))
@click.option("--batch", default=0, help="structures of a step; 0 is each model's own choice")
@click.option("--repeat", default=2, show_default=True)
@click.option("--memory", "alone", type=click.Choice(["ours", "plain"]), default=None, hidden=True)
def main(models: tuple[str, ...], batch: int, repeat: int, alone: str | None) -> None:
    if alone is not None:
        measure_here(models[0], alone == "plain", batch)
        return
    print(f"264 atoms, {torch.get_num_threads()} threads; CPU seconds for each structure of a step, and as generated")
    for name in models:
        measure(name, batch or MODELS[name].batch, repeat)


if __name__ == "__main__":
    main()
