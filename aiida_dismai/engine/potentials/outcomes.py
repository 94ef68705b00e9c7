"""How relaxations end, and how the ends of all become one set; without any network, for the AiiDA host."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..structures import Property, StructureSet

#: Labels of the input that are no longer true of the relaxed structures.
STALE = ("forces", "stress")
#: Structures that failed and are named one by one; all are counted.
NAMED = 100


@dataclass
class Outcome:
    """How one relaxation ended.

    Attributes:
        positions: the last ones with finite energy and forces, Å, ``(m, 3)``.
        cell: likewise, Å, ``(3, 3)``.
        energy_initial: eV, NaN when it could not be computed.
        energy: of ``positions``, eV, NaN when it could not be computed.
        fmax: largest norm of a force on an atom, eV/Å, NaN when it could not be computed.
        steps: steps of the optimiser.
        converged: whether the criterion was met.
        failure: empty, or why the relaxation was given up.
        seconds: wall time.
        evaluations: of energy and forces.
    """

    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    energy_initial: float = math.nan
    energy: float = math.nan
    fmax: float = math.nan
    steps: int = 0
    converged: bool = False
    failure: str = ""
    seconds: float = 0.0
    evaluations: int = 0


def collect(structures: StructureSet, outcomes: list[Outcome]) -> tuple[StructureSet, dict[str, Any]]:
    """Put outcomes (one per structure) and the input's properties together; return the set and the counts."""
    dropped = [name for name in STALE if name in structures.properties]
    kept = {name: prop for name, prop in structures.properties.items() if name not in dropped}

    def column(name: str, kind: Any) -> Any:
        return np.array([getattr(outcome, name) for outcome in outcomes], dtype=kind)

    relaxed = StructureSet(
        structures.numbers,
        np.concatenate([outcome.positions for outcome in outcomes]),
        np.array([outcome.cell for outcome in outcomes]),
        structures.pbc,
        structures.offsets,
        kept,
    )
    for name in ("energy_initial", "energy", "fmax"):
        relaxed = relaxed.with_property(name, column(name, np.float64))
    relaxed = relaxed.with_property("steps", column("steps", np.int64))
    relaxed = relaxed.with_property("converged", column("converged", bool))
    relaxed = relaxed.with_properties({"failure": Property(column("failure", str), "structure")})
    n = len(outcomes)
    converged = [outcome for outcome in outcomes if outcome.converged]
    failures: dict[str, int] = {}
    for outcome in outcomes:
        if outcome.failure:
            reason = outcome.failure.partition(":")[0]
            failures[reason] = failures.get(reason, 0) + 1
    named = [{"structure": i, "reason": outcome.failure} for i, outcome in enumerate(outcomes) if outcome.failure]
    seconds = [outcome.seconds for outcome in outcomes]
    results = {
        "n_structures": n,
        "n_converged": len(converged),
        "n_failed": sum(failures.values()),
        "n_not_converged": n - len(converged) - sum(failures.values()),
        "failures": failures,
        "failed_structures": named[:NAMED],
        "mean_steps": float(np.mean([outcome.steps for outcome in converged])) if converged else math.nan,
        "dropped_properties": dropped,
        "force_evaluations": sum(outcome.evaluations for outcome in outcomes),
        "seconds_per_structure": float(np.mean(seconds)),
        "timings": {"relax": float(np.sum(seconds))},
    }
    return relaxed, results


def given_up(structures: StructureSet, reason: str) -> StructureSet:
    """Return structures as they come out of a relaxation that was given up at its beginning, for a reason."""
    return collect(structures, [Outcome(one.positions, one.cells[0], failure=reason) for one in structures])[0]
