"""Which ionic steps of a relaxation can be labels; of the others, why not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...engine.potentials.plausible import MAX_FORCE, largest_norm, with_jumps
from .vasprun import Step

#: VASP's own default.
DEFAULT_NELM = 60
#: Energies relative to the atoms of the POTCARs stay far below, eV/atom.
MAX_ENERGY = 100.0
#: A cell under more has collapsed, kB.
MAX_STRESS = 1e4
#: Cells below are flat, Å³.
SMALLEST_VOLUME = 1e-6
#: What a step must have, and its shape; None stands for the atoms.
_SHAPES: dict[str, tuple[int | None, ...]] = {
    "cell": (3, 3),
    "fractional": (None, 3),
    "forces": (None, 3),
    "stress": (3, 3),
    "energy": (),
}
#: ISIF for which VASP computes no stress, or its trace only.
WITHOUT_STRESS = {0: "no stress is computed", 1: "only the trace of the stress is computed"}


def refusals(steps: Sequence[Step], n_atoms: int, tags: dict[str, str], nelm: int | None = None) -> list[str]:
    """Say of each step why it can be no label.

    Args:
        steps: of one job, in order.
        n_atoms: of the structure that was given to the job.
        tags: what the job's file says of NELM, ISIF, PSTRESS and ML_LMLFF, as far as it does.
        nelm: limit of the electronic steps where the file does not say it.

    Returns:
        A reason for each step, "" for a step that can be trusted. Equal causes have equal reasons, so that they can
        be counted.
    """
    limit = _whole(tags.get("NELM")) or nelm or DEFAULT_NELM
    whole = _of_the_job(tags)
    learnt = tags.get("ML_LMLFF", "").strip(".").upper().startswith("T")
    reasons = [f"damaged in the file ({step.damage})" if step.damage else whole for step in steps]
    for i, step in enumerate(steps):
        reasons[i] = reasons[i] or _of_the_step(step, n_atoms, limit, learnt)
    return with_jumps(reasons, [step.energy for step in steps], n_atoms)


def _of_the_job(tags: dict[str, str]) -> str:
    """Say why no step of a job can be trusted."""
    isif = _whole(tags.get("ISIF"))
    if isif in WITHOUT_STRESS:
        return f"{WITHOUT_STRESS[isif]} with ISIF = {isif}"
    try:
        enthalpy = float(tags.get("PSTRESS", 0)) != 0
    except ValueError:
        enthalpy = False
    return "energies are enthalpies under PSTRESS" if enthalpy else ""


def _of_the_step(step: Step, n_atoms: int, limit: int, learnt: bool) -> str:
    """Say why a step by itself cannot be trusted."""
    found: dict[str, NDArray[np.float64]] = {}
    for name, shape in _SHAPES.items():
        value = getattr(step, name)
        shown = name.replace("_", " ").replace("fractional", "positions")
        if value is None:
            return f"no {shown} in the file"
        found[name] = np.asarray(value, dtype=np.float64)
        if not np.isfinite(found[name]).all():
            return f"{shown} not a number (overflown to stars, or NaN)"
        wanted = tuple(n_atoms if length is None else length for length in shape)
        if found[name].shape != wanted:
            rows = len(found[name])
            return f"{shown} of {rows} atoms, the structure has {n_atoms}" if None in shape else f"{shown} incomplete"
    if abs(np.linalg.det(found["cell"])) < SMALLEST_VOLUME:
        return "cell without volume"
    if step.electronic >= limit:
        return f"electrons not converged within NELM = {limit} steps"
    if learnt and not step.electronic:
        return "computed by a machine-learned force field"
    if largest_norm(found["forces"]) > MAX_FORCE:
        return f"exploded: a force above {MAX_FORCE:g} eV/Å"
    if abs(found["energy"]) > MAX_ENERGY * n_atoms:
        return f"exploded: an energy beyond ±{MAX_ENERGY:g} eV/atom"
    if np.abs(found["stress"]).max() > MAX_STRESS:
        return f"exploded: a stress above {MAX_STRESS:g} kB"
    return ""


def _whole(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
