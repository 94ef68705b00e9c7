"""The seam between the workflows and the codes for density-functional theory.

``base`` is the contract of an engine (structure, what may move, settings, potentials → a process; a finished process
→ labelled ionic steps), ``settings`` what a stage of a relaxation is in terms that all codes share, ``registry`` finds
the engines by the entry-point group ``dismai.dft``. Each engine has a folder. The plugin of the code that the user
gives chooses it; nothing outside its folder knows a code by name.
"""

from .base import DftEngine, DftRun, IonicSteps, LicensedFiles, PotentialFile, Potentials
from .registry import engine_for, engine_of_plugin, engines, find
from .settings import HubbardU, KpointMesh, StageSettings

__all__ = [
    "DftEngine",
    "DftRun",
    "HubbardU",
    "IonicSteps",
    "KpointMesh",
    "LicensedFiles",
    "PotentialFile",
    "Potentials",
    "StageSettings",
    "engine_for",
    "engine_of_plugin",
    "engines",
    "find",
]
