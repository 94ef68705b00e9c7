"""The seam between the workflows and the codes that compute forces from electrons.

``settings`` says in the code's own words and ours what a stage of a relaxation is; ``base`` is the interface
(structure, what may move, settings → a process; a finished process → labelled ionic steps); ``vasp`` is the
first implementation. The engine follows from the plugin of the code that the user gives, so that another one
needs a module here and a line in :data:`ENGINES`, and no WorkChain changes.
"""

from __future__ import annotations

from aiida.orm import AbstractCode

from ..engine.errors import BadInput
from .base import DftEngine, DftRun, IonicSteps
from .settings import HubbardU, KpointMesh, StageSettings
from .vasp import VaspEngine

#: Engine for each plugin that a code can be set up with.
ENGINES: dict[str, DftEngine] = {engine.plugin: engine for engine in (VaspEngine(),)}

__all__ = [
    "ENGINES",
    "DftEngine",
    "DftRun",
    "HubbardU",
    "IonicSteps",
    "KpointMesh",
    "StageSettings",
    "engine_for",
]


def engine_for(code: AbstractCode) -> DftEngine:
    """Return the engine of a code.

    Raises:
        BadInput: the code is set up for a plugin that none of the engines uses.
    """
    plugin = code.default_calc_job_plugin
    if plugin not in ENGINES:
        raise BadInput(
            f"code {code.full_label} is set up for the plugin '{plugin}', relaxations with density-functional theory "
            f"need one for: {', '.join(sorted(ENGINES))}"
        )
    return ENGINES[plugin]
