"""Periodic graphs of 264 atoms with 20 neighbours and their triplets; GemNet-T on them.

    OMP_NUM_THREADS=1 python benchmarks/graphs.py [--device cuda] [--only graphs]

Graphs: ours beside ASE's neighbour list with the same rules in NumPy and triplets by nested loops. GemNet-T at the
paper's size: forward and backward, time and memory, also in lean mode, and its sum over triplets beside the same sum
with one row per triplet, as published. Both sides of a ratio run in turns in one process and the fastest run of each
counts; CPU seconds on a CPU, wall seconds on a GPU.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import ase
import click
import numpy as np
import torch
from ase.neighborlist import neighbor_list
from torch import Tensor

from aiida_dismai.engine.device import choose_device
from aiida_dismai.engine.generators.cdvae.basis import zonal_harmonics
from aiida_dismai.engine.generators.cdvae.gemnet import GemNetT
from aiida_dismai.engine.generators.cdvae.gemnet_blocks import Bases, Bilinear
from aiida_dismai.engine.generators.cdvae.gemnet_graph import Neighbourhoods
from aiida_dismai.engine.generators.graphs.edges import Edges, radius_edges, symmetrise
from aiida_dismai.engine.generators.graphs.triplets import triplets_chain, triplets_same_target

CUTOFF, MAX_NEIGHBOURS = 7.0, 20
CELL = torch.tensor([[12.46997, 0.0, 0.0], [4.257784, 16.664331, 0.0], [0.0, 0.0, 33.1969]])
NUMBERS = torch.repeat_interleave(torch.tensor([3, 21, 27, 17, 8]), torch.tensor([72, 12, 36, 72, 72]))


def positions(kind: str, n: int, seed: int = 0) -> Tensor:
    """Return fractional coordinates of ``n`` structures in the interface cell: noisy grids, or anywhere."""
    random = torch.Generator().manual_seed(seed)
    if kind == "random":
        return torch.rand(n * 264, 3, generator=random)
    sizes = (4, 6, 11)
    grid = torch.stack(torch.meshgrid(*(torch.arange(k) / k for k in sizes), indexing="ij"), dim=-1).reshape(-1, 3)
    return (grid.repeat(n, 1) + 0.02 * torch.randn(n * 264, 3, generator=random)) % 1


def ours(fractional: Tensor, device: str) -> tuple[Edges, Edges, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return both graphs with their triplets: DimeNet's of the directed edges, GemNet's of the symmetric ones."""
    counts, cells = torch.tensor([264], device=device), CELL[None].to(device)
    directed = radius_edges(fractional.to(device) @ cells[0], cells, counts, CUTOFF, MAX_NEIGHBOURS)
    symmetric = symmetrise(directed)
    return directed, symmetric, triplets_chain(directed, 264), triplets_same_target(symmetric, 264)


def plain(fractional: Tensor) -> tuple[int, int, int, int]:
    """Return how many edges and triplets the same rules give with ASE, NumPy and loops."""
    atoms = ase.Atoms(NUMBERS.numpy(), cell=CELL.numpy(), pbc=True, scaled_positions=fractional.numpy())
    target, source, distance, image = neighbor_list("ijdS", atoms, CUTOFF)
    order = np.lexsort((distance, target))
    target, source, image = target[order], source[order], image[order]
    rank = np.arange(len(target)) - np.searchsorted(target, target)
    target, source, image = target[rank < MAX_NEIGHBOURS], source[rank < MAX_NEIGHBOURS], image[rank < MAX_NEIGHBOURS]
    into: list[list[int]] = [[] for _ in range(264)]
    for edge, atom in enumerate(target):
        into[atom].append(edge)
    chain = [(k, e) for e, j in enumerate(source) for k in into[j] if source[k] != target[e]]
    kept = [
        (j, i) for j, i, s in zip(source, target, map(tuple, image), strict=True) if j < i or (j == i and s < (0, 0, 0))
    ]
    symmetric = kept + [(i, j) for j, i in kept]
    into = [[] for _ in range(264)]
    for edge, (_, atom) in enumerate(symmetric):
        into[atom].append(edge)
    pairs = [(b, e) for e, (_, i) in enumerate(symmetric) for b in into[i] if b != e]
    return len(target), len(symmetric), len(chain), len(pairs)


