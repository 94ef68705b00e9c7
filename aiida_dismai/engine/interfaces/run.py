"""The task ``interfaces.build``."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..context import Context
from ..errors import BadInput
from ..ownership import Owner
from ..store import Store
from ..structures import StructureSet, write_npz
from ..structures.set_npz import from_bytes, to_bytes
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
    store = Store.in_folder(context.checkpoint, owner)
    prepared = time.monotonic()

    parts: list[StructureSet] = []
    made_now, total = 0, parameters.n_structures
    for done, index in enumerate(range(parameters.first, parameters.first + total), start=1):
        new = index not in store
        if new:
            interface = builder.build(seed, index)
            content = b""  # could not be packed
            if interface is not None:
                made_now += 1
                one = builder.collect([interface]).with_property(ATTEMPTS, [interface.attempts], "structure", "")
                content = to_bytes(one)
            store.add(index, content)
        if content := store.read(index):
            parts.append(from_bytes(content))
        if not parts and done == HOPELESS:
            raise BadInput(_hopeless(builder, parameters))
        if new and (done % EVERY == 0 or done == total):
            context.progress("build", done, total, packing_failures=done - len(parts))
        if new and done < total:
            context.check_time(f"{done} of {total} structures are built")
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
