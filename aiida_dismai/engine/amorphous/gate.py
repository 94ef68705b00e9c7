"""Which structures are good enough, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

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
