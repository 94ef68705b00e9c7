"""The orientation in which a lattice diffuses."""

from __future__ import annotations

import torch
from torch import Tensor


def standard_orientation(cells: Tensor) -> Tensor:
    """Rotate cells so that c is along z and a in the xz plane with x > 0, ``(B, 3, 3)``.

    The noise of a lattice is not the same in every orientation; this is the one that DiffCSP makes of lengths and
    angles (pymatgen's too). A left-handed cell becomes right-handed, with the same lengths, angles and fractional
    coordinates.
    """
    metric = (cells.double()[:, :, None, :] * cells.double()[:, None, :, :]).sum(dim=-1)
    lengths = torch.sqrt(torch.diagonal(metric, dim1=1, dim2=2))
    c = lengths[:, 2]
    az, bz = metric[:, 0, 2] / c, metric[:, 1, 2] / c
    ax = torch.sqrt(metric[:, 0, 0] - az**2)
    bx = (metric[:, 0, 1] - az * bz) / ax
    by = torch.sqrt(torch.clamp(metric[:, 1, 1] - bx**2 - bz**2, min=0))
    zero = torch.zeros_like(c)
    rows = [torch.stack(row, dim=1) for row in ((ax, zero, az), (bx, by, bz), (zero, zero, c))]
    return torch.stack(rows, dim=1).to(cells.dtype)
