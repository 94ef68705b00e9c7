"""One trained model in a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


@dataclass
class Model:
    """One trained model, or one file of generated structures.

    Attributes:
        name: ``model_0`` …
        metrics: the results of the task ``metrics``.
        training: the results of the task ``generator.train``; empty for an evaluation.
        nodes: PKs of its nodes by name.
        per_structure: the arrays of ``per_structure.npz``.
        curves: its losses by epoch.
        energies: energy per atom of what it generated, after relaxation, eV (converged ones).
        listed: a row for each generated structure, see :func:`~aiida_dismai.engine.evaluation.listing.listing`; empty
            where the structures are not known.
        unread: rows, as in ``listed``, of what was given with the structures and could not be read.
        fmax: force at which its relaxations ended, eV/Å; None where nothing is known of them.
    """

    name: str
    metrics: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    per_structure: Arrays = field(default_factory=dict)
    curves: Arrays = field(default_factory=dict)
    energies: NDArray[Any] = field(default_factory=lambda: np.array([]))
    listed: list[dict[str, Any]] = field(default_factory=list)
    unread: list[dict[str, Any]] = field(default_factory=list)
    fmax: float | None = None
