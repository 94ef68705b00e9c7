"""The relaxation of one structure, and everything that can go wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

from ..errors import DismaiError
from ..memory import is_out_of_memory
from ..neighbours import shortest_distance
from .outcomes import Outcome
from .parameters import RelaxParameters

#: Overlap threshold (Å): closer atoms mean invalid input or a potential without short-range repulsion, Å.
OVERLAP = 0.5
#: An atom that moves farther than this from where it began has been thrown out, Å.
THROWN_OUT = 100.0
#: A cell whose volume grows or shrinks by a larger factor has burst or collapsed.
VOLUME_FACTOR = 10.0
#: Energies (eV for each atom), forces (eV/Å) and stresses (eV/Å³) beyond are an overflow, or a hole of the potential.
ABSURD = 1e7
#: A relaxation that ends so much higher than it began has left its basin, eV/atom.
UPHILL = 1.0


class RelaxationError(Exception):
    """This structure cannot be relaxed further; the text says why."""


class Watched(Calculator):
    """Passes everything on to another calculator, and looks at what goes in and out before the optimiser does.

    ASE's optimisers go on with NaN for as many steps as they are allowed, and a calculator that is given atoms light
    years apart may search for their neighbours until the memory is full.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, inner: Any, before: Callable[[], None], stress: bool, start: Atoms | None = None) -> None:
        """Wrap ``inner``.

        Args:
            inner: any ASE calculator.
            before: called before each calculation; may raise.
            stress: compute the stress each time, because the cell moves.
            start: where the relaxation began.
        """
        super().__init__()
        self.inner = inner
        self.before = before
        self.names = ("stress", "forces", "energy") if stress else ("forces", "energy")
        self.start = None if start is None else (start.positions.copy(), start.cell.volume)
        self.evaluations = 0

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy, forces and, when the cell moves, stress.

        Raises:
            RelaxationError: the atoms have flown apart, or the calculator failed, or gave NaN, infinity or numbers
                beyond :data:`ABSURD`.
        """
        super().calculate(atoms, properties, system_changes)
        if self.start is not None:
            require_together(self.atoms.positions, self.atoms.cell.array, *self.start)
        self.before()
        self.evaluations += 1
        try:
            # The most expensive first: a calculator that computes it on demand then gives the others in the same go.
            found = {name: self.inner.get_property(name, self.atoms) for name in self.names}
        except DismaiError:
            raise
        except Exception as error:  # whatever a foreign calculator raises concerns this structure alone
            if is_out_of_memory(error):  # the next structure would fare no better
                raise
            raise RelaxationError(f"the calculator failed: {type(error).__name__}: {error}") from error
        try:
            self.results = {name: np.array(value, dtype=float) for name, value in found.items()}
            self.results["energy"] = float(self.results["energy"])
        except (TypeError, ValueError) as error:
            raise RelaxationError(f"the calculator gave no numbers: {error}") from error
        if self.results["forces"].shape != self.atoms.positions.shape:
            raise RelaxationError(f"the calculator gave forces of the shape {self.results['forces'].shape}")
        require_sound({name: self.results[name] for name in self.names}, len(self.atoms))
        self.results["free_energy"] = self.results["energy"]


def require_together(
    positions: NDArray[np.float64], cell: NDArray[np.float64], start: NDArray[np.float64], volume: float
) -> None:
    """Refuse atoms that have left where they began, and a cell that has burst or collapsed.

    Args:
        positions: ``(m, 3)`` Å.
        cell: ``(3, 3)`` Å.
        start: ``(m, 3)`` where they began, Å.
        volume: of the cell then, Å³.

    Raises:
        RelaxationError: says which.
    """
    if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
        raise RelaxationError("exploded: the optimiser moved atoms to NaN or infinity")
    if not volume / VOLUME_FACTOR <= abs(float(np.linalg.det(cell))) <= volume * VOLUME_FACTOR:
        raise RelaxationError(f"exploded: the volume of the cell changed by more than a factor of {VOLUME_FACTOR:g}")
    moved = float(np.abs(positions - start).max(initial=0.0))
    if moved > THROWN_OUT:
        raise RelaxationError(f"exploded: an atom moved by more than {THROWN_OUT:g} Å")


def require_sound(results: Mapping[str, Any], n_atoms: int) -> None:
    """Refuse numbers that no potential can mean.

    Args:
        results: energy, forces, stress by name.
        n_atoms: of the structure.

    Raises:
        RelaxationError: NaN, infinity, or beyond :data:`ABSURD`.
    """
    for name, value in results.items():
        if not np.isfinite(value).all():
            raise RelaxationError(f"the calculator gave NaN or infinite {name}")
        if np.abs(value).max(initial=0.0) > ABSURD * max(1, n_atoms):
            raise RelaxationError(f"exploded: the calculator gave {name} beyond {ABSURD:g} for each atom")


def require_apart(positions: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> None:
    """Refuse to begin with atoms on top of each other.

    Raises:
        RelaxationError: says how near.
    """
    if (distance := shortest_distance(positions, cell, pbc, OVERLAP)) < OVERLAP:
        raise RelaxationError(f"overlap: two atoms are {distance:.3f} Å apart, below {OVERLAP:g} Å")


def require_sane_end(outcome: Outcome, pbc: NDArray[np.bool_]) -> None:
    """Refuse an end that is no minimum of matter: atoms on top of each other, or an energy far above the first.

    Raises:
        RelaxationError: says which; the outcome has not converged then.
    """
    if (distance := shortest_distance(outcome.positions, outcome.cell, pbc, OVERLAP)) < OVERLAP:
        outcome.converged = False
        raise RelaxationError(f"collapsed: two atoms came within {distance:.3f} Å; the potential has a hole there")
    if (rise := (outcome.energy - outcome.energy_initial) / max(1, len(outcome.positions))) > UPHILL:
        outcome.converged = False
        raise RelaxationError(f"exploded: it ended {rise:.3g} eV/atom above the energy that it began with")


@dataclass
class Watch:
    """Keeps the last good state of a relaxation; called by the optimiser after every step."""

    atoms: Atoms
    outcome: Outcome
    start: NDArray[np.float64] = field(init=False)
    volume: float = field(init=False)

    def __post_init__(self) -> None:
        """Remember where the atoms began."""
        self.start, self.volume = self.atoms.positions.copy(), float(self.atoms.cell.volume)

    def __call__(self) -> None:
        """Look at the atoms.

        Raises:
            RelaxationError: an atom has flown off, or the cell has burst.
        """
        require_together(self.atoms.positions, self.atoms.cell.array, self.start, self.volume)
        forces = self.atoms.get_forces()
        self.outcome.energy = self.atoms.get_potential_energy()
        self.outcome.fmax = float(np.linalg.norm(forces, axis=1).max(initial=0.0))
        self.outcome.positions = self.atoms.positions.copy()
        self.outcome.cell = self.atoms.cell.array.copy()


def relax_one(
    atoms: Atoms,
    calculator: Any,
    parameters: RelaxParameters,
    before: Callable[[], None] = lambda: None,
    earlier: Outcome | None = None,
) -> Outcome:
    """Relax one structure; whatever is wrong with it ends in ``Outcome.failure``.

    Args:
        atoms: is moved.
        calculator: any ASE calculator.
        parameters: of the task.
        before: called before every calculation; what it raises (a stop for lack of time) is passed on after
            the last good state was written into ``earlier``, when that is given.
        earlier: outcome so far of a relaxation that was stopped, to resume from; is changed and returned.
    """
    outcome = earlier if earlier is not None else Outcome(atoms.positions.copy(), atoms.cell.array.copy())
    atoms.calc = watched = Watched(calculator, before, parameters.relax_cell, atoms.copy())
    done, evaluated = outcome.steps, outcome.evaluations
    watch = Watch(atoms, outcome)
    steps = [done]
    try:
        require_apart(atoms.positions, atoms.cell.array, atoms.pbc)
        watch()
        if math.isnan(outcome.energy_initial):
            outcome.energy_initial = outcome.energy
        outcome.converged = _optimise(atoms, parameters, watch, steps)
        watch()
        require_sane_end(outcome, atoms.pbc)
    except RelaxationError as failure:
        outcome.failure = str(failure)
    finally:
        outcome.steps = steps[0]
        outcome.evaluations = evaluated + watched.evaluations
        atoms.calc = None
    return outcome


def _optimise(atoms: Atoms, parameters: RelaxParameters, watch: Watch, steps: list[int]) -> bool:
    """Run the optimiser until it has converged or no steps are left; ``steps[0]`` counts along.

    Conjugate gradients end in ``OptimizerConvergenceError`` when a line search finds no lower energy, which
    happens near a minimum in single precision. They are restarted there, along the forces, as long as that
    gets anywhere.
    """
    import ase.optimize
    from ase.filters import FrechetCellFilter
    from ase.optimize.sciopt import OptimizerConvergenceError, SciPyFminCG

    kinds: dict[str, Any] = {
        "SciPyFminCG": SciPyFminCG,
        "FIRE": ase.optimize.FIRE,
        "BFGS": ase.optimize.BFGS,
        "LBFGS": ase.optimize.LBFGS,
    }
    target = FrechetCellFilter(atoms) if parameters.relax_cell else atoms
    while True:
        begun = steps[0]
        optimizer = kinds[parameters.optimizer](target, logfile=None)
        optimizer.fmax = parameters.fmax
        # ASE's SciPy optimisers take a step before they look; a relaxed structure needs none.
        if optimizer.converged() or begun >= parameters.steps:
            return bool(optimizer.converged())

        def count(optimizer: Any = optimizer, begun: int = begun) -> None:
            steps[0] = begun + optimizer.nsteps
            watch()

        optimizer.attach(count)
        try:
            return bool(optimizer.run(fmax=parameters.fmax, steps=parameters.steps - begun))
        except OptimizerConvergenceError as error:
            # The line search leaves the atoms at its last trial; the last accepted step is the state to keep.
            atoms.set_cell(watch.outcome.cell)
            atoms.positions = watch.outcome.positions
            if steps[0] == begun:
                raise RelaxationError("the line search found no lower energy along the forces") from error
        except (ArithmeticError, np.linalg.LinAlgError, ValueError) as error:
            # numbers that are finite, but too large for its algebra
            raise RelaxationError(f"the optimiser failed: {type(error).__name__}: {error}") from error
