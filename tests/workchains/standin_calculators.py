"""Calculators that the stand-in loads in tests, each with one way of going wrong."""

import os
import signal
import threading
from pathlib import Path

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


class Slow(EMT):
    """EMT that takes its time, so that a wall time of seconds cuts a job off."""

    def __init__(self, seconds=0.05):
        super().__init__()
        self.seconds = seconds

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        threading.Event().wait(self.seconds)
        super().calculate(atoms, properties, system_changes)


def slow(seconds=0.05):
    """Return the slow calculator."""
    return Slow(seconds)


class KilledOnce(EMT):
    """EMT whose process is killed at one of its calls; a file remembers that it has happened."""

    def __init__(self, marker, call):
        super().__init__()
        self.marker, self.left = Path(marker), call

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        self.left -= 1
        if self.left == 0 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        super().calculate(atoms, properties, system_changes)
