"""What the critics see of structures: coordinates, distances, both together, or a graph made of the coordinates."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor

#: By critic, what its input is made of, side by side for each atom. The graph is made by the critic itself.
SEEN = {
    "coordinates": ("coordinates",),
    "distances": ("distances",),
    "combined": ("coordinates", "distances"),
    "graph": ("coordinates",),
}


def need_distances(names: Iterable[str]) -> bool:
    """Return whether any of these critics sees distances."""
    return any("distances" in SEEN[name] for name in names)


def views(names: Collection[str], coordinates: Tensor, distances: Tensor | None) -> dict[str, Tensor]:
    """Return what critics see of structures.

    Args:
        names: of the critics.
        coordinates: fractional, ``(B, n, 3)``.
        distances: to the nearest neighbours, Å, ``(B, n, n_neighbors)``; None if no critic sees them.

    Returns:
        By critic its input, ``(B, n, w)``.
    """
    seen = {"coordinates": coordinates} | ({} if distances is None else {"distances": distances})
    return {name: _beside([seen[part] for part in SEEN[name]]) for name in names}


def _beside(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
