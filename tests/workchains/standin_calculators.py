"""Calculators that the stand-in loads in tests, each with one way of going wrong."""

import numpy as np
from ase.calculators.emt import EMT


class NoGold(EMT):
    """EMT that crashes, as VASP may, for one of the structures."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        if "Au" in atoms.get_chemical_symbols():
            raise RuntimeError("internal error in subroutine")
        super().calculate(atoms, properties, system_changes)


class NotANumber(EMT):
    """EMT with forces that are not numbers."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = np.full_like(self.results["forces"], np.nan)
