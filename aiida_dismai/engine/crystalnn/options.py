"""The options of CrystalNN."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class CrystalNNOptions:
    """What is taken into account besides solid angles; the defaults are pymatgen's.

    Attributes:
        distance_cutoffs: neighbours further than the sum of the radii plus the first number lose weight,
            beyond the second they have none, Å; None: distances do not matter.
        x_diff_weight: how much a difference in electronegativity adds to a neighbour's weight; 0 for not at all.
        porous_adjustment: favour near over far faces of a Voronoi cell, for layered and porous structures.
        cation_anion: only atoms of opposite or zero charge are neighbours; needs oxidation states.
        search_cutoff: radius of the first search for atoms, Å; doubled until a Voronoi cell is closed. A cell
            may depend on it next to a void wider than this.
    """

    distance_cutoffs: tuple[float, float] | None = (0.5, 1.0)
    x_diff_weight: float = 3.0
    porous_adjustment: bool = True
    cation_anion: bool = False
    search_cutoff: float = 7.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: cutoffs that do not rise or are not finite, or a radius that is not positive.
        """
        if self.distance_cutoffs is not None:
            low, high = self.distance_cutoffs
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(f"distance_cutoffs: two numbers that rise are needed, not {self.distance_cutoffs}")
        if not math.isfinite(self.x_diff_weight):
            raise ValueError(f"x_diff_weight: a finite number is needed, not {self.x_diff_weight}")
        if not (math.isfinite(self.search_cutoff) and self.search_cutoff > 0):
            raise ValueError(f"search_cutoff: a positive length is needed, not {self.search_cutoff}")


#: CrystalNN without chemistry, as Dismai-Bench takes bond angles in amorphous silicon.
GEOMETRIC = CrystalNNOptions(distance_cutoffs=None, x_diff_weight=0.0, porous_adjustment=False)
