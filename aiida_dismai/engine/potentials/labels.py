"""What a labelled set of structures must have, and its split by trajectory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..neighbours import close_pairs
from ..structures import StructureSet, load_structures

#: Two atoms nearer than this are an error of the data and no structure to learn, Å.
OVERLAP = 0.5
#: What a label is, and what stands in its place in other people's files.
LABELS: dict[str, tuple[str, dict[str, str]]] = {
    "energy": (
        "total energy of each structure, eV",
        {
            "free_energy": "'free_energy' is there: it is the label of this project, give it as 'energy'",
            "energy_initial": "'energy_initial' belongs to a relaxation and not to these positions",
        },
    ),
    "forces": ("of each atom, eV/Å", {}),
    "stress": (
        "3×3 of each structure, GPa, negative under compression",
        {
            "virial": "'virial' is there: give stress = −virial / volume, in GPa (1 eV/Å³ = 160.2177 GPa)",
            "virials": "'virials' are there: give stress = −virial / volume, in GPa (1 eV/Å³ = 160.2177 GPa)",
        },
    ),
}
#: Names of the sets of a split, in the order of the numbers that stand for them in files.
SETS = ("train", "validation", "test")


def load_labelled(path: Path, where: str) -> StructureSet:
    """Read structures with energy (eV), forces (eV/Å) and stress (GPa, 3×3), and check every label.

    Raises:
        BadInput: no structures, one that is not periodic, a label that is missing (says what is there in its place), of
            a wrong shape, no numbers, NaN or infinite (names the frames), or atoms on top of each other.
    """
    structures = load_structures(path).require(where, periodic=True)
    for name in LABELS:
        require_label(structures, name, where)
    frames = structures.atom_structure
    for name, shape, rows in (
        ("energy", (), None),
        ("forces", (3,), frames),
        ("stress", (3, 3), None),
    ):
        values = structures.values(name)
        if values.dtype.kind not in "iuf":
            raise BadInput(f"{where}: '{name}' holds {values.dtype.name} and no numbers")
        level = "structure" if rows is None else "atom"
        if structures.properties[name].level != level:
            raise BadInput(f"{where}: '{name}' must be a property of each {level}")
        if values.shape[1:] != shape:
            raise BadInput(f"{where}: '{name}' has the shape {values.shape[1:]} per row, not {shape}")
        finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if not finite.all():
            bad = np.unique(np.flatnonzero(~finite) if rows is None else rows[~finite])
            shown = ", ".join(str(i) for i in bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
            raise BadInput(f"{where}: '{name}' is NaN or infinite in frame {shown}; label or remove them")
    for i in range(len(structures)):
        own = structures.atoms_of(i)
        pairs = close_pairs(structures.positions[own], structures.cells[i], structures.pbc[i], OVERLAP)
        if len(pairs.first):
            raise BadInput(
                f"{where}: atoms {pairs.first[0]} and {pairs.second[0]} of frame {i} are closer than {OVERLAP} Å to "
                "each other; remove this frame"
            )
    return structures


def require_label(structures: StructureSet, name: str, where: str) -> None:
    """Refuse a set without a label, and say what is there in its place.

    Raises:
        BadInput: names the label, properties that look like it, and how to give it.
    """
    if name in structures.properties:
        return
    what, others = LABELS[name]
    similar = [key for key in structures.properties if key in others or name.rstrip("s") in key.lower()]
    hints = [others.get(key, f"is '{key}' meant? Then rename it") for key in similar]
    there = ", ".join(sorted(structures.properties)) or "none"
    hint = "; ".join(dict.fromkeys(hints)) or f"the properties that are there: {there}"
    raise BadInput(f"{where}: the structures have no '{name}' ({what}); {hint}")


@dataclass(frozen=True)
class Split:
    """Frames of the three sets, each an array of frame numbers in rising order."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def labels(self, n: int) -> NDArray[np.uint8]:
        """Return the number of the set (see :data:`SETS`) of each of the ``n`` frames."""
        result = np.zeros(n, dtype=np.uint8)
        result[self.validation] = 1
        result[self.test] = 2
        return result


def split_by_trajectory(
    structures: StructureSet, fractions: tuple[float, float, float], seed: int, where: str
) -> Split:
    """Split frames so that no relaxation trajectory is in two sets.

    Args:
        structures: with the per-structure property ``trajectory``.
        fractions: of the trajectories, for train, validation and test; a set with a fraction above 0 gets
            at least one trajectory.
        seed: of the shuffle.
        where: named in the error.

    Raises:
        BadInput: fewer trajectories than sets.
    """
    structures.require(where, "trajectory")
    names, member = np.unique(structures.values("trajectory"), return_inverse=True)
    wanted = sum(fraction > 0 for fraction in fractions)
    if len(names) < wanted:
        raise BadInput(
            f"{where}: {len(names)} trajectories cannot be split into {wanted} sets (frames of one trajectory stay "
            "together); label more structures, or set validation_fraction or test_fraction to 0"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    # Held-out sets are rounded to whole trajectories but never to none, nor so high that nothing is left to train on.
    counts = [max(1, round(fraction * len(names))) if fraction > 0 else 0 for fraction in fractions[1:]]
    while sum(counts) > len(names) - 1:
        counts[int(np.argmax(counts))] -= 1
    n_validation, n_test = counts
    role = np.zeros(len(names), dtype=int)
    role[order[:n_validation]] = 1
    role[order[n_validation : n_validation + n_test]] = 2
    frame_role = role[member.reshape(-1)]
    return Split(*(np.flatnonzero(frame_role == number) for number in range(3)))
