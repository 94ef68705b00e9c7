"""Cells from lengths and angles and back, and the nearest image of a displacement."""

from __future__ import annotations

import torch
from torch import Tensor

from .batch import apply_rows

#: Largest |cos| between two reciprocal axes: what a network says of a lattice may be no lattice at all, and a cell made
#: of it must still have a volume.
FLAT = 0.999
#: Images along an axis that :func:`nearest_image` looks at on either side; enough for any cell that a network can be
#: trained on, and a bound for what an untrained one says of a lattice.
MOST_IMAGES = 6.0


def cells_of(lengths: Tensor, angles: Tensor) -> Tensor:
    """Return cells in the standard orientation: c along z, a in the xz plane (pymatgen's and CDVAE's).

    Args:
        lengths: a, b, c, Å, ``(B, 3)``.
        angles: α, β, γ, degrees, ``(B, 3)``; angles that no cell can have give one that is nearly flat.

    Returns:
        Rows are the lattice vectors, Å, ``(B, 3, 3)``, right-handed.
    """
    a, b, c = lengths.unbind(dim=1)
    cos, sin = torch.cos(torch.deg2rad(angles)), torch.sin(torch.deg2rad(angles))
    cos_star = (cos[:, 0] * cos[:, 1] - cos[:, 2]) / (sin[:, 0] * sin[:, 1])
    cos_star = cos_star.clamp(-FLAT, FLAT)
    sin_star = (1.0 - cos_star**2).sqrt()
    zero = torch.zeros_like(a)
    rows = [
        torch.stack([a * sin[:, 1], zero, a * cos[:, 1]], dim=1),
        torch.stack([-b * sin[:, 0] * cos_star, b * sin[:, 0] * sin_star, b * cos[:, 0]], dim=1),
        torch.stack([zero, zero, c], dim=1),
    ]
    return torch.stack(rows, dim=1)


def standard_orientation(cells: Tensor) -> Tensor:
    """Rotate cells so that c is along z and a in the xz plane with x > 0, ``(B, 3, 3)``.

    That is what :func:`cells_of` makes of their lengths and angles, up to rounding, and for flat cells, too. A
    left-handed cell becomes right-handed, with the same lengths, angles and fractional coordinates.
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


def lengths_and_angles(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Return lengths, Å, and angles, degrees, each ``(B, 3)``, of cells ``(B, 3, 3)``."""
    lengths = torch.linalg.vector_norm(cells, dim=2)
    pairs = [(1, 2), (2, 0), (0, 1)]
    cosines = torch.stack(
        [(cells[:, j] * cells[:, k]).sum(dim=1) / (lengths[:, j] * lengths[:, k]) for j, k in pairs], dim=1
    )
    return lengths, torch.rad2deg(torch.arccos(cosines.clamp(-1.0, 1.0)))


def nearest_image(difference: Tensor, cells: Tensor, structure: Tensor) -> Tensor:
    """Return the shortest vectors among all images of displacements, Å, ``(N, 3)``; exact for any cell.

    The vector to the rounded image is at most as long as the longest one here; the nearest image is not longer, so its
    fractional components are bounded by that length over the distances of the lattice planes: few images are left.

    Args:
        difference: fractional displacements, ``(N, 3)``.
        cells: Å, ``(B, 3, 3)``.
        structure: of each displacement, ``(N,)``.
    """
    rounded = difference - difference.round()
    vectors = apply_rows(rounded, cells[structure])
    if not len(vectors):
        return vectors
    with torch.no_grad():
        spacing = 1.0 / torch.linalg.vector_norm(torch.linalg.inv_ex(cells)[0], dim=1)
        longest = torch.linalg.vector_norm(vectors, dim=1)[:, None]
        bound = (longest / spacing[structure] + 0.5).nan_to_num(0.0, 0.0, 0.0).clamp(max=MOST_IMAGES).amax(dim=0)
        axes = [torch.arange(-n, n + 1, device=cells.device) for n in bound.floor().to(torch.int64).tolist()]
        shifts = torch.cartesian_prod(*axes).to(cells.dtype)
        best = torch.zeros_like(rounded)
        shortest = (vectors**2).sum(dim=1)
        for shift in shifts:
            square = (apply_rows(rounded + shift, cells[structure]) ** 2).sum(dim=1)
            nearer = square < shortest
            shortest = torch.where(nearer, square, shortest)
            best = torch.where(nearer[:, None], shift, best)
    return apply_rows(rounded + best, cells[structure])
