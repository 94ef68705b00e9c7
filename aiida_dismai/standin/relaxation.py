"""The ionic steps: an ASE calculator in place of the electrons, an ASE optimiser in place of VASP's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import BadInput
from ..engine.plugins import import_name
from .inputs import Job, Poscar

if TYPE_CHECKING:
    from ase import Atoms

#: Largest displacement in one step, Å.
MAX_STEP = 0.15


@dataclass(frozen=True)
class IonicStep:
    """One geometry with its labels.

    Attributes:
        cell: rows are the lattice vectors, Å, ``(3, 3)``.
        fractional: ``(n, 3)``.
        energy: eV.
        forces: eV/Å, ``(n, 3)``, also on atoms that are held.
        stress: eV/Å³ in ASE's sign (negative when compressed), ``(3, 3)``.
        converged: whether EDIFFG is met here (then it is the last step).
    """

    cell: NDArray[np.float64]
    fractional: NDArray[np.float64]
    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]
    converged: bool


def load_calculator(name: str) -> Any:
    """Return an ASE calculator by name: ``chgnet``, ``emt``, ``lj`` or ``module:factory``.

    Raises:
        BadInput: no such calculator, or its package is not installed.
    """
    if name == "emt":
        from ase.calculators.emt import EMT

        return EMT()
    if name == "lj":
        from ase.calculators.lj import LennardJones

        return LennardJones(sigma=2.3, epsilon=0.4, rc=6.0, smooth=True)
    if name != "chgnet" and ":" not in name:
        raise BadInput(f"calculator '{name}': known are chgnet, emt, lj, and module:factory")
    try:
        return import_name("chgnet.model.dynamics:CHGNetCalculator" if name == "chgnet" else name)()
    except (ImportError, AttributeError) as error:
        raise BadInput(
            f"calculator '{name}' cannot be loaded ({error}); install its package or name another"
        ) from error


def make_atoms(poscar: Poscar) -> Atoms:
    """Return the atoms of a POSCAR with its selective dynamics as constraints."""
    from ase import Atoms
    from ase.constraints import FixAtoms, FixScaled

    atoms = Atoms(poscar.symbols, scaled_positions=poscar.fractional, cell=poscar.cell, pbc=True)
    moves = poscar.free.any(axis=1)
    constraints: list[Any] = [FixAtoms(indices=np.flatnonzero(~moves))] if not moves.all() else []
    for index in np.flatnonzero(moves & ~poscar.free.all(axis=1)):
        constraints.append(FixScaled([int(index)], mask=~poscar.free[index]))
    atoms.set_constraint(constraints)
    return atoms


def ionic_steps(job: Job, calculator: Any) -> Iterator[IonicStep]:
    """Yield one labelled geometry after the other until EDIFFG is met or NSW is reached.

    Quasi-Newton and conjugate gradient (IBRION 1, 2) are both BFGS here, damped dynamics (3) is FIRE.
    """
    atoms = make_atoms(job.poscar)
    atoms.calc = calculator
    if job.ibrion == -1 or job.nsw < 1:
        yield _label(atoms, converged=False)
        return
    target = _target(atoms, job.isif)
    optimiser = _optimiser(target, job.ibrion)
    last = np.inf
    for step in range(job.nsw):
        if step:
            optimiser.step()
        energy = atoms.get_potential_energy()
        if job.ediffg < 0:
            converged = bool(np.linalg.norm(target.get_forces(), axis=1).max() < -job.ediffg)
        else:
            converged = abs(energy - last) < job.ediffg
        last = energy
        yield _label(atoms, converged)
        if converged:
            return


def _target(atoms: Atoms, isif: int) -> Any:
    """Return what the optimiser moves: the atoms, or the atoms and (part of) the cell."""
    from ase.filters import FrechetCellFilter

    if isif < 3:
        return atoms
    return FrechetCellFilter(atoms, constant_volume=isif == 4, hydrostatic_strain=isif == 8)


def _optimiser(target: Any, ibrion: int) -> Any:
    from ase.optimize import BFGS, FIRE

    return (FIRE if ibrion == 3 else BFGS)(target, logfile=None, maxstep=MAX_STEP)


def _label(atoms: Atoms, converged: bool) -> IonicStep:
    return IonicStep(
        np.array(atoms.cell),
        atoms.get_scaled_positions(wrap=False),
        float(atoms.get_potential_energy()),
        atoms.get_forces(apply_constraint=False),
        atoms.get_stress(voigt=False, apply_constraint=False),
        converged,
    )
