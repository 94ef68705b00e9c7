"""What DiffCSP minimises: it predicts the score of noisy coordinates, and the noise of lattices if they diffuse."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...errors import BadInput
from ...structures import StructureSet
from ..graphs.batch import Batch
from ..graphs.lattice import standard_orientation
from .config import DiffcspParameters
from .model import CSPNet
from .noise import Schedule, wrapped_normal_score


class Diffusion:
    """Training and validation structures with the noise that a network learns to find; a ``Problem`` of the loop."""

    monitor = "coordinates"

    def __init__(
        self, structures: StructureSet, validation: StructureSet | None, parameters: DiffcspParameters
    ) -> None:
        """Check the structures and build the network.

        Raises:
            BadInput: validation structures with elements that the training structures lack.
        """
        self.parameters = parameters
        self.sets = {False: structures.without_properties()}
        if validation is not None:
            _check_elements(structures, validation)
            self.sets[True] = validation.without_properties()
        self.n_training, self.n_validation = len(structures), len(validation) if validation is not None else 0
        self.max_z = int(structures.numbers.max())
        network = CSPNet(self.max_z, parameters)
        if parameters.normalise_lattice:
            network.shrink_lattice_weights(float((structures.cells**2).sum(axis=2).mean()))
        self.network: nn.Module = network
        self.schedule = Schedule.build(parameters.timesteps, parameters.sigma_begin, parameters.sigma_end)

    def n_atoms(self, indices: Sequence[int], validation: bool) -> int:
        """Return the number of atoms of some structures together."""
        return int(self.sets[validation].n_atoms[list(indices)].sum())

    def losses(
        self, network: nn.Module, indices: Sequence[int], validation: bool, epoch: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return ``loss`` and ``coordinates``, and ``lattice`` if it diffuses; see ``Problem``.

        Means over the atoms of each structure and then over the structures. While the lattice is teacher-forced, in
        training, the network is given the true one and the lattice has no part in ``loss``.
        """
        weight = next(network.parameters())
        batch = Batch.from_set(self.sets[validation], indices, weight.dtype)
        joint = self.parameters.lattice == "joint"
        forced = joint and not validation and epoch < self.parameters.teacher_forcing_epochs
        times, noisy, target, lattice_noise = self.add_noise(batch, generator, joint)
        given = (
            noisy
            if not forced
            else Batch(noisy.numbers, noisy.fractional, standard_orientation(batch.cells), noisy.counts)
        )
        given = given.to(weight.device)
        predicted_lattice, predicted = network(
            times.to(weight.device), given.numbers, given.fractional, given.cells, given.counts
        )
        squares = ((predicted - target.to(weight.device)) ** 2).mean(dim=1)
        sums = squares.new_zeros(len(batch)).index_add(0, given.structure, squares)
        coordinates = (sums / given.counts).mean()
        if not joint:
            return {"loss": coordinates, "coordinates": coordinates}
        lattice = ((predicted_lattice - lattice_noise.to(weight.device)) ** 2).mean()
        loss = coordinates if forced else coordinates + self.parameters.lattice_weight * lattice
        return {"loss": loss, "coordinates": coordinates, "lattice": lattice}

    def add_noise(self, batch: Batch, generator: torch.Generator, joint: bool) -> tuple[Tensor, Batch, Tensor, Tensor]:
        """Return time steps, the structures with the noise of them, and what the network is to predict.

        Args:
            batch: structures on the CPU.
            generator: of all random numbers.
            joint: whether the lattice gets noise too.

        Returns:
            Time steps 1 … T of the structures, ``(B,)``; noisy structures; score of the wrapped normal over its root
            mean square at that time, ``(N, 3)``; noise of the lattices, ``(B, 3, 3)``.
        """
        dtype, size = batch.fractional.dtype, len(batch)
        times = torch.randint(1, self.parameters.timesteps + 1, (size,), generator=generator)
        noise = torch.randn(batch.fractional.shape, generator=generator, dtype=dtype)
        lattice_noise = torch.randn(size, 3, 3, generator=generator, dtype=dtype)
        sigma = self.schedule.sigmas[times].to(dtype)[batch.structure, None]
        norm = self.schedule.norms[times].to(dtype)[batch.structure, None]
        moved = sigma * noise
        target = wrapped_normal_score(moved, sigma) / torch.sqrt(norm)
        cells = batch.cells
        if joint:
            kept = self.schedule.kept[times].to(dtype)[:, None, None]
            cells = torch.sqrt(kept) * standard_orientation(cells) + torch.sqrt(1 - kept) * lattice_noise
        fractional = torch.remainder(batch.fractional + moved, 1.0)
        return times, Batch(batch.numbers, fractional, cells, batch.counts), target, lattice_noise


def _check_elements(structures: StructureSet, validation: StructureSet) -> None:
    unknown = [element for element in validation.elements if element not in structures.elements]
    if unknown:
        raise BadInput(
            f"validation structures: {', '.join(unknown)} does not occur in the training structures "
            f"({', '.join(structures.elements)}), so the network cannot know it"
        )
