"""The task ``interfaces.build``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from ..context import Context
from ..errors import BadInput, Unfinished
from ..ownership import Owner
from ..structures import StructureSet, read_npz, write_npz
from .build import Builder, Interface
from .crystals import read_crystal
from .parameters import InterfaceParameters

#: Packing failures from the start on, without one success, after which the input counts as impossible.
HOPELESS = 10
#: Structures between two lines of progress.
EVERY = 20
OUTPUT = "structures.npz"
#: In the checkpoint folder: whose checkpoint it is.
OWNER = "build.json"


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
    checkpoint = Checkpoint(context.checkpoint, _owner(parameters, seed, crystal_a, crystal_b))
    parts, state = checkpoint.load()
    prepared = time.monotonic()

    interfaces: list[Interface] = []
    for number in range(int(state["done"]), parameters.n_structures):
        interface = builder.build(seed, parameters.first + number)
        state["done"] = number + 1
        if interface is None:
            state["failures"] += 1
            state["retries"] += parameters.region.max_attempts - 1
        else:
            state["retries"] += interface.attempts - 1
            interfaces.append(interface)
        if state["failures"] == state["done"] == HOPELESS:
            raise BadInput(_hopeless(builder, parameters))
        if state["done"] % EVERY == 0 or state["done"] == parameters.n_structures:
            context.progress("build", state["done"], parameters.n_structures, packing_failures=state["failures"])
        if context.out_of_time() and state["done"] < parameters.n_structures:
            parts += [builder.collect(interfaces)] if interfaces else []
            checkpoint.save(parts, state)
            raise Unfinished(f"{state['done']} of {parameters.n_structures} structures are built; run again to resume")
    built = time.monotonic()

    made_now = len(interfaces)
    parts += [builder.collect(interfaces)] if interfaces else []
    if not parts:
        raise BadInput(_hopeless(builder, parameters))
    structures = StructureSet.concatenate(parts)
    write_npz(structures, context.folder / OUTPUT)
    thicknesses = structures.values("interface_thickness")
    return {
        "n_structures": len(structures),
        "packing_failures": state["failures"],
        "retries": state["retries"],
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


def _owner(parameters: InterfaceParameters, seed: int, *crystals: StructureSet) -> Owner:
    """Return what a checkpoint has to belong to."""
    hashes = [crystal.content_hash for crystal in crystals]
    return Owner.of_parameters("interfaces.build", parameters, seed=seed, crystals=hashes)


class Checkpoint:
    """Structures built so far; the counters are properties of the same file, so one rename publishes all."""

    COUNTERS = ("done", "failures", "retries")

    def __init__(self, folder: Path, owner: Owner) -> None:
        """Keep the checkpoint of a build in ``folder``."""
        self.path = folder / f"build-{owner.key[:16]}.npz"
        self.folder = folder
        self.owner = owner

    def load(self) -> tuple[list[StructureSet], dict[str, int]]:
        """Return the structures and counters, empty at the start.

        Raises:
            BadInput: the checkpoint that is there belongs to another build.
        """
        others = [path.name for path in self.folder.glob("build-*.npz") if path != self.path]
        if others and not (self.folder / OWNER).is_file():  # of a version that left no name
            self.owner.require(None, self.folder / others[0])
        self.owner.claim(self.folder / OWNER)
        if not self.path.is_file():
            return [], dict.fromkeys(self.COUNTERS, 0)
        stored = read_npz(self.path)
        state = {name: int(stored.values(f"build_{name}")[0]) for name in self.COUNTERS}
        return [stored.without_properties(*(f"build_{name}" for name in self.COUNTERS))], state

    def save(self, parts: list[StructureSet], state: dict[str, int]) -> None:
        """Write the structures and counters; without a structure there is nothing worth keeping."""
        if not parts:
            return
        structures = StructureSet.concatenate(parts)
        for name in self.COUNTERS:
            structures = structures.with_property(f"build_{name}", [state[name]] * len(structures), "structure", "")
        write_npz(structures, self.path)
