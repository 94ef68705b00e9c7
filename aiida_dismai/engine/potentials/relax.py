"""The task ``relax``: structure by structure, each result kept as soon as it is there."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..context import Context
from ..device import choose_device, limit_threads
from ..errors import Unfinished
from ..ownership import Owner
from ..store import Store
from ..structures import Property, StructureSet, load_structures, to_ase, write_npz
from ..trained import CONFIG
from .calculators import make_calculator
from .parameters import RelaxParameters
from .relaxation import Outcome, relax_one

WHERE = "relax"
#: Labels of the input that are no longer true of the relaxed structures.
STALE = ("forces", "stress")
#: Structures that failed and are named one by one; all are counted.
NAMED = 100
#: Key of the state of a structure that was stopped half-way.
PARTIAL = "partial"


def run(context: Context, parameters: RelaxParameters) -> dict[str, Any]:
    """Relax structures.

    Writes ``structures.npz``: all structures in their order, with the properties of the input (but
    ``forces`` and ``stress``, which no longer hold) and per structure ``energy_initial`` and ``energy`` (eV),
    ``steps``, ``converged``, ``fmax`` (eV/Å) and ``failure`` (empty, or why it was given up; its positions are then
    the last ones with finite energy and forces). Wall times stay out of it: equal results are equal files.

    Returns:
        ``n_structures``, ``n_converged``, ``n_not_converged`` (ran out of steps), ``n_failed`` (these three add
        up), ``failures`` (reason → count), ``failed_structures`` (``structure`` and ``reason`` of the first
        :data:`NAMED`), ``mean_steps`` (over the converged), ``n_resumed``,
        ``dropped_properties``, ``seconds_per_structure`` and, for a calculator that reads one, ``potential_file``
        (``name`` and ``sha256``).

    Raises:
        BadInput: structures (one that is not periodic, for instance), calculator or checkpoint that do not fit.
        Unfinished: the time was used up; finished structures are kept.
    """
    device = choose_device(parameters.device)
    limit_threads(parameters.threads)
    structures = load_structures(context.inputs["structures"]).require(WHERE, periodic=True)
    potential = context.inputs.get("potential")
    calculator = make_calculator(parameters.calculator, parameters.calculator_kwargs, potential, device, structures)
    potential_file = getattr(calculator, "potential_file", None)
    store = Store.in_folder(context.checkpoint, _owner(structures, parameters, potential, potential_file))

    n = len(structures)
    outcomes = {i: Outcome(**store.get(i)) for i in range(n) if i in store}
    resumed = len(outcomes)
    failed = sum(bool(outcome.failure) for outcome in outcomes.values())
    for i in range(n):
        if i in outcomes:
            continue
        outcome = _relax(context, parameters, structures, i, calculator, store, alone=len(outcomes) == resumed)
        store.put(i, **asdict(outcome))
        outcomes[i] = outcome
        failed += bool(outcome.failure)
        context.progress(
            "relax",
            len(outcomes),
            n,
            structure=i,
            steps=outcome.steps,
            energy=outcome.energy,
            fmax=outcome.fmax,
            failed=failed,
        )
    relaxed, results = collect(structures, [outcomes[i] for i in range(n)])
    write_npz(relaxed, context.folder / "structures.npz")
    if potential_file is not None:
        results["potential_file"] = potential_file
    return results | {"n_resumed": resumed, "device": device}


def _relax(
    context: Context,
    parameters: RelaxParameters,
    structures: StructureSet,
    i: int,
    calculator: Any,
    store: Store,
    alone: bool,
) -> Outcome:
    """Relax structure ``i``.

    When the time ends inside it, it starts from its beginning next time, so that its result does not depend
    on where a job was cut. Only when it is the first of this run (``alone``) is its half-way state kept:
    otherwise a structure that takes longer than the wall time would never end.
    """
    atoms = to_ase(structures[i].without_properties())[0]
    earlier = None
    if PARTIAL in store and (found := store.get(PARTIAL)).pop("structure") == i:
        earlier = Outcome(**found)
        atoms.set_cell(earlier.cell)
        atoms.positions = earlier.positions
    outcome = earlier or Outcome(atoms.positions.copy(), atoms.cell.array.copy())
    before = outcome.seconds
    started = time.monotonic()

    stopped = f"stopped in structure {i} of {len(structures)}"
    try:
        relax_one(atoms, calculator, parameters, lambda: context.check_time(stopped), outcome)
    except Unfinished:
        outcome.seconds = before + time.monotonic() - started
        if alone and outcome.steps:
            store.put(PARTIAL, structure=i, **asdict(outcome))
            # progress too: a job without any is taken for one that will never end
            context.progress("relax", i, len(structures), structure=i, steps=outcome.steps, fmax=outcome.fmax)
        raise
    outcome.seconds = before + time.monotonic() - started
    return outcome


def _owner(
    structures: StructureSet,
    parameters: RelaxParameters,
    potential: Path | None,
    potential_file: Mapping[str, str] | None = None,
) -> Owner:
    """Return what identifies a relaxation: structures, potential, and the parameters that decide its course."""
    weights = hashlib.sha256((potential / CONFIG).read_bytes()).hexdigest() if potential else None
    if potential_file is not None:
        weights = potential_file["sha256"]
    return Owner.of_parameters(WHERE, parameters, structures=structures.content_hash, potential=weights)


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
        "seconds_per_structure": float(np.mean(seconds)),
        "timings": {"relax": float(np.sum(seconds))},
    }
    return relaxed, results
