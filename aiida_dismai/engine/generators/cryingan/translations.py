"""Augmentation by lattice translations, made when a batch is taken instead of stored.

A supercell of n₁ × n₂ × n₃ lattice cells looks the same, but for which atom is where, from any of them. So each
structure stands for n₁ n₂ n₃ images, itself among them: shifted by multiples of a/n₁, b/n₂, c/n₃ and wrapped. An epoch
passes over all images of all structures in one random order. Image ``t`` of structure ``m`` has the index
``m · n₁ n₂ n₃ + t``; what a batch needs is computed from its indices, so nothing is kept but the structures themselves.

Distances do not change when a whole structure is shifted: those of the structure serve all its images. The order of
the atoms does not change either. The critics' scores do not depend on it within an element; the gradient penalty,
which mixes atom i of a training structure with atom i of a generated one, may pair any two.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from ...errors import BadInput
from ...structures import StructureSet
from .data import TrainingData, distances_of
from .views import views

#: Å; atoms of a shifted lattice meet the lattice but for their vibrations: median over the atoms of one structure.
LATTICE_TOLERANCE = 0.4


class Images:
    """All images of all training structures, by index.

    Attributes:
        data: the structures.
        shifts: of the images, in fractional coordinates, ``(T, 3)`` float64; the first is zero.
    """

    def __init__(self, data: TrainingData, template: StructureSet, counts: Sequence[int], where: str) -> None:
        """Check that these are translations of the structures' lattice.

        Args:
            data: from :func:`~.data.prepare`.
            template: a set whose first structure has the cell of all.
            counts: lattice cells along the three axes; 1 where nothing is shifted.
            where: named in errors.

        Raises:
            BadInput: a shift along an axis that is no period, or one that does not bring sites to sites.
        """
        self.data = data
        device = data.coordinates.device
        axes = [torch.arange(count, dtype=torch.float64, device=device) / count for count in counts]
        self.shifts = torch.cartesian_prod(*axes)
        self._shifted = torch.tensor([count > 1 for count in counts], device=device)
        for axis, count in enumerate(counts):
            if count > 1:
                self._check_axis(template, axis, count, where)

    def __len__(self) -> int:
        """Return the number of images of all structures."""
        return len(self.data) * len(self.shifts)

    def views(self, chosen: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """Return what critics see of images.

        Args:
            chosen: indices of images, ``(B,)`` int64.
            names: of the critics.
        """
        structures = chosen // len(self.shifts)
        coordinates = self.data.coordinates[structures]
        if len(self.shifts) > 1:
            coordinates = self._shift(coordinates, self.shifts[chosen % len(self.shifts)])
        return views(names, coordinates, self.data.distances_of(structures, names))

    def _shift(self, coordinates: Tensor, shifts: Tensor) -> Tensor:
        """Return coordinates ``(B, n, 3)`` shifted by ``(B, 3)`` and wrapped into [0, 1).

        The sum is taken in double precision and then rounded: a site that comes to lie on a face of the cell,
        such as 0.7 + 0.3, is 0 then and not 0.9999999, the other end of what the critic sees.
        """
        moved = coordinates.double() + shifts.unsqueeze(1)
        moved = torch.where((moved >= 1) & self._shifted, moved - 1, moved).float()
        return torch.where((moved >= 1) & self._shifted, 0.0, moved)

    def _check_axis(self, template: StructureSet, axis: int, count: int, where: str) -> None:
        """Refuse a translation along one axis that is none of the lattice."""
        if not template.pbc[0, axis]:
            raise BadInput(
                f"{where}: translations has {count} along axis {axis}, which is not periodic; give 1 for this axis"
            )
        length = float(np.linalg.norm(template.cells[0, axis])) / count
        if length < 2 * LATTICE_TOLERANCE:  # every atom would be near its own old place
            raise BadInput(
                f"{where}: translations has {count} along axis {axis}, but cells of a lattice are not {length:.2f} Å "
                "long; give the number of lattice cells along each axis, or 1"
            )
        step = torch.zeros(1, 3, dtype=torch.float64, device=self.shifts.device)
        step[0, axis] = 1 / count
        still = self.data.coordinates[:1]
        both = torch.cat([still, self._shift(still, step)], dim=1)
        with torch.no_grad():  # two atoms of one copy are further apart than the tolerance: prepare has seen to it
            nearest = distances_of(template, 1, str(still.device))(both)
        gap = float(nearest.median())
        if gap > LATTICE_TOLERANCE:
            raise BadInput(
                f"{where}: translations has {count} along axis {axis}, but a shift by 1/{count} of the cell leaves "
                f"the atoms of structure 0 {gap:.2f} Å (median) from the nearest site: no translation of a lattice "
                f"(at most {LATTICE_TOLERANCE} Å); give the number of lattice cells along each axis, or 1"
            )
