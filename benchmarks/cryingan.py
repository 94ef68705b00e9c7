"""Seconds per training step and per generated structure of CryinGAN on cells of the interface's size.

    OMP_NUM_THREADS=1 python benchmarks/cryingan.py [--device cuda] [--batch 16 --batch 32]

The structures are a jittered grid in the interface cell: the cost does not depend on where the atoms are.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import numpy as np
import torch

from aiida_dismai.engine.generators.cryingan.config import CryinganParameters
from aiida_dismai.engine.generators.cryingan.data import prepare
from aiida_dismai.engine.generators.cryingan.train import Adversaries
from aiida_dismai.engine.structures import StructureSet
from aiida_dismai.engine.task import choose_device

CELL = np.array([[12.46997, 0.0, 0.0], [4.257784, 16.664331, 0.0], [0.0, 0.0, 33.1969]])
COUNTS = {3: 72, 21: 12, 27: 36, 17: 72, 8: 72}


def interfaces(n: int) -> StructureSet:
    grid = np.stack(np.meshgrid(*(np.arange(k) / k for k in (4, 6, 11)), indexing="ij"), axis=-1).reshape(-1, 3)
    jitter = np.random.default_rng(0).normal(0, 0.1, (n, len(grid), 3))
    return StructureSet.from_uniform(np.repeat(list(COUNTS), list(COUNTS.values())), grid @ CELL + jitter, CELL)


def timed(work: Callable[[], object], repeat: int) -> str:
    work()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeat):
        work()
    return f"{(time.perf_counter() - wall) / repeat:.4f} ({(time.process_time() - cpu) / repeat:.4f})"


def measure(size: int, device: str, repeat: int) -> None:
    structures = interfaces(size)
    parameters = CryinganParameters(batch_size=size)
    data = prepare(structures, structures[0], parameters, device, "benchmark")
    assert data.distances is not None
    real = {"coordinates": data.coordinates, "distances": data.distances}
    nets = Adversaries(structures[0], parameters, 1, device)

    def generate() -> None:
        with torch.no_grad():
            nets.generator(torch.randn(size, parameters.latent_dim).to(device)).sum().item()

    print(f"batch {size}: step of the critics {timed(lambda: nets.step(real, False), repeat)}")
    print(f"batch {size}: step of critics and generator {timed(lambda: nets.step(real, True), repeat)}")
    print(f"batch {size}: generation {timed(generate, repeat)}")


@click.command()
@click.option("--batch", "batches", type=int, multiple=True, default=(16, 32), show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--repeat", default=5, show_default=True)
def main(batches: tuple[int, ...], device: str, repeat: int) -> None:
    device = choose_device(device)
    print(f"device {device}, {torch.get_num_threads()} threads; wall (CPU) seconds")
    for size in batches:
        measure(size, device, repeat)


if __name__ == "__main__":
    main()
