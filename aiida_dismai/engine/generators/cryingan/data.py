"""What CryinGAN can learn from, and how it sees it: one cell, one list of atoms, fractional coordinates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...errors import BadInput
from ...structures import StructureSet
from ..one_cell import check_same_atoms, check_same_cell, fractional_coordinates
from .config import CryinganParameters
from .distances import NeighborDistances
from .views import need_distances, views

#: Å; two atoms nearer than this are an error of the data and no structure to learn.
OVERLAP = 0.5


@dataclass(frozen=True)
class TrainingData:
    """Structures as tensors.

    Attributes:
        coordinates: fractional, in [0, 1), ``(M, n, 3)`` float32.
        distances: to the nearest neighbours, Å, ``(M, n, n_neighbors)`` float32; None without a distance critic.
    """

    coordinates: Tensor
    distances: Tensor | None

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.coordinates)

    def views(self, chosen: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """Return what critics see of structures.

        Args:
            chosen: indices of structures, ``(B,)`` int64.
            names: of the critics.
        """
        return views(names, self.coordinates[chosen], self.distances_of(chosen, names))

    def distances_of(self, chosen: Tensor, names: Collection[str]) -> Tensor | None:
        """Return the distances in structures, ``(B, n, n_neighbors)``; None if none of these critics sees them."""
        return self.distances[chosen] if self.distances is not None and need_distances(names) else None


def prepare(
    structures: StructureSet, template: StructureSet, parameters: CryinganParameters, device: str, where: str
) -> TrainingData:
    """Check structures against the template and turn them into tensors.

    Args:
        structures: training or validation structures.
        template: a set whose first structure has the atoms and the cell that all must have.
        parameters: hyper-parameters.
        device: where the tensors go.
        where: named in errors.

    Raises:
        BadInput: other atoms, elements that are not grouped, another cell, atoms outside a cell along an
            axis that is no period, atoms on top of each other, too few atoms for the neighbours.
    """
    check_same_atoms(structures, template, "CryinGAN averages over the atoms of each element", where)
    check_same_cell(structures, template, "CryinGAN", where)
    fractional = fractional_coordinates(structures)
    for axis in np.flatnonzero(~template.pbc[0]):
        outside = (fractional[:, :, axis] < 0) | (fractional[:, :, axis] > 1)
        if outside.any():
            raise BadInput(
                f"{where}: structure {np.flatnonzero(outside.any(axis=1))[0]} has atoms outside the cell along axis "
                f"{axis}, which is not periodic; move them inside or make the axis periodic"
            )
    wrapped = fractional.astype(np.float32)
    wrapped[(wrapped >= 1) & template.pbc[0]] = 0.0  # what rounds up to 1 is the same point
    coordinates = torch.from_numpy(wrapped).to(device)
    return TrainingData(coordinates, _check_distances(coordinates, template, parameters, device, where))


def distances_of(template: StructureSet, n_neighbors: int, device: str) -> NeighborDistances:
    """Return the function from fractional coordinates to distances in the template's cell."""
    return NeighborDistances(template.cells[0], template.pbc[0], n_neighbors, device)


def _check_distances(
    coordinates: Tensor, template: StructureSet, parameters: CryinganParameters, device: str, where: str
) -> Tensor | None:
    """Refuse overlapping atoms; return the distances where a critic will see them."""
    seen = need_distances(parameters.judges())
    if coordinates.shape[1] == 1 and not seen:
        return None
    with torch.no_grad():
        distances = distances_of(template, parameters.n_neighbors if seen else 1, device)(coordinates)
    nearest = distances[..., 0]
    if nearest.min() < OVERLAP:
        structure, atom = divmod(int(nearest.argmin()), coordinates.shape[1])
        count = int((nearest.min(dim=1).values < OVERLAP).sum())
        raise BadInput(
            f"{where}: atom {atom} of structure {structure} is {float(nearest.min()):.3f} Å from another atom "
            f"(structures with atoms closer than {OVERLAP} Å: {count}); remove these structures or relax them"
        )
    if parameters.critic == "cgcnn" and nearest.min() > parameters.cgcnn_cutoff:
        raise BadInput(
            f"{where}: no two atoms are within cgcnn_cutoff {parameters.cgcnn_cutoff:g} Å of each other, so "
            f"there is no graph; the nearest are {float(nearest.min()):.3f} Å apart, take more than that"
        )
    return distances if seen else None
