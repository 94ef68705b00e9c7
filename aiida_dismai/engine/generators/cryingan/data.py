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
        seen = {"coordinates": self.coordinates, "distances": self.distances}
        return {name: values[chosen] for name, values in seen.items() if name in names and values is not None}


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
    seen = parameters.critics != "coordinates"
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
    return distances if seen else None
