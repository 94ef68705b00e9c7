"""Writing what ships: the two files of each set, the potential, and the manifest."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ..files import write_json
from ..small.catalogue import MANIFEST, SETS, manifest
from ..steps import Steps
from ..structures.set_npz import write_npz
from ..structures.splitting import split_indices
from ..trained import CONFIG, WEIGHTS
from ..versions import versions
from .families import Made, make

#: Files of a potential that ship.
POTENTIAL = (CONFIG, WEIGHTS)


def write_set(name: str, made: Made, recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write a set into the folder and note it in the manifest; return the note."""
    folder.mkdir(parents=True, exist_ok=True)
    train, validation = split_indices(len(made.structures), recipe["split_seed"], recipe["validation_share"])
    note: dict[str, Any] = {"versions": versions(), "summary": dict(made.summary)}
    for part, chosen in (("train", train), ("validation", validation)):
        structures = made.structures[chosen]
        write_npz(structures, folder / f"{name}.{part}.npz", compressed=True)
        note[part] = {
            "n_structures": len(structures),
            "formula": structures.formulas[0],
            "content_hash": structures.content_hash,
        }
    if made.unrelaxed:
        note["unrelaxed"] = list(made.unrelaxed)
    if made.potential is not None:
        target = folder / SETS[name].potential
        target.mkdir(exist_ok=True)
        for file in POTENTIAL:
            shutil.copyfile(made.potential / file, target / file)
    known = manifest(folder) | {name: note}
    write_json(folder / MANIFEST, {"recipe_version": recipe["version"], "sets": dict(sorted(known.items()))})
    return note


def make_set(name: str, recipe: dict[str, Any], steps: Steps, folder: Path) -> dict[str, Any]:
    """Make a set, or take it up where it was stopped, and write it.

    Args:
        name: of the set.
        recipe: parameters and seeds.
        steps: run the tasks.
        folder: where the files go.

    Raises:
        DismaiError: a task failed, or there were not enough structures.
    """
    return write_set(name, make(steps, recipe, name), recipe, folder)
