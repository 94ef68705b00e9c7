"""Pairs of edges that meet at an atom: between them is an angle."""

from __future__ import annotations

import torch
from torch import Tensor

from .edges import Edges


def triplets_chain(edges: Edges, n_atoms: int) -> tuple[Tensor, Tensor]:
    """Pair each edge j → i with the edges k → j that come before it, as DimeNet does.

    k and i are different atoms; different images of one atom are not.

    Returns:
        Indices of the edges k → j and of the edges j → i, each ``(T,)``; the second in rising order.
    """
    incoming, outgoing = _pairs_into(edges, edges.source, n_atoms)
    kept = edges.source[incoming] != edges.target[outgoing]
    return incoming[kept], outgoing[kept]


def triplets_same_target(edges: Edges, n_atoms: int) -> tuple[Tensor, Tensor]:
    """Pair each edge c → a with all other edges b → a into the same atom, as GemNet does.

    b and c may be the same atom, in different images.

    Returns:
        Indices of the edges b → a and of the edges c → a, each ``(T,)``; the second in rising order.
    """
    incoming, outgoing = _pairs_into(edges, edges.target, n_atoms)
    kept = incoming != outgoing
    return incoming[kept], outgoing[kept]


def _pairs_into(edges: Edges, joint: Tensor, n_atoms: int) -> tuple[Tensor, Tensor]:
    """Pair each edge with all edges whose target is its ``joint``, ``(E,)``."""
    degree = torch.bincount(edges.target, minlength=n_atoms)
    order = torch.argsort(edges.target, stable=True)
    start = degree.cumsum(0) - degree
    pairs = degree[joint]
    outgoing = torch.repeat_interleave(pairs)
    place = torch.arange(len(outgoing), device=outgoing.device) - (pairs.cumsum(0) - pairs - start[joint])[outgoing]
    return order[place], outgoing
