"""What the viewer of a page shows: by each distance the best, the median and the worst structure of each model.

A scene is one of them: as it was generated, as it was measured (relaxed, where its family is), and the training
structure nearest to it. Only so many are kept that a page stays a page; the report says how many of how many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.metrics.places import PLACES, choose
from ..engine.neighbours import close_pairs, usable
from ..engine.structures import StructureSet
from ..engine.text import visible
from .family import DISTANCES, FamilyReport
from .model import Model
from .numbers import number

#: Scenes and atoms of a page at most.
MAX_SCENES, MAX_ATOMS = 45, 60_000
#: Neighbours are atoms closer than so many times the sum of their covalent radii.
BONDED = 1.2
#: Whatever the family: cosine distances order structures as the others do.
LEFT_OUT = "cos_"
#: Text of a pane in which there is nothing.
NOT_KEPT = "not known: the run has not kept it"
NOT_RELAXED = "measured as it was generated, not relaxed"
NO_TRAINING = "the training structures are not part of this report (the reference is a file of records)"
#: Which structures a page shows, in words.
BY_EACH = "by each distance the best, the median and the worst"


@dataclass
class Sets:
    """The structures behind a model's measures.

    Attributes:
        measured: what the metrics were given; ``index`` of the measures counts in it.
        generated: what the model gave; ``source_index`` counts in it. None where it is not known.
        training: what was compared with; None where there are only records of it.
        relaxed: whether ``measured`` was relaxed.
        names: of each generated structure, as its file named it; empty without.
    """

    measured: StructureSet
    generated: StructureSet | None = None
    training: StructureSet | None = None
    relaxed: bool = True
    names: Sequence[str] = ()


@dataclass
class Scene:
    """One structure in its three states.

    Attributes:
        model: whose it is.
        measure: by which it was chosen.
        place: ``best``, ``median`` or ``worst``.
        title: which structure it is, and its numbers.
        panes: title, note, and structure (see :func:`drawn`; None for an empty pane) of each state.
        label: of the measure, in words.
        dataset: of a study, on which; empty for others.
        order: scenes with smaller numbers are kept first, where not all find a place.
    """

    model: str
    measure: str
    place: str
    title: str
    panes: list[dict[str, Any]] = field(default_factory=list)
    label: str = ""
    dataset: str = ""
    order: int = 0


def measures_of(model: Model, family: FamilyReport) -> list[str]:
    """Return the distances of a model that are known for every structure, the important ones first."""
    arrays = model.per_structure
    index = arrays.get("index")
    names = [name for name in arrays if name.startswith(DISTANCES) and not name.startswith(LEFT_OUT)]
    return family.ordered(name for name in names if index is not None and arrays[name].shape == index.shape)


def scenes_of(model: Model, family: FamilyReport, sets: Sets, measures: Sequence[str] | None = None) -> list[Scene]:
    """Return the scenes of a model.

    Args:
        model: with its numbers of every structure.
        family: of its structures.
        sets: these structures.
        measures: by which scenes are chosen; without them, by all of :func:`measures_of`.
    """
    arrays = model.per_structure
    index = arrays.get("index")
    if index is None or not len(index) or int(np.max(index)) >= len(sets.measured):
        return []
    source = arrays.get("source_index", index)
    found = []
    for order, name in enumerate(measures_of(model, family) if measures is None else measures):
        places = choose(np.asarray(arrays[name], dtype=float))
        nearest = _nearest(arrays, name, places)
        for label, place, near in zip(PLACES, places.tolist(), nearest, strict=False):
            scene = Scene(model.name, name, label, _title(model, family, sets, name, place, int(source[place])))
            scene.panes = _panes(sets, int(index[place]), int(source[place]), near)
            scene.label, scene.order = family.metric(name).label, order
            found.append(scene)
    return found


def _nearest(arrays: Mapping[str, NDArray[Any]], name: str, places: NDArray[np.int64]) -> list[int]:
    """Return the training structures that the metrics have noted, -1 for none."""
    noted, training = arrays.get(f"shown_{name}"), arrays.get(f"shown_training_{name}")
    if noted is None or training is None or not np.array_equal(noted, places):
        return [-1] * len(places)
    return [int(place) for place in training]


def _title(model: Model, family: FamilyReport, sets: Sets, name: str, place: int, source: int) -> str:
    arrays = model.per_structure
    which = visible(sets.names[source], 80) if source < len(sets.names) else f"structure {source}"
    parts = [which, f"{name} {number(float(arrays[name][place]), 3)}"]
    for array, unit in (("energy_per_atom", "eV/atom"), ("steps", "steps")):
        if array in arrays and len(arrays[array]) > place and np.isfinite(float(arrays[array][place])):
            parts.append(f"{number(float(arrays[array][place]), 5 if unit != 'steps' else 4)} {unit}")
    return " · ".join(parts)


def _panes(sets: Sets, index: int, source: int, nearest: int) -> list[dict[str, Any]]:
    before = None if sets.generated is None or source >= len(sets.generated) else sets.generated[source]
    measured = sets.measured[index]
    if not sets.relaxed and before is None:
        before = measured
    panes = [_pane("generated", before, NOT_KEPT)]
    panes.append(_pane("relaxed", measured if sets.relaxed else None, NOT_RELAXED))
    known = sets.training is not None and 0 <= nearest < len(sets.training)
    training = sets.training[nearest] if known and sets.training is not None else None
    title = f"nearest training structure{f' ({nearest})' if known else ''}"
    return [*panes, _pane(title, training, NO_TRAINING if sets.training is None else NOT_KEPT)]


def _pane(title: str, structure: StructureSet | None, missing: str) -> dict[str, Any]:
    if structure is not None and not usable(structure.positions, structure.cells[0]):
        structure, missing = None, "has coordinates that are no numbers, or a cell without volume"
    if structure is None:
        return {"title": title, "note": missing, "structure": None}
    note = f"{structure.formulas[0]}, {len(structure.positions)} atoms"
    return {"title": title, "note": note, "structure": drawn(structure)}


def drawn(structure: StructureSet) -> dict[str, Any]:
    """Return a set of one structure as the viewer reads it.

    Returns:
        ``elements`` (symbols that occur), ``kinds`` (which of them each atom is), ``positions`` (hundredths of Å, three
        for each atom, in the cell), ``cell`` (Å, nine numbers), ``coordination`` (neighbours of each atom, see
        :data:`BONDED`), and ``region`` where the atoms have one.
    """
    from ase.data import chemical_symbols

    cell = structure.cells[0]
    scaled = np.linalg.solve(cell.T, structure.positions.T).T
    scaled[:, structure.pbc[0]] %= 1.0
    elements, kinds = np.unique(structure.numbers, return_inverse=True)
    found = {
        "elements": [chemical_symbols[z] for z in elements],
        "kinds": kinds.tolist(),
        "positions": np.rint(100 * (scaled @ cell)).astype(int).ravel().tolist(),
        "cell": np.round(cell, 3).ravel().tolist(),
        "coordination": coordination(structure).tolist(),
    }
    region = structure.properties.get("region")
    if region is not None and region.level == "atom" and region.values.dtype.kind in "iu":
        found["region"] = region.values.tolist()
    return found


def coordination(structure: StructureSet) -> NDArray[np.int64]:
    """Return how many neighbours each atom of a set of one structure has, ``(n,)``; see :data:`BONDED`."""
    from ase.data import covalent_radii

    radii = covalent_radii[structure.numbers]
    positions, cell = structure.positions, structure.cells[0]
    pairs = close_pairs(positions, cell, structure.pbc[0], float(2 * BONDED * radii.max()))
    apart = np.linalg.norm(positions[pairs.second] + pairs.offsets - positions[pairs.first], axis=1)
    bonded = apart < BONDED * (radii[pairs.first] + radii[pairs.second])
    counts = np.bincount(pairs.first[bonded], minlength=len(radii))
    other = bonded & (pairs.first != pairs.second)  # its own images stand there both ways
    counts += np.bincount(pairs.second[other], minlength=len(radii))
    return np.asarray(counts)


def viewer_data(scenes: Sequence[Scene], analysed: int, chosen: str = BY_EACH) -> dict[str, Any]:
    """Return what the page gives its viewer: as many scenes as a page can hold, in their order.

    Args:
        scenes: all that there are.
        analysed: structures that they were chosen from.
        chosen: how, in words.

    Returns:
        ``scenes``, ``measures`` (name and label), ``datasets`` (empty unless of a study), ``colours`` and ``radii`` (Å)
        by element, and ``note``, which says how many structures are shown of how many; empty without scenes.
    """
    from ase.data import atomic_numbers, covalent_radii
    from ase.data.colors import jmol_colors

    if not scenes:
        return {}
    in_order = sorted(scenes, key=lambda scene: scene.order)
    kept: list[Scene] = []
    atoms = 0
    for scene in in_order:
        atoms += sum(len(pane["structure"]["kinds"]) for pane in scene.panes if pane["structure"])
        if len(kept) == MAX_SCENES or (kept and atoms > MAX_ATOMS):
            break
        kept.append(scene)
    drawings = [pane["structure"] for scene in kept for pane in scene.panes if pane["structure"]]
    symbols = sorted({symbol for drawing in drawings for symbol in drawing["elements"]})
    measures = {scene.measure: scene.label for scene in kept}
    return {
        "scenes": [vars(scene) for scene in kept],
        "measures": [{"name": name, "label": label} for name, label in measures.items()],
        "datasets": list(dict.fromkeys(scene.dataset for scene in kept if scene.dataset)),
        "colours": {s: "#" + "".join(f"{round(255 * c):02x}" for c in jmol_colors[atomic_numbers[s]]) for s in symbols},
        "radii": {s: round(float(covalent_radii[atomic_numbers[s]]), 2) for s in symbols},
        "note": _note(kept, scenes, analysed, chosen),
    }


def _note(kept: Sequence[Scene], scenes: Sequence[Scene], analysed: int, chosen: str) -> str:
    different = len({(scene.dataset, scene.model, scene.title.partition(" · ")[0]) for scene in kept})
    said = f"{different} of {analysed} analysed structures are shown: {chosen}"
    if len(kept) < len(scenes):
        said += f"; {len(scenes) - len(kept)} more choices are left out, so that the page stays small"
    return f"{said}. Coordination counts atoms closer than {BONDED} times the sum of the covalent radii."
