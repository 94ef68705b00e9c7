"""Seconds per training step and per generated structure of CryinGAN, and what a training structure takes in memory.

    OMP_NUM_THREADS=1 python benchmarks/cryingan.py [--device cuda] [--batch 16 --batch 32] [--system alloy]

Interface: a jittered grid in the interface cell; alloy: random decorations of the 4 × 4 × 4 fcc lattice, with its 64
translations. The cost does not depend on where the atoms are.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import numpy as np
import torch

from aiida_dismai.engine.device import choose_device
from aiida_dismai.engine.generators.cryingan.config import CryinganParameters
from aiida_dismai.engine.generators.cryingan.data import prepare
from aiida_dismai.engine.generators.cryingan.train import Adversaries
from aiida_dismai.engine.generators.cryingan.translations import Images
from aiida_dismai.engine.structures import StructureSet

CELL = np.array([[12.46997, 0.0, 0.0], [4.257784, 16.664331, 0.0], [0.0, 0.0, 33.1969]])
COUNTS = {3: 72, 21: 12, 27: 36, 17: 72, 8: 72}
ALLOY = {24: 51, 26: 154, 28: 51}


def grid(*sizes: int) -> np.ndarray:
    return np.stack(np.meshgrid(*(np.arange(k) / k for k in sizes), indexing="ij"), axis=-1).reshape(-1, 3)


def interfaces(n: int) -> StructureSet:
    sites = grid(4, 6, 11)
    jitter = np.random.default_rng(0).normal(0, 0.1, (n, len(sites), 3))
    return StructureSet.from_uniform(np.repeat(list(COUNTS), list(COUNTS.values())), sites @ CELL + jitter, CELL)


def alloys(n: int) -> StructureSet:
    random = np.random.default_rng(0)
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]) / 4
    sites = 14.4 * (grid(4, 4, 4)[:, None] + basis).reshape(-1, 3)
    decorated = np.array([random.permutation(sites) for _ in range(n)])
    return StructureSet.from_uniform(np.repeat(list(ALLOY), list(ALLOY.values())), decorated, 14.4 * np.eye(3))


#: By name: structures, and their lattice cells along the three axes.
SYSTEMS: dict[str, tuple[Callable[[int], StructureSet], tuple[int, int, int]]] = {
    "interface": (interfaces, (1, 1, 1)),
    "alloy": (alloys, (4, 4, 4)),
}


def timed(work: Callable[[], object], repeat: int) -> str:
    work()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeat):
        work()
    return f"{(time.perf_counter() - wall) / repeat:.4f} ({(time.process_time() - cpu) / repeat:.4f})"


def measure(system: str, size: int, device: str, repeat: int) -> None:
    make, counts = SYSTEMS[system]
    structures = make(size)
    parameters = CryinganParameters(batch_size=size)
    data = prepare(structures, structures[0], parameters, device, "benchmark")
    images = Images(data, structures[0], counts, "benchmark")
    nets = Adversaries(structures[0], parameters, 1, device)
    chosen = torch.arange(len(images), device=device)[:: len(images) // size][:size]
    real = images.views(chosen, nets.critics)
    assert data.distances is not None
    stored = sum(values.untyped_storage().nbytes() for values in (data.coordinates, data.distances)) / len(data)

    def generate() -> None:
        with torch.no_grad():
            nets.generator(torch.randn(size, parameters.latent_dim).to(device)).sum().item()

    def take() -> None:
        images.views(chosen, nets.critics)["coordinates"].sum().item()

    name = f"{system}, batch {size}"
    print(f"{name}: step of the critics {timed(lambda: nets.step(real, False), repeat)}")
    print(f"{name}: step of critics and generator {timed(lambda: nets.step(real, True), repeat)}")
    print(f"{name}: taking a batch from {len(images.shifts)} images per structure {timed(take, 20 * repeat)}")
    print(f"{name}: generation {timed(generate, repeat)}")
    print(
        f"{name}: {stored / 1e3:.1f} kB for a training structure and its {len(images.shifts)} images "
        f"({8 * len(images.shifts) / 1e3:.1f} kB more for the order of an epoch)"
    )


@click.command()
@click.option("--system", "systems", type=click.Choice(list(SYSTEMS)), multiple=True, default=tuple(SYSTEMS))
@click.option("--batch", "batches", type=int, multiple=True, default=(16, 32), show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--repeat", default=5, show_default=True)
def main(systems: tuple[str, ...], batches: tuple[int, ...], device: str, repeat: int) -> None:
    device = choose_device(device)
    print(f"device {device}, {torch.get_num_threads()} threads; wall (CPU) seconds")
    for system in systems:
        for size in batches:
            measure(system, size, device, repeat)


if __name__ == "__main__":
    main()
