"""Sums and means over groups of rows; the same on every run on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor


def scatter_sum(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Sum rows by group.

    Args:
        values: ``(M, …)``.
        index: group of each row, ``(M,)`` int64.
        size: number of groups ``G``.

    Returns:
        ``(G, …)``; 0 for a group without rows. Numbers of half precision are summed, and returned, in float32.
    """
    if values.dtype in (torch.bfloat16, torch.float16):
        values = values.float()
    return values.new_zeros((size, *values.shape[1:])).index_add_(0, index, values)


def scatter_mean(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Average rows by group, as :func:`scatter_sum`; 0 for a group without rows."""
    total = scatter_sum(values, index, size)
    rows = scatter_sum(torch.ones_like(index, dtype=values.dtype), index, size).clamp_(min=1.0)
    return total / rows.view(-1, *[1] * (values.dim() - 1))
