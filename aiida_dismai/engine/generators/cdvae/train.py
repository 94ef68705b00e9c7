"""Training of CDVAE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...context import Context
from ...errors import BadInput
from ...structures import StructureSet
from ..contract import Trained
from ..graphs.lattice import lengths_and_angles
from ..training.epochs import CHECKPOINT
from ..training.loop import fit
from ..training.randomness import seeded_weights
from . import scale_fitting
from .config import CdvaeParameters
from .data import CrystalData, Limits, prepare
from .losses import Noise, add_noise, losses
from .model import Cdvae, parameters_by_part

#: Structures to which the scale factors are fitted, each at another level of noise.
FITTED_STRUCTURES = 16
#: Graphs from one line of progress to the next.
REPORT_GRAPHS = 100
#: Weights that only training needs.
ENCODER = ("encoder.", "fc_mu.", "fc_var.")


class CdvaeProblem:
    """CDVAE as the shared training loop sees it; attributes as of :class:`~..training.problem.Problem`."""

    def __init__(
        self, network: Cdvae, data: CrystalData, held_out: CrystalData | None, parameters: CdvaeParameters
    ) -> None:
        """Keep network and data."""
        self.network: nn.Module = network
        self.data = data
        self.held_out = held_out
        self.parameters = parameters
        self.n_training = len(data)
        self.n_validation = 0 if held_out is None else len(held_out)
        self.monitor = "denoising"

    def _data(self, validation: bool) -> CrystalData:
        if not validation:
            return self.data
        assert self.held_out is not None
        return self.held_out

    def n_atoms(self, indices: Sequence[int], validation: bool) -> int:
        """Return the number of atoms of some structures together."""
        return int(self._data(validation).counts[list(indices)].sum())

    def losses(
        self, network: nn.Module, indices: Sequence[int], validation: bool, epoch: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the losses of a batch; the lattice is the true one in the first epochs of training only."""
        assert isinstance(network, Cdvae)
        batch, edges = self._data(validation).take(indices, network.lattice_mean.device)
        noise = Noise.draw(batch.counts, self.parameters, generator)
        true_lattice = not validation and epoch < self.parameters.teacher_forcing_epochs
        return losses(network, batch, edges, noise, self.parameters, true_lattice)


def train(
    structures: StructureSet,
    validation: StructureSet | None,
    parameters: CdvaeParameters,
    context: Context,
    device: str,
) -> Trained:
    """Train CDVAE and return the weights of the best validation; see ``TrainFunction`` for the contract.

    Raises:
        BadInput: structures that it cannot learn from, see :func:`~.data.prepare`; different compositions where the
            template's is to be generated.
        Diverged: a loss became NaN or infinite; the last good checkpoint is kept.
        OutOfMemory: a batch did not fit.
        Unfinished: out of time; a checkpoint is written.
    """
    limits = Limits.of(structures, parameters)
    if parameters.composition == "template":
        _require_one_composition(structures)

    def progress(done: int, total: int) -> None:
        if done % REPORT_GRAPHS == 0 or done == total:
            context.progress("graphs", done, total)

    data = prepare(structures, limits, parameters, "training structures", progress)
    held_out = None
    if validation is not None:
        held_out = prepare(validation, limits, parameters, "validation structures")
    with seeded_weights(context.required_seed()):
        network = Cdvae(parameters, limits)
    network.fit_lattice(*lengths_and_angles(data.cells.double()), data.counts)
    if parameters.fit_scale_factors and not (context.checkpoint / CHECKPOINT).is_file():
        fit_scale_factors(network, data, parameters, context.required_seed(), device)
    result = fit(CdvaeProblem(network, data, held_out, parameters), parameters, context, device)
    edges = int(data.edge_counts.sum()) / len(data.numbers)
    return Trained(
        weights={name: value for name, value in result.best.items() if not name.startswith(ENCODER)},
        trainable_parameters=parameters_by_part(network),
        curves=result.curves,
        results={**result.results, "encoder_edges_per_atom": edges},
        config={"max_atoms": limits.max_atoms, "max_atomic_number": limits.max_atomic_number},
    )


def fit_scale_factors(
    network: Cdvae, data: CrystalData, parameters: CdvaeParameters, seed: int, device: str
) -> dict[str, float]:
    """Fit GemNet's scale factors to training structures with noise of all levels; the network comes back to the CPU.

    Returns:
        The factors by published name.

    Raises:
        BadInput: no atom has a neighbour within the cutoff.
    """
    random = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(data), generator=random).repeat(FITTED_STRUCTURES)[:FITTED_STRUCTURES]
    steps = np.linspace(0, parameters.noise_levels - 1, FITTED_STRUCTURES).round().astype(int)
    network.to(device).eval()
    batches = []
    with torch.no_grad():
        for index, level in zip(chosen.tolist(), steps.tolist(), strict=True):
            batch, edges = data.take([index], device)
            drawn = Noise.draw(batch.counts, parameters, random)
            noise = Noise(
                drawn.latent, torch.full_like(drawn.level, level), drawn.coordinates, drawn.species_level, drawn.species
            ).to(batch.fractional)
            mean, log_variance = network.encode(batch, edges)
            z = mean + noise.latent * torch.exp(0.5 * log_variance)
            noisy = add_noise(network, batch, z, network.heads(z).composition, batch.cells, noise, parameters)
            batches.append(noisy.arguments())
    factors = scale_fitting.fit(network.decoder.gemnet, batches)
    network.to("cpu")
    return factors


def _require_one_composition(structures: StructureSet) -> None:
    def content(index: int) -> Any:
        return np.sort(structures.numbers[structures.atoms_of(index)]).tobytes()

    first = content(0)
    odd = [index for index in range(len(structures)) if content(index) != first]
    if odd:
        raise BadInput(
            f"training structures: structure {odd[0]} ({structures.formulas[odd[0]]}) is not {structures.formulas[0]} "
            f"({len(odd)} such), but composition is 'template': give 'head', or structures of one composition"
        )
