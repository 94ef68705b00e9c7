"""What a generated structure is packed into: the atoms, the cell and the occupied range of a training structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....errors import BadWeights
from ....neighbours import heights
from ....structures import StructureSet


@dataclass(frozen=True, eq=False)
class Frames:
    """Atoms, cell and occupied range of every training structure; to draw one is to draw by their frequencies.

    Attributes:
        lists: atomic numbers of the different lists of atoms, one after the other, ``(N,)`` uint8.
        offsets: list ``l`` is ``lists[offsets[l]:offsets[l + 1]]``, ``(m + 1,)`` int64.
        which: the list of each training structure, ``(n,)`` int64.
        cells: ``(n, 3, 3)``, Å.
        pbc: ``(n, 3)`` bool.
        low: lower end of the occupied range, fractional, ``(n, 3)``.
        width: of the occupied range, fractional, ``(n, 3)``; infinite where it is the whole period.
    """

    lists: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    which: NDArray[np.int64]
    cells: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    low: NDArray[np.float64]
    width: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of training structures."""
        return len(self.which)

    def numbers(self, i: int) -> NDArray[np.uint8]:
        """Return the atomic numbers of training structure ``i``, in its order."""
        return self.lists[self.offsets[self.which[i]] : self.offsets[self.which[i] + 1]]

    def tensors(self) -> dict[str, Tensor]:
        """Return the frames as weights."""
        found = {name: torch.from_numpy(getattr(self, name).copy()) for name in self.__dataclass_fields__}
        found["width"] = torch.where(torch.isinf(found["width"]), WHOLE, found["width"])
        return found

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Frames:
        """Read what :meth:`tensors` gave.

        Raises:
            BadWeights: a tensor is missing, or they do not fit each other.
        """
        names = tuple(cls.__dataclass_fields__)
        if missing := [name for name in names if name not in tensors]:
            raise BadWeights(f"weights of the model 'random' lack {', '.join(missing)}; train again")
        arrays = {name: tensors[name].cpu().numpy() for name in names}
        n, lists = len(arrays["which"]), len(arrays["offsets"]) - 1
        shapes = {"cells": (n, 3, 3), "pbc": (n, 3), "low": (n, 3), "width": (n, 3)}
        fits = all(arrays[name].shape == shape for name, shape in shapes.items())
        if not (fits and n and arrays["which"].max() < lists and arrays["offsets"][-1] == len(arrays["lists"])):
            raise BadWeights("weights of the model 'random' do not fit each other; train again")
        arrays["width"] = np.where(arrays["width"] == WHOLE, np.inf, arrays["width"])
        return cls(**arrays)


#: In the weights, which must be finite, an infinite width.
WHOLE = -1.0


def read_frames(structures: StructureSet, vacuum: float, occupied: bool) -> Frames:
    """Read the frames off the training structures.

    Args:
        structures: not empty.
        vacuum: a periodic axis has a vacuum if all structures leave a wider gap along it, Å.
        occupied: whether the range is what the atoms occupy, along the axes with a vacuum and those without a period;
            else it is the whole cell.
    """
    known: dict[bytes, int] = {}
    parts: list[NDArray[np.uint8]] = []
    which = np.empty(len(structures), dtype=np.int64)
    low, width = np.zeros((len(structures), 3)), np.ones((len(structures), 3))
    for i in range(len(structures)):
        own = structures.atoms_of(i)
        numbers = structures.numbers[own]
        key = numbers.tobytes()
        if key not in known:
            known[key] = len(parts)
            parts.append(numbers)
        which[i] = known[key]
        fractional = structures.positions[own] @ np.linalg.inv(structures.cells[i])
        for axis in range(3):
            low[i, axis], width[i, axis] = _range(fractional[:, axis], bool(structures.pbc[i, axis]))
    gaps = (1 - width) * np.array([heights(cell) for cell in structures.cells])
    empty = (gaps > vacuum).all(axis=0)
    if not occupied:
        low[:], width[:] = 0.0, 1.0
        empty = np.zeros(3, dtype=bool)
    whole = structures.pbc & ~empty
    low[whole], width[whole] = 0.0, np.inf
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return Frames(np.concatenate(parts), offsets, which, structures.cells, structures.pbc, low, width)


def _range(fractional: NDArray[np.float64], periodic: bool) -> tuple[float, float]:
    """Return lower end and width of the range that atoms occupy along an axis; outside lies their widest gap."""
    if not periodic:
        return float(fractional.min()), float(np.ptp(fractional))
    wrapped = np.sort(fractional - np.floor(fractional))
    gaps = np.diff(wrapped, append=wrapped[0] + 1)
    after = int(np.argmax(gaps))
    low, width = wrapped[(after + 1) % len(wrapped)], 1 - gaps[after]
    # of all images of the range the one in which the atoms are
    return float(low + np.rint(fractional.mean() - (low + width / 2))), float(width)
