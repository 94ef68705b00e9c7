"""The task contract: what a task is, what it is given, and what it leaves behind.

``task.json``::

    {"task": "relax", "seed": 7, "parameters": {...}, "inputs": {"structures": "start.npz"},
     "max_seconds": 3400, "cores": 16}

``inputs`` are paths relative to the working directory; ``cores`` are those that the job was given. A task leaves
``results.json`` (always, also when it fails), its arrays and structures, ``progress.jsonl``, and checkpoints under
``checkpoint/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .parameters import Parameters, validate
from .plugins import import_name

RESULTS = "results.json"
PROGRESS = "progress.jsonl"
CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Task:
    """One kind of job.

    Attributes:
        name: as in ``task.json``.
        summary: one line for ``dismai list``.
        parameters: ``module:Class`` of the parameter model; the module imports no torch.
        function: ``module:function``, imported only when the task runs; called with a
            :class:`~.context.Context` and the parameters, returns the scalars for ``results.json``.
        inputs: name → (what it is, whether it is required).
        outputs: files that a finished task has left behind.
        seeded: whether it draws random numbers, and so needs a seed.
    """

    name: str
    summary: str
    parameters: str
    function: str
    inputs: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    seeded: bool = False

    def model(self) -> type[Parameters]:
        """Import the parameter model."""
        model = import_name(self.parameters)
        assert issubclass(model, Parameters)
        return model

    def validate(self, parameters: Mapping[str, Any]) -> Parameters:
        """Check parameters; raises :class:`~aiida_dismai.engine.errors.BadInput`."""
        return validate(self.model(), parameters, self.name)

    def load(self) -> Callable[..., Mapping[str, Any]]:
        """Import the function, and with it all that it computes with."""
        function: Callable[..., Mapping[str, Any]] = import_name(self.function)
        return function
