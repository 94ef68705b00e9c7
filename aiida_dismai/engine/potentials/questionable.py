"""Frames of a labelled set whose labels are more likely an error than physics, and frames that are predicted worst."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..structures import StructureSet
from .plausible import MAX_FORCE, MAX_STRESS
from .references import count_elements

if TYPE_CHECKING:
    from .predictions import Predictions

#: An energy is off when it is so many robust standard deviations from what the composition tells, …
MANY_SIGMA = 20.0
#: … and by at least so much, eV/atom: the frames of a converged relaxation differ by less than any sigma.
LEAST_OFF = 1.0
#: With fewer frames nobody knows which of them is off.
FEWEST = 4
#: Frames that are named; all are counted.
NAMED = 20
#: Frames with the largest errors that are named for each quantity.
WORST = 5
#: Iterations of the fit of least absolute deviations.
ITERATIONS = 50


def questionable(structures: StructureSet) -> dict[str, Any]:
    """Find frames with labels that are hardly right; they are used all the same.

    Args:
        structures: labelled, with finite ``energy`` (eV), ``forces`` (eV/Å) and ``stress`` (GPa).

    Returns:
        ``n_questionable``, and ``questionable_frames``: of the first :data:`NAMED`, farthest off first, ``frame``,
        ``trajectory`` (where there is one), ``energy_off`` (eV/atom from what frames of this composition have),
        ``largest_force`` (eV/Å), ``largest_stress`` (GPa) and ``reason``. ``warnings`` has one line for each kind.
    """
    off = energy_off(structures)
    norms = np.linalg.norm(structures.values("forces"), axis=1)
    force = np.zeros(len(structures))
    np.maximum.at(force, structures.atom_structure, norms)
    stress = np.abs(structures.values("stress")).max(axis=(1, 2))
    kinds = {
        "energy": (np.abs(off) > LEAST_OFF) & (np.abs(off) > MANY_SIGMA * _sigma(off)),
        "forces": force > MAX_FORCE,
        "stress": stress > MAX_STRESS,
    }
    said = {
        "energy": (off, "energy off by {:+.3g} eV/atom"),
        "forces": (force, "a force of {:.3g} eV/Å"),
        "stress": (stress, "a stress of {:.3g} GPa"),
    }
    found = np.flatnonzero(np.any(list(kinds.values()), axis=0))
    badness = np.abs(off) / LEAST_OFF + force / MAX_FORCE + stress / MAX_STRESS
    named = [
        {
            "frame": int(i),
            **_trajectory(structures, i),
            "energy_off": float(off[i]),
            "largest_force": float(force[i]),
            "largest_stress": float(stress[i]),
            "reason": ", ".join(text.format(values[i]) for name, (values, text) in said.items() if kinds[name][i]),
        }
        for i in sorted(found, key=lambda i: -badness[i])[:NAMED]
    ]
    return {
        "n_questionable": len(found),
        "questionable_frames": named,
        "warnings": _warnings(kinds, {name: np.abs(values) for name, (values, _) in said.items()}),
    }


def _warnings(kinds: dict[str, NDArray[np.bool_]], values: dict[str, NDArray[np.float64]]) -> list[str]:
    """Return a line for each kind of label that is off somewhere, with the frame that is farthest off."""
    rest = {
        "energy": "eV/atom from the others of their composition: another setting, or a calculation that did not "
        "converge?",
        "forces": "eV/Å: atoms on top of each other?",
        "stress": "GPa: is the stress in kbar or kB (10 kbar = 1 GPa)?",
    }
    labels = {"energy": "energies off by up to", "forces": "forces up to", "stress": "a stress up to"}
    lines = []
    for name, chosen in kinds.items():
        frames = np.flatnonzero(chosen)
        if len(frames):
            worst = int(frames[np.argmax(values[name][frames])])
            lines.append(
                f"{len(frames)} of {len(chosen)} frames have {labels[name]} {values[name][worst]:.4g} {rest[name]} "
                f"(frame {worst} most); check them, or leave them out"
            )
    return lines


def energy_off(structures: StructureSet) -> NDArray[np.float64]:
    """Return by how much each energy differs from that of its composition, eV/atom, ``(n,)``.

    One energy per element is fitted by least absolute deviations, so that a few frames that are far off do not pull
    the fit to themselves. Zeros where there are fewer than :data:`FEWEST` frames.
    """
    n = len(structures)
    if n < FEWEST:
        return np.zeros(n)
    sizes = structures.n_atoms.astype(float)
    shares = count_elements(structures, np.unique(structures.numbers).tolist()) / sizes[:, None]
    energies = structures.values("energy").astype(float) / sizes
    middle = float(np.median(energies))
    energies = energies - middle  # shares add up to one: a constant changes nothing but the rounding
    residuals = energies - np.median(energies)
    for _ in range(ITERATIONS):
        weights = 1 / np.sqrt(np.maximum(np.abs(residuals), 1e-6))
        fit = np.linalg.lstsq(shares * weights[:, None], energies * weights, rcond=1e-9)[0]
        residuals = energies - shares @ fit
    return residuals - float(np.median(residuals))


def _sigma(values: NDArray[np.float64]) -> float:
    """Return the standard deviation that a normal distribution with these absolute deviations has."""
    return 1.4826 * float(np.median(np.abs(values)))


def _trajectory(structures: StructureSet, frame: int | np.integer) -> dict[str, Any]:
    if "trajectory" not in structures.properties:
        return {}
    return {"trajectory": structures.values("trajectory")[frame].item()}


def worst_frames(predictions: Predictions, structures: StructureSet) -> list[dict[str, Any]]:
    """Return the frames with the largest errors of energy, forces or stress, :data:`WORST` of each at most.

    Returns:
        Of each frame ``frame``, ``trajectory``, ``error_energy`` (meV/atom, predicted minus reference),
        ``error_forces`` (meV/Å, the largest norm of a difference) and ``error_stress`` (GPa, the largest component) and
        ``largest_in``: the quantities in which it is one of the worst. By the number of the frame.
    """
    energy = 1000 * (predictions.energy - structures.values("energy")) / structures.n_atoms
    differences = np.linalg.norm(predictions.forces - structures.values("forces"), axis=1)
    forces = np.zeros(len(structures))
    np.maximum.at(forces, structures.atom_structure, 1000 * differences)
    stress = np.abs(predictions.stress - structures.values("stress")).max(axis=(1, 2))
    chosen: dict[int, list[str]] = {}
    for name, errors in (("energy", np.abs(energy)), ("forces", forces), ("stress", stress)):
        for i in np.argsort(-errors, kind="stable")[:WORST]:
            chosen.setdefault(int(i), []).append(name)
    return [
        {
            "frame": i,
            **_trajectory(structures, i),
            "error_energy": float(energy[i]),
            "error_forces": float(forces[i]),
            "error_stress": float(stress[i]),
            "largest_in": chosen[i],
        }
        for i in sorted(chosen)
    ]
