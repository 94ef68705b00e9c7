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


class DisturbedOnce(EMT):
    """EMT to which something happens at one of its calls; a file remembers that it has happened."""

    def __init__(self, marker, call):
        super().__init__()
        self.marker, self.left = Path(marker), call

    def disturb(self):
        raise NotImplementedError

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        self.left -= 1
        if self.left == 0 and not self.marker.exists():
            self.marker.touch()
            self.disturb()
        super().calculate(atoms, properties, system_changes)


class PausedOnce(DisturbedOnce):
    """It sleeps, so that a wall time ends."""

    def __init__(self, marker, call, seconds):
        super().__init__(marker, call)
        self.seconds = seconds

    def disturb(self):
        threading.Event().wait(self.seconds)


class KilledOnce(DisturbedOnce):
    """Its process is killed."""

    def disturb(self):
        os.kill(os.getpid(), signal.SIGKILL)
