"""The task ``relax``: each result is kept as soon as it is there, whoever computes it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..context import Context
from ..device import choose_device, limit_threads
from ..ownership import Owner
from ..store import Store
from ..structures import StructureSet, load_structures, write_npz
from ..trained import CONFIG
from ..workers import choose_threads, choose_workers
from .outcomes import collect
from .parameters import RelaxParameters
from .relaxers import Batches, Finished, OneByOne, Tools

WHERE = "relax"


def run(context: Context, parameters: RelaxParameters) -> dict[str, Any]:
    """Relax structures.

    Writes ``structures.npz``: all structures in their order, with the properties of the input (but
    ``forces`` and ``stress``, which no longer hold) and per structure ``energy_initial`` and ``energy`` (eV),
    ``steps``, ``converged``, ``fmax`` (eV/Å) and ``failure`` (empty, or why it was given up; its positions are then
    the last ones with finite energy and forces). Wall times stay out of it: equal results are equal files.

    Returns:
        ``n_structures``, ``n_converged``, ``n_not_converged`` (ran out of steps), ``n_failed`` (these three add
        up), ``failures`` (reason → count), ``failed_structures`` (``structure`` and ``reason`` of the first
        :data:`~.outcomes.NAMED`), ``mean_steps`` (over the converged), ``mode``, ``workers``, ``force_evaluations`` (of
        all),
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
