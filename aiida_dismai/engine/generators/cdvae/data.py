"""What CDVAE can learn from, and how it is kept: tensors of all structures, and the graphs that the encoder sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...crystalnn.errors import CrystalNNError
from ...errors import BadInput
from ...structures import StructureSet
from ..graphs.batch import Batch, fractional_of, ranges, structure_of, wrap
from ..graphs.bonds import crystalnn_edges
from ..graphs.edges import Edges, radius_edges
from ..graphs.lattice import FLAT, lengths_and_angles, standard_orientation
from .config import CdvaeParameters

#: Å; two atoms nearer than this are an error of the data and no structure to learn.
OVERLAP = 0.5


@dataclass(frozen=True)
class Limits:
    """What the heads can name.

    Attributes:
        max_atoms: largest number of atoms.
        max_atomic_number: highest atomic number.
    """

    max_atoms: int
    max_atomic_number: int

    @classmethod
    def of(cls, structures: StructureSet, parameters: CdvaeParameters) -> Limits:
        """Return those that are asked for, or what the structures need."""
        return cls(
            parameters.max_atoms or int(structures.n_atoms.max()),
            parameters.max_atomic_number or int(structures.numbers.max()),
        )


@dataclass(frozen=True)
class CrystalData:
    """``M`` structures with ``N`` atoms and the ``E`` edges of the encoder's graphs, on the CPU.

    Attributes:
        numbers: atomic numbers, ``(N,)`` int64.
        fractional: in [0, 1), ``(N, 3)`` float32.
        cells: in the standard orientation, Å, ``(M, 3, 3)`` float32.
        counts: atoms of each structure, ``(M,)`` int64.
        source: of each edge, counted within its structure, ``(E,)`` int32.
        target: the same.
        image: of each edge, ``(E, 3)`` int16.
        edge_counts: edges of each structure, ``(M,)`` int64.
    """

    numbers: Tensor
    fractional: Tensor
    cells: Tensor
    counts: Tensor
    source: Tensor
    target: Tensor
    image: Tensor
    edge_counts: Tensor

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.counts)

    def take(self, indices: Sequence[int], device: str | torch.device = "cpu") -> tuple[Batch, Edges]:
        """Return some structures, and the encoder's edges between their atoms."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        counts, edge_counts = self.counts[chosen], self.edge_counts[chosen]
        atoms = ranges((self.counts.cumsum(0) - self.counts)[chosen], counts)
        rows = ranges((self.edge_counts.cumsum(0) - self.edge_counts)[chosen], edge_counts)
        first = (counts.cumsum(0) - counts)[structure_of(edge_counts)]
        edges = Edges(self.source[rows] + first, self.target[rows] + first, self.image[rows].to(torch.int64))
        batch = Batch(self.numbers[atoms], self.fractional[atoms], self.cells[chosen], counts)
        return batch.to(device), edges.to(device)


def prepare(
    structures: StructureSet,
    limits: Limits,
    parameters: CdvaeParameters,
    where: str,
    progress: Callable[[int, int], None] | None = None,
) -> CrystalData:
    """Check structures, turn them into tensors and make the encoder's graphs.

    Args:
        structures: training or validation structures.
        limits: what the heads can name.
        parameters: hyper-parameters.
        where: named in errors.
        progress: called with the number of graphs made and the total.

    Raises:
        BadInput: coordinates that are not finite, cells that are flat or not periodic in three directions, more atoms
            or other elements than the model is made for, atoms on top of each other, sites without CrystalNN bonds.
    """
    structures.require(where)
    _check(structures, limits, where)
    turned = upright(structures)
    _check_overlaps(turned, where)
    edges = []
    for index in range(len(turned)):
        edges.append(_encoder_edges(turned[index], parameters, f"{where}: structure {index}"))
        if progress is not None:
            progress(index + 1, len(turned))
    batch = Batch.from_set(turned)
    return CrystalData(
        batch.numbers,
        batch.fractional,
        batch.cells,
        batch.counts,
        torch.cat([own.source for own in edges]).to(torch.int32),
        torch.cat([own.target for own in edges]).to(torch.int32),
        torch.cat([own.image for own in edges]).to(torch.int16),
        torch.tensor([len(own) for own in edges], dtype=torch.int64),
    )


def upright(structures: StructureSet) -> StructureSet:
    """Turn structures so that their cells are in the standard orientation, as the decoder makes them.

    A left-handed cell is replaced by the right-handed one of the reversed vectors, so that nothing is mirrored. Atoms
    are wrapped into the cell.
    """
    hand = np.sign(np.linalg.det(structures.cells))
    cells = standard_orientation(torch.from_numpy(structures.cells)).numpy()
    fractional = wrap(fractional_of(structures) * hand[structures.atom_structure, None])
    positions = np.einsum("ni,nij->nj", fractional, cells[structures.atom_structure])
    return StructureSet(structures.numbers, positions, cells, structures.pbc, structures.offsets)


def _check(structures: StructureSet, limits: Limits, where: str) -> None:
    def refuse(bad: Any, what: str, advice: str) -> None:
        if bad.any():
            raise BadInput(f"{where}: structure {int(np.argmax(bad))} {what} ({int(bad.sum())} such); {advice}")

    refuse(
        ~structures.pbc.all(axis=1),
        "is not periodic in all three directions",
        "CDVAE knows periodic structures only: give a slab a period with vacuum and set pbc",
    )
    refuse(structures.n_atoms == 0, "has no atoms", "remove such structures")
    refuse(
        structures.n_atoms > limits.max_atoms,
        f"has more atoms than {limits.max_atoms}, for which the model is made",
        "raise max_atoms, or leave it out and put the largest structure into the training set",
    )
    highest = np.maximum.reduceat(structures.numbers, structures.offsets[:-1])
    refuse(
        highest > limits.max_atomic_number,
        f"has an element above atomic number {limits.max_atomic_number}, for which the model is made",
        "raise max_atomic_number, or leave it out and let the training set have all elements",
    )
    _, angles = lengths_and_angles(torch.from_numpy(structures.cells))
    cos, sin = np.cos(np.deg2rad(angles.numpy())), np.sin(np.deg2rad(angles.numpy()))
    star = (cos[:, 0] * cos[:, 1] - cos[:, 2]) / (sin[:, 0] * sin[:, 1])
    refuse(
        ~(np.abs(star) < FLAT),
        "has a cell so skewed that it is nearly flat",
        "choose shorter lattice vectors (Niggli reduction)",
    )


def _check_overlaps(structures: StructureSet, where: str) -> None:
    for index in range(len(structures)):
        batch = Batch.from_set(structures, [index], torch.float64)
        near = radius_edges(batch.cartesian(), batch.cells, batch.counts, OVERLAP, 1, smallest=0.0)
        if len(near):
            raise BadInput(
                f"{where}: atoms {int(near.target[0])} and {int(near.source[0])} of structure {index} are less than "
                f"{OVERLAP} Å apart; remove such structures or relax them"
            )


def _encoder_edges(structure: StructureSet, parameters: CdvaeParameters, where: str) -> Edges:
    if parameters.encoder_graph == "radius":
        batch = Batch.from_set(structure, dtype=torch.float64)
        return radius_edges(batch.cartesian(), batch.cells, batch.counts, parameters.cutoff, parameters.max_neighbours)
    try:
        source, target, image = crystalnn_edges(structure)
    except CrystalNNError as error:
        raise BadInput(f"{where}: no CrystalNN graph ({error}); give encoder_graph 'radius'") from error
    return Edges(torch.from_numpy(source), torch.from_numpy(target), torch.from_numpy(image))
