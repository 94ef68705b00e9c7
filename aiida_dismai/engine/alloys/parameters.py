"""Parameters of putting alloys on their lattice; light, imports no Numba."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from pydantic import Field, model_validator

from ..errors import BadInput
from ..parameters import Parameters
from .expansion import Expansion, ExpansionFile, packaged_expansion

Align = Literal["auto", "none", "translate", "rotate"]


class AlloyLatticeParameters(Parameters):
    """How generated alloys are cleaned up and counted; numbers are those of the authors' public scripts."""

    align: Align = Field(
        "auto",
        description="How a structure is aligned with the lattice: 'none' as it is, with a site at the origin; "
        "'translate' shifted; 'rotate' turned and shifted; 'auto' whichever keeps the most atoms, the simplest "
        "if several do.",
    )
    margin: float = Field(0.8, gt=0, le=5, description="Atoms up to this far from a site are on it, Å.")
    max_removed: int = Field(
        50, ge=0, description="A structure that loses more atoms than this, or has more empty sites, is rejected."
    )
    expansion: ExpansionFile | None = Field(
        None, description="A two-body cluster expansion with its lattice; None is Fe–Ni–Cr as in the paper."
    )
    lattice_constant: float | None = Field(
        None, gt=0.5, le=100, description="Lattice constant instead of the expansion's, Å."
    )

    @model_validator(mode="after")
    def _margin_fits(self) -> AlloyLatticeParameters:
        try:
            nearest = self.build_expansion().lattice.nearest
        except BadInput as error:
            raise ValueError(str(error)) from error
        if self.margin >= nearest / 2:
            raise ValueError(
                f"margin {self.margin:g} Å is not below half the nearest-neighbour distance ({nearest / 2:.3f} Å): an "
                "atom could be on two sites at once"
            )
        return self

    def build_expansion(self) -> Expansion:
        """Return the cluster expansion on its lattice.

        Raises:
            BadInput: its shells do not fit its lattice.
        """
        if self.expansion is None:
            return packaged_expansion(self.lattice_constant)
        return _built(self.expansion.model_dump_json(), self.lattice_constant)


@lru_cache(maxsize=8)
def _built(file: str, lattice_constant: float | None) -> Expansion:
    return Expansion.build(ExpansionFile.model_validate_json(file), lattice_constant)
