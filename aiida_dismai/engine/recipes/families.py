"""Which tasks make which of the small data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alloys.choice import choose_snapshots
from ..alloys.selection import SelectionParameters
from ..amorphous.gate import choose_accepted
from ..errors import NothingLeft
from ..interfaces.crystals import li3sccl6, licoo2
from ..interfaces.selection import choose_low_energy
from ..steps import Steps
from ..structures import StructureSet, read_npz, write_npz
from ..structures.npz import open_arrays
from .label import label

#: Properties that ship with a set; others belong to how it was made.
KEPT = {
    "alloy": ("formation_energy", "pass", "run"),
    "amorphous": ("energy", "index"),
    "interface": ("energy", "index", "interface_energy", "interface_thickness", "region"),
}
#: Digits of the hash of a structure before its relaxation.
DIGITS = 16


@dataclass(frozen=True)
class Made:
    """A data set before its split.

    Attributes:
        structures: the data set.
        summary: what its selection says.
        unrelaxed: hashes of all candidates before the relaxation, in their order; none where nothing is relaxed.
        potential: folder of the potential that relaxed it.
    """

    structures: StructureSet
    summary: Mapping[str, Any]
    unrelaxed: tuple[str, ...] = ()
    potential: Path | None = None


def alloys(steps: Steps, recipe: Mapping[str, Any], part: str) -> Made:
    """Make one of the alloys, such as ``300K_wide``."""
    given = recipe["alloy"]
    temperature, _, selection = part.partition("_")
    parameters = given["sample"] | {"temperature": given["temperatures"][temperature]}
    place = steps.run(f"alloy/{temperature}", "alloys.sample", parameters, seed=given["seed"])
    snapshots, energy = _arrays(place / "snapshots.npz"), _arrays(place / "traces.npz")["energy"]
    chosen = SelectionParameters(**given["selections"][selection])
    return Made(*choose_snapshots(snapshots, energy, chosen, recipe["n_structures"], given["seed"]))


def amorphous(steps: Steps, recipe: Mapping[str, Any]) -> Made:
    """Make amorphous silicon."""
    given, count = recipe["amorphous"], recipe["n_structures"]
    network = given["network"] | {"n_structures": given["candidates"]}
    made = steps.run("amorphous/network", "amorphous.network", network, seed=given["seed"]) / "structures.npz"
    relaxed = steps.run("amorphous/relax", "relax", given["relax"], {"structures": made})
    inputs = {"structures": relaxed / "structures.npz"}
    measured = steps.run("amorphous/measure", "amorphous.measure", given["measure"], inputs)
    rejected = _arrays(measured / "measures.npz")["rejected"].astype(str)
    chosen, summary = choose_accepted(read_npz(inputs["structures"]), rejected, count)
    return Made(chosen, summary, hashes(read_npz(made)))


def interface(steps: Steps, recipe: Mapping[str, Any]) -> Made:
    """Make interfaces: build, label with the stand-in, train a potential, and relax with it until there are enough."""
    given, count = recipe["interface"], recipe["n_structures"]
    crystals = {}
    for name, crystal in (("slab_a", licoo2()), ("slab_b", li3sccl6())):
        crystals[name] = steps.folder / f"{name}.npz"
        steps.folder.mkdir(parents=True, exist_ok=True)
        write_npz(crystal, crystals[name])
    seed = given["seed"]
    training = steps.run(
        "interface/training", "interfaces.build", given["build"] | given["training"], crystals, seed["training"]
    )
    labelled = label(
        read_npz(training / "structures.npz"),
        given["label"],
        steps.folder / "interface/label",
        steps.workers,
        steps.report,
    )
    trained = steps.run(
        "interface/potential", "potential.train", given["potential"], {"structures": labelled}, seed["potential"]
    )
    sets: list[StructureSet] = []
    unrelaxed: list[str] = []
    chosen, summary = StructureSet.empty(), {"kept": 0}
    for turn in range(given["max_rounds"]):
        build = given["build"] | given["candidates"]
        build["first"] = turn * build["n_structures"]
        built = steps.run(f"interface/candidates_{turn}", "interfaces.build", build, crystals, seed["candidates"])
        inputs = {"structures": built / "structures.npz", "potential": trained / "potential"}
        relaxed = steps.run(f"interface/relax_{turn}", "relax", given["relax"], inputs)
        sets.append(read_npz(relaxed / "structures.npz"))
        unrelaxed += hashes(read_npz(built / "structures.npz"))
        chosen, summary = choose_low_energy(StructureSet.concatenate(sets), given["window"], count)
        steps.report(f"interface: round {turn + 1}, {summary['kept']} of {count} structures of low energy")
        if summary["kept"] >= count:
            break
    return Made(chosen, summary, tuple(unrelaxed), trained / "potential")


def make(steps: Steps, recipe: Mapping[str, Any], name: str) -> Made:
    """Make a data set by its name.

    Raises:
        NothingLeft: there were not enough structures.
    """
    family, _, part = name.partition("_")
    if family == "alloy":
        made = alloys(steps, recipe, part)
    else:
        made = {"amorphous": amorphous, "interface": interface}[family](steps, recipe)
    if len(made.structures) < recipe["n_structures"]:
        raise NothingLeft(f"{name}: {len(made.structures)} structures, {recipe['n_structures']} are wanted")
    kept = KEPT[family]
    bare = made.structures.without_properties(*[item for item in made.structures.properties if item not in kept])
    return Made(bare, made.summary, made.unrelaxed, made.potential)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with open_arrays(path, "arrays of a task") as arrays:
        return {name: arrays.read(name) for name in arrays.names()}


def hashes(structures: StructureSet) -> tuple[str, ...]:
    """Return the beginning of a hash of each structure's atoms, positions and cell, to the last bit."""
    found = []
    for one in structures:
        digest = hashlib.sha256()
        for array in (one.numbers.astype(np.uint8), one.positions, one.cells):
            digest.update(np.ascontiguousarray(array).tobytes())
        found.append(digest.hexdigest()[:DIGITS])
    return tuple(found)
