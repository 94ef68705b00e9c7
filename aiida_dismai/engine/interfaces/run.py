"""The task ``interfaces.build``."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..context import Context
from ..errors import BadInput, Unfinished
from ..ownership import Owner
from ..store import Store
from ..structures import StructureSet, write_npz
from ..structures.set_npz import from_bytes, to_bytes
from ..workers import Died, after_the_first, choose_threads, choose_workers, map_items
from .build import Builder
from .crystals import read_crystal
from .parameters import InterfaceParameters

#: Packing failures from the start on, without one success, after which the input counts as impossible.
HOPELESS = 10
#: Structures between two lines of progress.
EVERY = 20
OUTPUT = "structures.npz"
#: Property of what is kept: times the region was begun.
ATTEMPTS = "attempts"


def run(context: Context, parameters: InterfaceParameters) -> dict[str, Any]:
    """Build ``n_structures`` random interfaces and write ``structures.npz``.

    A structure that cannot be packed is left out and counted in ``packing_failures``; ``index`` says
    which ones are there.

    Raises:
        BadInput: input that no structure can be made of.
        Unfinished: out of time; what was built is kept in a checkpoint.
    """
    began = time.monotonic()
    seed = context.required_seed()
    crystal_a = read_crystal(context.inputs["slab_a"], "slab_a")
    crystal_b = read_crystal(context.inputs["slab_b"], "slab_b")
    builder = Builder(crystal_a, crystal_b, parameters)
    hashes = [crystal_a.content_hash, crystal_b.content_hash]
    owner = Owner.of_parameters("interfaces.build", parameters, seed=seed, crystals=hashes)
    store = Store.in_folder(context.checkpoint, owner, warn=context.warn)
    prepared = time.monotonic()

    total = parameters.n_structures
    indices = range(parameters.first, parameters.first + total)
    todo = [index for index in indices if index not in store]
    done, failed, made_now = total - len(todo), sum(not store.read(i) for i in indices if i in store), 0
    threads = choose_threads(None)
    workers = choose_workers(parameters.workers, len(todo), threads, context.cores, context.warn)
    arguments = (crystal_a, crystal_b, parameters, seed)
    setup = partial(_build, builder) if workers == 1 else partial(_build, None)
    stop = after_the_first(context.out_of_time)
    for index, found in map_items(todo, setup, arguments, workers, threads, stop):
        content = b"" if isinstance(found, Died) else found  # could not be packed
        store.add(index, content)
        done, failed, made_now = done + 1, failed + (not content), made_now + bool(content)
        if failed == done >= HOPELESS:
            raise BadInput(_hopeless(builder, parameters))
        if done % EVERY == 0 or done == total:
            context.progress("build", done, total, packing_failures=failed)
    if done < total:
        raise Unfinished(f"{done} of {total} structures are built; run again to resume")
    with store.reading():
        parts = [from_bytes(content) for index in indices if (content := store.read(index))]
    built = time.monotonic()

    if not parts:
        raise BadInput(_hopeless(builder, parameters))
    structures = StructureSet.concatenate(parts)
    failures = total - len(parts)
    retries = int(structures.values(ATTEMPTS).sum()) - len(parts) + failures * (parameters.region.max_attempts - 1)
    structures = structures.without_properties(ATTEMPTS)
    write_npz(structures, context.folder / OUTPUT)
    thicknesses = structures.values("interface_thickness")
    return {
        "n_structures": len(structures),
        "packing_failures": failures,
        "retries": retries,
        "formula": structures.formulas[0],
        "n_exchanged": int(np.count_nonzero(structures.values("exchanges"))),
        "interface_thickness": {
            "min": float(thicknesses.min()),
            "mean": float(thicknesses.mean()),
            "max": float(thicknesses.max()),
        },
        **builder.describe(),
        "structures_per_second": made_now / max(built - prepared, 1e-9),
        "timings": {"prepare": prepared - began, "build": built - prepared, "write": time.monotonic() - built},
    }


def _build(
    builder: Builder | None,
    crystal_a: StructureSet,
    crystal_b: StructureSet,
    parameters: InterfaceParameters,
    seed: int,
) -> Callable[[int], bytes]:
    """Return the function that builds the structure of an index; empty where it could not be packed."""
    own = Builder(crystal_a, crystal_b, parameters) if builder is None else builder

    def build(index: int) -> bytes:
        interface = own.build(seed, index)
        if interface is None:
            return b""
        return to_bytes(own.collect([interface]).with_property(ATTEMPTS, [interface.attempts], "structure", ""))

    return build


def _hopeless(builder: Builder, parameters: InterfaceParameters) -> str:
    region = parameters.region
    atoms = sum(region.composition.values())
    area = float(abs(np.linalg.det(builder.match.cell)))
    sphere = sum(count * np.pi / 6 * region.distance(e, e) ** 3 for e, count in region.composition.items())
    return (
        f"region: not one structure could be packed in {region.max_attempts} attempts with {region.max_tries} tries "
        f"an atom: {atoms} atoms in {area:.1f} Å² × {region.thickness[0]}–{region.thickness[1]} Å fill "
        f"{100 * sphere / (area * region.thickness[1]):.0f} % of the thickest region with spheres of their minimum "
        "distances (random packing ends near 40 %, less beside slabs); take fewer atoms, a thicker region, smaller "
        "minimum distances, or raise region.max_tries"
    )