def best(device: str, repeat: int, *works: Callable[[], object]) -> list[float]:
    """Return the seconds of the fastest run of each, run in turns."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    fastest = [float("inf")] * len(works)
    for _ in range(repeat + 1):
        for number, work in enumerate(works):
            start = clock()
            work()
            if device != "cpu":
                torch.cuda.synchronize()
            fastest[number] = min(fastest[number], clock() - start)
    return fastest


def graphs(device: str, repeat: int) -> None:
    for kind in ("interface", "random"):
        fractional = positions(kind, 1)
        directed, symmetric, chain, pairs = ours(fractional, device)
        sizes = (len(directed), len(symmetric), len(chain[0]), len(pairs[0]))
        # Among equally distant neighbours the two may choose differently.
        assert np.allclose(sizes, plain(fractional), rtol=2e-3), (sizes, plain(fractional))
        cells, counts = CELL[None].to(device), torch.tensor([264], device=device)
        cartesian = (fractional @ CELL).to(device)
        seconds = best(
            device,
            repeat,
            lambda p=cartesian, c=cells, n=counts: radius_edges(p, c, n, CUTOFF, MAX_NEIGHBOURS),
            lambda e=directed: triplets_chain(e, 264),
            lambda e=directed: triplets_same_target(symmetrise(e), 264),
            lambda f=fractional: ours(f, device),
            lambda f=fractional: plain(f),
        )
        print(
            f"{kind}, 264 atoms: {sizes[0]} directed and {sizes[1]} symmetric edges, {sizes[2]} and {sizes[3]} triplets"
        )
        names = ("edges", "triplets of DimeNet", "symmetric edges and triplets of GemNet", "all", "ASE and loops, all")
        for name, value in zip(names, seconds, strict=True):
            print(f"  {name}: {1e3 * value:.1f} ms")
        print(f"  ratio: {seconds[4] / seconds[3]:.0f}")


def network(lean: bool, device: str) -> GemNetT:
    return GemNetT(256, max_z=27, lean=lean, random=torch.Generator().manual_seed(0)).to(device)


def batch(n: int, device: str) -> tuple[Tensor, ...]:
    latents = torch.randn(n, 256, generator=torch.Generator().manual_seed(1))
    values = (latents, positions("interface", n), NUMBERS.repeat(n), torch.tensor([264] * n), CELL.repeat(n, 1, 1))
    return tuple(value.to(device) for value in values)


def step(net: GemNetT, arguments: tuple[Tensor, ...]) -> None:
    net.zero_grad()
    net(*arguments)[1].square().sum().backward()


def most() -> int:
    """Return the bytes that this process has held at most; what getrusage says counts the parent's, too."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def peak(lean: bool, n: int, device: str, queue: multiprocessing.Queue[float]) -> None:
    """Put the bytes per structure of a step, beyond what the process held before; run in a process of its own."""
    net, arguments = network(lean, device), batch(n, device)
    latents, fractional, numbers, _, cells = arguments
    few = (latents[:1], fractional[:8], numbers[:8], torch.tensor([8], device=device), cells[:1])
    step(net, few)  # libraries and gradients are there before
    if device == "cpu":
        before = most()
        step(net, arguments)
        taken = float(most() - before)
    else:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step(net, arguments)
        taken = float(torch.cuda.max_memory_allocated() - before)
    queue.put(taken / n)


def peak_of(lean: bool, n: int, device: str) -> float:
    # Else glibc keeps what was freed, and the peak is up to 3 × what is in use.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", "65536")
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[float] = context.Queue()
    process = context.Process(target=peak, args=(lean, n, device, queue))
    process.start()
    value = queue.get()
    process.join()
    return value


