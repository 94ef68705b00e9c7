"""`PotentialData`: a trained interatomic potential."""

from __future__ import annotations

from ..engine.trained import POTENTIAL
from .weights import WeightsData


class PotentialData(WeightsData):
    """Weights and configuration of a potential, as the task ``potential.train`` writes them.

    Attributes ``architecture``, ``elements``, ``trained_on`` (content hash and counts), ``seed`` and
    ``versions`` can be queried.
    """

    FORMAT = POTENTIAL
    ATTRIBUTES = ("architecture", "elements", "trained_on", "seed", "versions", "version")

    @property
    def elements(self) -> list[str]:
        """The elements that the potential knows."""
        return list(self.base.attributes.get("elements"))
