"""CalcJob of the task ``check``."""

from __future__ import annotations

from .base import TaskCalculation


class CheckCalculation(TaskCalculation):
    """Ask a machine what a job finds there: GPU, cores, disk, clock, versions. `aiida-dismai doctor` submits it."""

    TASK = "check"