def published_sum(
    layer: Bilinear, messages: Tensor, circular: Tensor, near: Neighbourhoods, pairs: tuple[Tensor, Tensor]
) -> Tensor:
    """The same sum with a row for each triplet, padded to the most triplets of one edge."""
    into, out = pairs
    cosines = (near.directions[into] * near.directions[out]).sum(-1).clamp(-1, 1)
    triplets = torch.bincount(out, minlength=len(messages))
    place = torch.arange(len(out), device=out.device) - (triplets.cumsum(0) - triplets)[out]
    width = int(triplets.max())
    harmonics = messages.new_zeros(len(messages), width, 7).index_put((out, place), zonal_harmonics(cosines, 7))
    padded = messages.new_zeros(len(messages), width, messages.shape[1]).index_put((out, place), messages[into])
    summed = circular @ (harmonics.mT @ padded)
    return (summed.permute(2, 0, 1) @ layer.weight).sum(0)


def gemnet(device: str, repeat: int) -> None:
    nets = network(False, device), network(True, device)
    for n in (1, 4):
        arguments = batch(n, device)

        def forward(arguments: tuple[Tensor, ...] = arguments) -> None:
            with torch.no_grad():
                nets[0](*arguments)

        seconds = best(device, repeat, forward, *(lambda net=net, a=arguments: step(net, a) for net in nets))
        print(
            f"GemNet-T, {n} × 264 atoms: forward {seconds[0] / n:.3f} s, forward and backward {seconds[1] / n:.3f} s",
            end="",
        )
        print(f", lean {seconds[2] / n:.3f} s ({seconds[2] / seconds[1]:.2f} ×) per structure")
    memory = [peak_of(lean, 4, device) / 1e6 for lean in (False, True)]
    print(f"  peak memory per structure: {memory[0]:.0f} MB, lean {memory[1]:.0f} MB: {memory[0] / memory[1]:.1f} ×")

    near = nets[0].neighbourhoods(*(batch(1, device)[i] for i in (1, 3, 4)))
    edges = Edges(near.source, near.target, torch.zeros(len(near.source), 3, dtype=torch.int64, device=device))
    pairs = triplets_same_target(edges, 264)
    layer = nets[0].int_blocks[0].trip_interaction.mlp_cbf
    messages = torch.randn(len(near.source), 64, device=device, requires_grad=True)
    circular = torch.randn(len(near.source), 16, 7, device=device, requires_grad=True)
    one = torch.zeros(0, device=device)

    def slots() -> Tensor:
        return layer(messages, Bases(one, one, one, circular, near.angles(7)), near)

    def rows() -> Tensor:
        return published_sum(layer, messages, circular, near, pairs)

    first, second = slots(), rows()
    assert (first - second).abs().max() < 1e-4 * second.abs().max()
    seconds = best(device, repeat, lambda: slots().sum().backward(), lambda: rows().sum().backward())
    print(
        f"  sum over {len(pairs[0])} triplets of one block, forward and backward: {1e3 * seconds[0]:.0f} ms; ", end=""
    )
    print(f"with a row for each triplet {1e3 * seconds[1]:.0f} ms: {seconds[1] / seconds[0]:.1f} ×")


PARTS: dict[str, Callable[[str, int], None]] = {"graphs": graphs, "gemnet": gemnet}


@click.command()
@click.option("--only", type=click.Choice(list(PARTS)))
@click.option("--device", default="auto", show_default=True)
@click.option("--repeat", default=5, show_default=True)
def main(only: str | None, device: str, repeat: int) -> None:
    device = choose_device(device)
    print(f"device {device}, {torch.get_num_threads()} threads; {'CPU' if device == 'cpu' else 'wall'} seconds")
    for name, part in PARTS.items():
        if only in (None, name):
            part(device, repeat)


if __name__ == "__main__":
    main()
