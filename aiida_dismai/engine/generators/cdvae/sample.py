"""Generation with a trained CDVAE: heads say what there is, annealed Langevin dynamics where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...device import matrix_products
from ...errors import BadWeights
from ...structures import StructureSet
from ..contract import TrainedGenerator
from ..graphs.batch import structure_of, to_cartesian, to_fractional
from ..graphs.lattice import standard_orientation
from ..seeds import stream
from .config import CdvaeParameters
from .data import Limits
from .losses import levels
from .model import Cdvae, Heads


def load_network(trained: TrainedGenerator, device: str) -> Cdvae:
    """Return the network without its encoder, in evaluation mode.

    Raises:
        BadWeights: the weights do not fit hyper-parameters and configuration.
    """
    parameters = trained.parameters
    assert isinstance(parameters, CdvaeParameters)
    try:
        limits = Limits(int(trained.config["max_atoms"]), int(trained.config["max_atomic_number"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadWeights(f"configuration of a CDVAE without max_atoms or max_atomic_number ({error})") from error
    with torch.device("meta"):
        network = Cdvae(parameters, limits, with_encoder=False)
    try:
        network.load_state_dict(trained.weights, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())  # torch's has a line for each tensor
        raise BadWeights(f"weights of CDVAE do not fit its configuration: {reason}") from error
    if parameters.composition == "template" and int(trained.template.numbers.max()) > limits.max_atomic_number:
        raise BadWeights(
            f"the template {trained.template.formulas[0]} has elements above atomic number {limits.max_atomic_number}, "
            "which this CDVAE does not know; give weights and template of one training"
        )
    return network.to(device).eval()


@torch.no_grad()
def sample(generator: TrainedGenerator, indices: Sequence[int], seed: int, device: str) -> StructureSet:
    """Generate the structures with these indices; see ``SampleFunction`` for the contract.

    On a CPU they are generated one by one, where that costs nothing, so each is the same to the last digit however the
    work is divided. On a GPU they are generated together, and Langevin dynamics may carry the rounding that depends on
    the size of the batch on to the structure.
    """
    network = load_network(generator, device)
    parameters = generator.parameters
    assert isinstance(parameters, CdvaeParameters)
    groups = [[index] for index in indices] if device == "cpu" else [list(indices)]
    turn = _orientation(generator.template)
    made = []
    with matrix_products(parameters.precision):
        for group in groups:
            made.append(_generate(network, parameters, generator.template, [stream(seed, i) for i in group], turn))
    return StructureSet.concatenate(made)


def _generate(
    network: Cdvae,
    parameters: CdvaeParameters,
    template: StructureSet,
    streams: Sequence[np.random.Generator],
    turn: NDArray[np.float64],
) -> StructureSet:
    """Generate one structure per random stream."""
    device = network.lattice_mean.device
    z = draw_latents(network, parameters, streams)
    heads = network.heads(z)
    if parameters.composition == "template":
        species = [template.numbers.astype(np.int64)] * len(streams)
    else:
        species = predicted_species(network, heads, streams)
    counts = torch.tensor([len(own) for own in species], device=device)
    cells = network.predicted_cells(heads.lattice, counts.to(z.dtype))
    start = np.concatenate([own.random((len(s), 3), dtype=np.float32) for own, s in zip(streams, species, strict=True)])
    numbers = torch.from_numpy(np.concatenate(species)).to(device)
    fractional, numbers = langevin(
        network, parameters, z, torch.from_numpy(start).to(z), numbers, counts, cells, streams
    )
    positions = to_cartesian(fractional.double(), cells.double(), structure_of(counts)).cpu().numpy()
    return _structures(numbers.cpu().numpy(), positions, cells.double().cpu().numpy(), counts.tolist(), template, turn)


def draw_latents(network: Cdvae, parameters: CdvaeParameters, streams: Sequence[np.random.Generator]) -> Tensor:
    """Draw the latents of structures, ``(B, latent_dim)``, the first numbers of each stream."""
    z = np.stack([own.standard_normal(parameters.latent_dim, dtype=np.float32) for own in streams])
    return torch.from_numpy(z).to(network.lattice_mean)


def predicted_species(network: Cdvae, heads: Heads, streams: Sequence[np.random.Generator]) -> list[NDArray[np.int64]]:
    """Return the atomic numbers with which each structure begins, as the heads say."""
    # a structure of no atoms, class 0, is none
    sizes = (heads.atoms[:, 1:].argmax(dim=1) + 1).tolist()
    shares = network.fractions(heads.composition).double().cpu().numpy()
    return [compose(*each) for each in zip(shares, sizes, streams, strict=True)]


def langevin(
    network: Cdvae,
    parameters: CdvaeParameters,
    z: Tensor,
    fractional: Tensor,
    numbers: Tensor,
    counts: Tensor,
    cells: Tensor,
    streams: Sequence[np.random.Generator],
) -> tuple[Tensor, Tensor]:
    """Follow the decoder's scores from the largest to the smallest noise.

    At each level x ← x + step · displacement / σ + √(2 step) ε, with step = ``step_size`` (σ / σ_last)². Species change
    too if they are denoised and not the template's.

    Args:
        network: of which the decoder is used.
        parameters: hyper-parameters.
        z: latents, ``(B, latent_dim)``.
        fractional: where to start, ``(N, 3)``.
        numbers: atomic numbers, ``(N,)``.
        counts: atoms of each structure, ``(B,)``.
        cells: Å, ``(B, 3, 3)``.
        streams: of each structure, for ε.

    Returns:
        Fractional coordinates in [0, 1) and atomic numbers.
    """
    structure = structure_of(counts, len(numbers))
    sizes = counts.tolist()
    sigmas = levels(parameters.sigma_begin, parameters.sigma_end, parameters.noise_levels, cells).tolist()
    for sigma in sigmas:
        step = parameters.step_size * (sigma / sigmas[-1]) ** 2
        drawn = [
            own.standard_normal((parameters.langevin_steps, n, 3), dtype=np.float32)
            for own, n in zip(streams, sizes, strict=True)
        ]
        noise = torch.from_numpy(np.concatenate(drawn, axis=1)).to(fractional)
        for each in noise:
            displacement, scores = network.decoder(z, fractional, numbers, counts, cells)
            positions = to_cartesian(fractional, cells, structure)
            positions = positions + (step / sigma) * displacement + (2 * step) ** 0.5 * each
            fractional = to_fractional(positions, cells, structure)
            if scores is not None and parameters.composition == "head":
                numbers = scores.argmax(dim=1) + 1
    return fractional, numbers


def compose(shares: NDArray[np.float64], size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return atomic numbers, ``(size,)``, that have these shares of the elements as nearly as whole atoms can.

    Numbers of atoms are rounded; missing atoms are drawn by what the rounding took away, surplus ones are removed
    at random, as published.

    Args:
        shares: of the elements 1, 2, …, sum 1.
        size: number of atoms.
        random: stream of the structure.
    """
    whole = np.rint(shares * size).astype(np.int64)
    species = np.repeat(np.arange(1, len(shares) + 1), whole)
    missing = size - len(species)
    if missing > 0:
        left = np.maximum(shares - whole / size, 0.0)
        left = left if left.sum() > 0 else shares
        drawn = random.choice(len(shares), size=missing, p=left / left.sum()) + 1
        species = np.concatenate([species, drawn])
    return np.asarray(random.permutation(species)[:size], dtype=np.int64)


def _orientation(template: StructureSet) -> NDArray[np.float64]:
    """Return the rotation from the standard orientation of a cell to the template's, ``(3, 3)``, for row vectors."""
    cell = template.cells[:1] * np.sign(np.linalg.det(template.cells[0]))
    standard = standard_orientation(torch.from_numpy(cell)).numpy()[0]
    # The nearest rotation: the product is one up to rounding.
    left, _, right = np.linalg.svd(np.linalg.solve(standard, cell[0]))
    return np.asarray(left @ right)


def _structures(
    numbers: NDArray[np.int64],
    positions: NDArray[np.float64],
    cells: NDArray[np.float64],
    counts: Sequence[int],
    template: StructureSet,
    turn: NDArray[np.float64],
) -> StructureSet:
    """Return a set, turned like the template, the atoms grouped by element in the template's order, then by number."""
    known = list(dict.fromkeys(template.numbers.tolist()))
    rank = np.arange(256) + 256
    rank[known] = np.arange(len(known))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    structure = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort([np.arange(len(numbers)), rank[numbers], structure])
    return StructureSet(
        numbers[order], (positions @ turn)[order], cells @ turn, np.ones((len(counts), 3), dtype=bool), offsets
    )
