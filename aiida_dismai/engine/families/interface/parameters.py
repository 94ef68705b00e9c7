"""Parameters of the metrics of interfaces."""

from __future__ import annotations

from pydantic import Field, model_validator

from ...descriptors.chemistry import Chemistry
from ...parameters import Parameters


class InterfaceParameters(Parameters):
    """Interfaces of ionic crystals (Li3ScCl6 | LiCoO2 and its like): surroundings of the cations."""

    oxidation_states: dict[str, float] = Field(
        {"Li": 1, "Sc": 3, "Co": 3, "Cl": -1, "O": -2},
        description="Oxidation state of every element that occurs; bonds are between opposite charges only.",
    )
    cations: list[str] = Field(
        ["Li", "Co", "Sc"],
        min_length=1,
        description="The elements whose sites get a fingerprint; 'all' weighs them by their number of sites.",
    )
    anions: list[str] = Field(
        ["Cl", "O"], min_length=1, description="The elements whose share among a site's neighbours is counted."
    )

    @model_validator(mode="after")
    def _consistent(self) -> InterfaceParameters:
        self.chemistry()
        return self

    def chemistry(self) -> Chemistry:
        """Return the ions; raises ``ValueError`` where they do not fit each other."""
        return Chemistry.build(self.oxidation_states, self.cations, self.anions)
