"""Shuffles of atoms that are the same to physics and not to an image: made when a structure is looked at, not stored.

The networks see atoms in an order. Where structures are sorted, only some atoms of an element may be exchanged without
disturbing what the order says: those of an interface's random region. The paper added 49 shuffled copies to each
structure; here a structure is shuffled each time it is looked at, with the probability 49/50.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...interfaces import REGIONS
from ...structures import StructureSet
from .augmentation_parameters import ShuffleParameters


class Shuffles:
    """Which atoms of each structure may change places, and how often they do.

    Attributes:
        groups: atoms of a structure with the same number may change places, ``(M, n)`` int64.
        probability: that a structure is shuffled when it is looked at.
    """

    def __init__(self, groups: Tensor, copies: int) -> None:
        """Shuffle within groups, ``copies`` times for each time that a structure is left as it is."""
        self.groups = groups
        self.probability = copies / (copies + 1)

    @classmethod
    def of(cls, structures: StructureSet, parameters: ShuffleParameters) -> Shuffles | None:
        """Return the shuffles of structures that all have the same atoms; None where no atoms may change places.

        Args:
            structures: with the property ``region``, if the random region is to be shuffled.
            parameters: which atoms and how often.
        """
        shape = len(structures), int(structures.n_atoms[0])
        if parameters.shuffle == "none" or not parameters.shuffled_copies:
            return None
        if parameters.shuffle == "all":
            free = np.ones(shape, dtype=bool)
        elif "region" in structures.properties:
            free = structures.values("region").reshape(shape) == REGIONS["interface"]
        else:
            return None
        groups = _groups(structures.numbers.reshape(shape), free)
        if all(len(np.unique(row)) == shape[1] for row in groups):
            return None
        return cls(torch.from_numpy(groups), parameters.shuffled_copies)

    def most(self) -> int:
        """Return how many atoms may change places in the structure where these are most."""
        same = self.groups[:, :, None] == self.groups[:, None, :]
        return int((same.sum(dim=2) > 1).sum(dim=1).max())

    def orders(self, indices: Sequence[int], generator: torch.Generator) -> Tensor:
        """Return new orders of the atoms of some structures, ``(B, n)`` int64.

        Args:
            indices: of the structures, ``B`` of them.
            generator: gives ``B (n + 1)`` numbers, whatever comes out.

        Returns:
            At each place the index of the atom that comes there; it has the same element.
        """
        groups = self.groups[list(indices)]
        keys = torch.rand(groups.shape, generator=generator, dtype=torch.float64)
        chosen = torch.rand(len(groups), 1, generator=generator, dtype=torch.float64) < self.probability
        places = groups.argsort(dim=1, stable=True)
        shuffled = (groups + keys).argsort(dim=1)
        orders = torch.empty_like(groups).scatter_(1, places, shuffled)
        return torch.where(chosen, orders, torch.arange(groups.shape[1]))


def _groups(numbers: NDArray[np.uint8], free: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return a number for each atom: its element's where it is free, one of its own where it is not."""
    alone = np.arange(256, 256 + numbers.shape[1])
    return np.where(free, numbers, alone).astype(np.int64)
