"""The loss of the paper's eq. 7, and the sums from which mean absolute errors follow."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..memory import naming
from ..structures import StructureSet
from .graphs import GraphBuilder

if TYPE_CHECKING:
    from matgl.apps.pes import Potential


@dataclass
class Output:
    """What a potential gives for a batch of ``b`` structures with ``m`` atoms in all.

    Attributes:
        energy: above the references, eV, ``(b,)``.
        forces: eV/Å, ``(m, 3)``.
        stress: GPa, ``(b, 3, 3)``.
        sizes: atoms per structure, ``(b,)``.
    """

    energy: torch.Tensor
    forces: torch.Tensor
    stress: torch.Tensor
    sizes: torch.Tensor


def memory_hint() -> AbstractContextManager[None]:
    """Turn errors of memory into one that says what to do.

    Raises:
        OutOfMemory: the device, or the machine, ran out of memory.
    """
    return naming("out of memory", "lower micro_batch_size")


def compute(
    potential: Potential, builder: GraphBuilder, structures: StructureSet, chosen: Sequence[int] | NDArray[np.integer]
) -> Output:
    """Compute energies, forces and stresses of some structures at once."""
    graph, cells = builder.batch(structures, chosen)
    device = potential.data_mean.device
    graph, cells = graph.to(device), cells.to(device)
    with memory_hint():
        energy, forces, stress, _ = potential(graph, cells)
    sizes = torch.bincount(graph.batch, minlength=len(chosen))
    return Output(energy.reshape(-1), forces, stress.reshape(-1, 3, 3), sizes)


@dataclass(frozen=True)
class Labels:
    """Labels of a whole set, in the precision and on the scale of the network.

    Attributes:
        structures: the labelled set.
        energy_per_atom: above the references, eV/atom, ``(n,)`` float32.
    """

    structures: StructureSet
    energy_per_atom: NDArray[np.float32]

    @classmethod
    def above(cls, structures: StructureSet, reference_energies: NDArray[np.float64]) -> Labels:
        """Subtract the references ``(n,)`` (eV) in double precision, before anything is rounded."""
        above = (structures.values("energy") - reference_energies) / structures.n_atoms
        return cls(structures, above.astype(np.float32))

    def errors(self, output: Output, chosen: Sequence[int] | NDArray[np.integer]) -> tuple[torch.Tensor, ...]:
        """Return the errors of energy per atom ``(b,)``, forces ``(m, 3)`` and stress ``(b, 3, 3)``."""
        device = output.energy.device
        frames = np.asarray(chosen)
        forces = self.structures.values("forces")
        wanted = np.concatenate([forces[self.structures.atoms_of(int(i))] for i in frames])
        stress = self.structures.values("stress")[frames]

        def tensor(values: NDArray[np.floating]) -> torch.Tensor:
            return torch.from_numpy(values.astype(np.float32)).to(device)

        return (
            output.energy / output.sizes - tensor(self.energy_per_atom[frames]),
            output.forces - tensor(wanted),
            output.stress - tensor(stress),
        )


def loss_part(
    errors: tuple[torch.Tensor, ...], weights: tuple[float, float, float], batch: int, atoms: int
) -> torch.Tensor:
    """Return the part of eq. 7 that a micro-batch adds to the loss of its batch.

    Sums over the micro-batch are divided by the sizes of the whole batch, so that the parts add up to the
    mean squared errors of the batch however it is cut.

    Args:
        errors: of energy per atom, forces and stress.
        weights: of the same.
        batch: structures in the whole batch.
        atoms: atoms in the whole batch.
    """
    terms = (batch, 3 * atoms, 9 * batch)
    parts = [weight * error.square().sum() / count for error, weight, count in zip(errors, weights, terms, strict=True)]
    return parts[0] + parts[1] + parts[2]


@dataclass
class ErrorSums:
    """Running sums of absolute errors.

    Attributes:
        structures: structures seen.
        atoms: atoms seen.
        energy: sum of |error of the energy per atom|, eV/atom.
        forces: sum over components, eV/Å.
        stress: sum over components, GPa.
    """

    structures: int = 0
    atoms: int = 0
    energy: float = 0.0
    forces: float = 0.0
    stress: float = 0.0

    def add(self, errors: tuple[torch.Tensor, ...]) -> None:
        """Add a batch."""
        self.structures += len(errors[0])
        self.atoms += len(errors[1])
        # One transfer from the device, in double precision: a plain sum over an epoch would lose digits.
        sums = torch.stack([error.detach().abs().double().sum() for error in errors]).tolist()
        self.energy += sums[0]
        self.forces += sums[1]
        self.stress += sums[2]

    def means(self) -> tuple[float, float, float]:
        """Return the mean absolute errors in eV/atom, eV/Å and GPa; NaN when nothing was added."""
        if not self.structures:
            return (float("nan"),) * 3
        return self.energy / self.structures, self.forces / (3 * self.atoms), self.stress / (9 * self.structures)
