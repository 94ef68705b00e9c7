"""The task ``relax``: each result is kept as soon as it is there, whoever computes it."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..context import Context
from ..device import choose_device, limit_threads
from ..ownership import Owner
from ..store import Store
from ..structures import Property, StructureSet, load_structures, write_npz
from ..trained import CONFIG
from ..workers import choose_threads, choose_workers
from .parameters import RelaxParameters
from .relaxation import Outcome
from .relaxers import Batches, Finished, OneByOne, Tools

WHERE = "relax"
#: Labels of the input that are no longer true of the relaxed structures.
STALE = ("forces", "stress")
#: Structures that failed and are named one by one; all are counted.
NAMED = 100


def run(context: Context, parameters: RelaxParameters) -> dict[str, Any]:
    """Relax structures.

    Writes ``structures.npz``: all structures in their order, with the properties of the input (but
    ``forces`` and ``stress``, which no longer hold) and per structure ``energy_initial`` and ``energy`` (eV),
    ``steps``, ``converged``, ``fmax`` (eV/Å) and ``failure`` (empty, or why it was given up; its positions are then
    the last ones with finite energy and forces). Wall times stay out of it: equal results are equal files.

    Returns:
        ``n_structures``, ``n_converged``, ``n_not_converged`` (ran out of steps), ``n_failed`` (these three add
        up), ``failures`` (reason → count), ``failed_structures`` (``structure`` and ``reason`` of the first
        :data:`NAMED`), ``mean_steps`` (over the converged), ``mode``, ``workers``, ``force_evaluations`` (of all),
        ``structures_per_minute`` (of this run, None if it had nothing to do), ``n_resumed``,
        ``dropped_properties``, ``seconds_per_structure``, ``precision_difference`` (largest difference of a force from
        single precision, eV/Å; where another is asked for), ``warnings`` and, for a calculator that reads one,
        ``potential_file`` (``name`` and ``sha256``).

    Raises:
        BadInput: structures (one that is not periodic, for instance), calculator or checkpoint that do not fit.
        OutOfMemory: not even one structure fits.
        Unfinished: the time was used up; finished structures are kept.
    """
    device = choose_device(parameters.device)
    structures = load_structures(context.inputs["structures"]).require(WHERE, periodic=True)
    potential = context.inputs.get("potential")
    tools = Tools(parameters, potential, device, structures.numbers)
    threads, workers, warnings = _processes(context, parameters, device, len(structures))
    limit_threads(threads)
    relaxer = Batches(tools) if parameters.mode == "batched" else OneByOne(tools, workers, threads or 1)
    limit_threads(threads)  # of torch, too, if the calculator imports it
    potential_file = relaxer.potential_file
    owner = _owner(structures, parameters, potential, potential_file)
    store = Store.in_folder(context.checkpoint, owner, warn=context.warn)
    started = time.monotonic()
    kept = Finished(context, structures, store)
    relaxer.relax(kept)
    minutes = (time.monotonic() - started) / 60
    relaxed, results = collect(structures, [kept.outcomes[i] for i in range(len(structures))])
    write_npz(relaxed, context.folder / "structures.npz")
    if potential_file is not None:
        results["potential_file"] = potential_file
    if parameters.precision != "float32":
        results["precision_difference"] = tools.precision_difference(structures[0])
    return results | {
        "mode": parameters.mode,
        "workers": workers,
        "structures_per_minute": kept.new / minutes if kept.new else None,
        "n_resumed": kept.resumed,
        "device": device,
        "warnings": warnings + relaxer.warnings,
    }


def _processes(context: Context, parameters: RelaxParameters, device: str, n: int) -> tuple[int | None, int, list[str]]:
    """Return threads (None: torch's own choice), number of processes, and what is to be said of them."""
    if parameters.mode == "batched" or (device == "cuda" and parameters.workers == "auto"):
        return parameters.threads, 1, []
    warnings: list[str] = []
    threads = choose_threads(parameters.threads)
    return threads, choose_workers(parameters.workers, n, threads, context.cores, warnings.append), warnings


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
        "force_evaluations": sum(outcome.evaluations for outcome in outcomes),
        "seconds_per_structure": float(np.mean(seconds)),
        "timings": {"relax": float(np.sum(seconds))},
    }
    return relaxed, results


def given_up(structures: StructureSet, reason: str) -> StructureSet:
    """Return structures as they come out of a relaxation that was given up at its beginning, for a reason."""
    return collect(structures, [Outcome(one.positions, one.cells[0], failure=reason) for one in structures])[0]
