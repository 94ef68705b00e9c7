"""Which structures are good enough, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..structures import StructureSet
from .parameters import GateParameters


class Measured(Protocol):
    """What the gate looks at."""

    @property
    def failure(self) -> str:
        """Why the structure could not be analysed; empty if it could."""
        ...

    @property
    def coordination_percent(self) -> Mapping[str, float]:
        """Number of neighbours → share of the atoms, percent."""
        ...

    @property
    def bond_angle_sigma(self) -> float | None:
        """Standard deviation of the bond angles, degrees."""
        ...

    @property
    def crystalline_percent(self) -> float:
        """Share of the atoms in a crystalline surrounding, percent."""
        ...


def judge(measured: Measured, gate: GateParameters) -> str | None:
    """Return why a structure is rejected, None if it is good enough.

    The text is one of few, so that reasons can be counted. Where no limit is given, also a structure that cannot be
    analysed passes: to leave it out would be a choice that nobody made.
    """
    if all(limit is None for limit in gate.model_dump().values()):
        return None
    if measured.failure:
        return "cannot be analysed"
    if gate.min_fourfold_percent is not None and (
        measured.coordination_percent.get("4", 0.0) < gate.min_fourfold_percent
    ):
        return "too few fourfold atoms"
    sigma = measured.bond_angle_sigma
    if gate.max_angle_sigma is not None and (sigma is None or sigma > gate.max_angle_sigma):
        return "bond angles too wide"
    if gate.min_angle_sigma is not None and (sigma is None or sigma < gate.min_angle_sigma):
        return "bond angles too narrow"
    if gate.max_crystalline_percent is not None and measured.crystalline_percent > gate.max_crystalline_percent:
        return "crystalline"
    return None


def choose_accepted(
    structures: StructureSet, rejected: NDArray[np.str_], count: int
) -> tuple[StructureSet, dict[str, Any]]:
    """Keep the first ``count`` relaxed structures that have converged and passed the gate.

    Args:
        structures: relaxed structures, with ``converged``.
        rejected: why each was rejected, empty if it was not, ``(n,)``.
        count: how many to keep at most.

    Returns:
        The structures, and how many were looked at, converged, passed the gate and were kept, and why the others were
        rejected (reason → count; one that has not converged counts as that alone).
    """
    converged = structures.values("converged").astype(bool)
    why = np.where(converged, rejected, "not converged")
    good = np.flatnonzero(why == "")
    kept = good[:count]
    names, counts = np.unique(why[why != ""], return_counts=True)
    return structures[kept], {
        "looked_at": len(structures),
        "converged": int(converged.sum()),
        "accepted": len(good),
        "kept": len(kept),
        "wanted": count,
        "rejected": {str(name): int(number) for name, number in zip(names, counts, strict=True)},
    }
