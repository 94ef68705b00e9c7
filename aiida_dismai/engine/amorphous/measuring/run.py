"""The task ``amorphous.measure``."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import write_arrays
from ...context import Context
from ...descriptors import angles, rdf
from ...errors import BadInput, Unfinished
from ...ownership import Owner
from ...store import Store
from ...structures import StructureSet, StructureStream
from ...untrusted import STATE, read_object
from ...workers import Died, choose_threads, choose_workers, map_items
from ..gate import judge
from ..making import potential_energy
from ..measures import COUNTED, SCALARS, Measures, average_angles, average_rdf, measure, not_measured, summarise
from ..parameters import EnergyParameters
from .parameters import MeasureTaskParameters

OUTPUT = "measures.npz"


def run(context: Context, parameters: MeasureTaskParameters) -> dict[str, Any]:
    """Measure every structure and write ``measures.npz``.

    Returns:
        ``n_structures``, ``n_accepted``, ``rejected`` (reason → count), ``n_resumed``, and the measures of all
        structures, rejected ones included (:func:`~..measures.summarise`).

    Raises:
        BadInput: an unreadable or empty file, a calculator that cannot be had, a checkpoint of another run.
        Unfinished: out of time; what is measured is kept.
    """
    started = time.monotonic()
    path = context.inputs["structures"]
    stream = StructureStream(path, ("energy",))
    if not len(stream):
        raise BadInput(f"{path}: the set of structures is empty")
    store = Store.in_folder(context.checkpoint, _owner(path, parameters), warn=context.warn)
    resumed = len(store.index)
    found = _measure(context, stream, parameters, store)
    rejected = [judge(item, parameters.gate) or "" for item in found]
    write_arrays(context.folder / OUTPUT, collect(found, rejected))
    return {
        "n_structures": len(found),
        "n_accepted": rejected.count(""),
        "rejected": dict(Counter(reason for reason in rejected if reason)),
        "n_resumed": resumed,
        **summarise(found),
        "timings": {"measure": time.monotonic() - started},
    }


def _owner(path: Path, parameters: MeasureTaskParameters) -> Owner:
    """Return what a checkpoint has to belong to."""
    with path.open("rb") as handle:
        content = hashlib.file_digest(handle, "sha256").hexdigest()
    return Owner.of_parameters("amorphous.measure", parameters, structures=content)


def _measure(
    context: Context, stream: StructureStream, parameters: MeasureTaskParameters, store: Store
) -> list[Measures]:
    """Return the measures of all structures; those that are not yet in the store are made and kept there."""
    total = len(stream)
    done = sum(index in store for index in range(total))
    threads = choose_threads(None)
    workers = choose_workers(parameters.workers, total - done, threads, context.cores, context.warn)
    items = _todo(stream, store)
    # with several processes the first is measured here: what it compiles, they find on disk
    turns = [(items, 1)] if workers == 1 else [(islice(items, 1), 1), (items, workers)]
    for some, processes in turns:
        for (index, one), found in map_items(some, _measurer, (parameters,), processes, threads, context.out_of_time):
            if isinstance(found, Died):
                found = not_measured(one, parameters.measures, f"killed: its worker process died twice ({found.how})")
            store.add(index, json.dumps(found.to_dict()).encode())
            done += 1
            context.progress(
                "measure",
                done,
                total,
                bond_angle_sigma=found.bond_angle_sigma,
                fourfold_percent=found.coordination_percent.get("4"),
            )
    if done < total:
        raise Unfinished(f"{done} of {total} structures are measured; run again to resume")
    with store.reading():
        return [Measures.from_dict(read_object(store.read(index), "measures", STATE)) for index in range(total)]


def _todo(stream: StructureStream, store: Store) -> Iterator[tuple[int, StructureSet]]:
    """Read the structures; yields index and structure of those that are not in the store."""
    index = 0
    for block in stream.blocks():
        block.require_periodic(str(stream.path), index)
        for structure in block:
            if index not in store:
                yield index, structure
            index += 1


def _measurer(parameters: MeasureTaskParameters) -> Callable[[tuple[int, StructureSet]], Measures]:
    """Return the function that measures a structure with its index."""
    energy_of = _on_demand(parameters.energies) if parameters.energies else None
    return lambda item: measure(item[1], parameters.measures, _energy(item[1], energy_of))


def _on_demand(parameters: EnergyParameters) -> Callable[[StructureSet], float]:
    """Return the energy function of a potential that is only loaded once a structure has no energy of its own."""
    made: list[Callable[[StructureSet], float]] = []

    def energy_of(structure: StructureSet) -> float:
        if not made:
            made.append(potential_energy(parameters, sorted(set(structure.numbers.tolist()))))
        return made[0](structure)

    return energy_of


def _energy(structure: StructureSet, energy_of: Callable[[StructureSet], float] | None) -> float | None:
    """Return the energy that a structure has, or what the potential gives; None for nonsense coordinates."""
    if "energy" in structure.properties:
        own = float(structure.values("energy")[0])
        if np.isfinite(own):
            return own
    if energy_of is None or not (np.isfinite(structure.positions).all() and np.isfinite(structure.cells).all()):
        return None
    return energy_of(structure)


def collect(found: list[Measures], rejected: list[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of ``measures.npz``.

    ``rdf`` over ``rdf_r`` (Å) and ``angles`` over ``angles_degrees`` are averages of all structures (NaN where no
    structure could be analysed). By structure: ``accepted``, ``rejected`` (why; empty if not), ``failure`` (why it
    could not be analysed), ``n_atoms``, ``rdf_peak_position`` (Å), ``rdf_peak_height``, the scalars of
    :class:`~..measures.Measures`, and ``(n, m)`` ``coordination_percent``, ``coordination_within_cutoff_percent`` and
    ``rings_per_atom``, each with the numbers of neighbours or sizes of its columns in ``NAME_of``. NaN is not known.
    """
    arrays: dict[str, NDArray[Any]] = {
        "rdf": _or_nan(average_rdf(found), rdf.BINS),
        "rdf_r": rdf.bin_centres(),
        "angles": _or_nan(average_angles(found), len(angles.bin_centres())),
        "angles_degrees": angles.bin_centres(),
        "accepted": np.array([not reason for reason in rejected]),
        "rejected": np.array(rejected, dtype=np.str_),
        "failure": np.array([item.failure for item in found], dtype=np.str_),
        "n_atoms": np.array([item.n_atoms for item in found]),
    }
    peaks = [item.rdf_peak or {"position": np.nan, "height": np.nan} for item in found]
    for name in ("position", "height"):
        arrays[f"rdf_peak_{name}"] = np.array([peak[name] for peak in peaks])
    for name in SCALARS:
        arrays[name] = np.array([getattr(item, name) for item in found], dtype=float)
    for name in COUNTED:
        each: list[dict[str, float]] = [getattr(item, name) for item in found]
        columns = sorted({int(key) for values in each for key in values})
        arrays[f"{name}_of"] = np.array(columns, dtype=np.int64)
        arrays[name] = np.array(
            [[values.get(str(key), 0.0) if values else np.nan for key in columns] for values in each], dtype=float
        ).reshape(len(found), len(columns))
    return arrays


def _or_nan(values: NDArray[np.float64] | None, length: int) -> NDArray[np.float64]:
    return np.full(length, np.nan) if values is None else values
