"""Which structures a report shows by each distance, and which training structures are nearest to them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..families.base import FamilyMetrics
from .places import choose
from .records import Records
from .reference import Reference


def shown(
    kind: FamilyMetrics,
    reference: Reference,
    training: NDArray[np.int64] | None,
    records: Records,
    distances: Mapping[str, NDArray[np.float64]],
) -> dict[str, NDArray[np.int64]]:
    """Return the structures that a report shows, for each distance that is not of angles between vectors.

    Args:
        kind: the family of metrics.
        reference: the training set.
        training: ``(m,)`` places of its records among the training structures; None if these are not known.
        records: of the analysed structures.
        distances: ``(n,)`` of each, by metric.

    Returns:
        ``shown.NAME`` ``(3,)``: places among the analysed structures, see :func:`~.places.choose`; and
        ``shown_training.NAME`` ``(3,)``: place of the training structure whose vector is nearest to it, -1 where the
        places are not known.
    """
    found: dict[str, NDArray[np.int64]] = {}
    chosen = {
        name: choose(distances[name])
        for name, metric in kind.metrics().items()
        if metric.power == 1 and name in distances
    }
    chosen = {name: places for name, places in chosen.items() if len(places)}
    if not chosen:
        return found
    nearest = _nearest(kind, reference, records, chosen)
    for name, places in chosen.items():
        found[f"shown.{name}"] = places
        known = training is not None and name in nearest
        found[f"shown_training.{name}"] = training[nearest[name]] if known and training is not None else np.full(3, -1)
    return found


def _nearest(
    kind: FamilyMetrics, reference: Reference, records: Records, chosen: Mapping[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.int64]]:
    """Return for each metric which training record is nearest to each of the chosen ones, ``(3,)``."""
    metrics = kind.metrics()
    own = {name: kind.vectors(records.some(places.tolist()), reference.composition) for name, places in chosen.items()}
    best = {name: np.full(3, np.inf) for name in chosen}
    at = {name: np.full(3, -1, dtype=np.int64) for name in chosen}
    start = 0
    for block in reference.records.blocks():
        vectors = kind.vectors(block, reference.composition)
        for name in chosen:
            metric = metrics[name]
            apart = metric.measure(own[name][metric.vector][:, None], vectors[metric.vector][None])
            apart = np.where(np.isfinite(apart), apart, np.inf)
            place = apart.argmin(axis=1)
            value = apart[np.arange(3), place]
            closer = value < best[name]
            best[name][closer], at[name][closer] = value[closer], start + place[closer]
        start += len(block)
    return {name: places for name, places in at.items() if (places >= 0).all()}
