"""Which ionic steps of a job can be labels; of the others, why not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...engine.potentials.plausible import MAX_FORCE, largest_norm, with_jumps
from .stdout import PwOutput, Step

#: A cell under more has collapsed, or the cut-off is far too low for a stress, GPa.
MAX_STRESS = 1000.0
#: The first version that knows the card HUBBARD.
FIRST_WITH_HUBBARD = (7, 1)
#: U in the input and in the output are one within this, eV (pw.x prints four digits).
SAME_U = 1e-3


def job_refusal(found: PwOutput, hubbard: dict[str, float]) -> str:
    """Say why no step of a job can be trusted, "" if some can.

    Args:
        found: what the job printed.
        hubbard: U in eV by manifold, as the job's input asks for it.
    """
    if found.version is None:
        return "the output does not say that it is pw.x's"
    if hubbard and found.version < FIRST_WITH_HUBBARD:
        major, minor = found.version
        return f"pw.x {major}.{minor} ignores the card HUBBARD and computes without U; U needs 7.1 or newer"
    if set(hubbard) != set(found.hubbard) or any(abs(found.hubbard[key] - u) > SAME_U for key, u in hubbard.items()):
        return f"U in the output ({_written(found.hubbard)}) is not that of the input ({_written(hubbard)})"
    return ""


def _written(hubbard: dict[str, float]) -> str:
    return ", ".join(f"{name} {u:g} eV" for name, u in sorted(hubbard.items())) or "none"


def refusals(steps: Sequence[Step], n_atoms: int, whole: str) -> list[str]:
    """Say of each computed step why it can be no label.

    Args:
        steps: of one job, in order, geometries filled in.
        n_atoms: of the structure that was given to the job.
        whole: why none of them can, or "".

    Returns:
        A reason for each step, "" for a step that can be trusted; equal causes have equal reasons.
    """
    reasons = [whole or _of_the_step(step, n_atoms) for step in steps]
    return with_jumps(reasons, [step.energy for step in steps], n_atoms)


def _of_the_step(step: Step, n_atoms: int) -> str:
    if step.electrons_failed:
        return "electrons not converged within electron_maxstep"
    for name, value, shape in (
        ("positions", step.positions, (n_atoms, 3)),
        ("cell", step.cell, (3, 3)),
        ("energy", step.energy, ()),
        ("forces", step.forces, (n_atoms, 3)),
        ("stress", step.stress, (3, 3)),
    ):
        if value is None:
            return f"no {name} in the output"
        array = np.asarray(value, dtype=np.float64)
        if array.shape != shape:
            return f"{name} of {len(array)} atoms, the structure has {n_atoms}"
        if not np.isfinite(array).all():
            return f"{name} not a number (overflown to stars, or NaN)"
    if largest_norm(np.asarray(step.forces)) > MAX_FORCE:
        return f"exploded: a force above {MAX_FORCE:g} eV/Å"
    if np.abs(np.asarray(step.stress)).max() > MAX_STRESS:
        return f"exploded: a stress above {MAX_STRESS:g} GPa (a cut-off that is far too low gives such, too)"
    return ""
