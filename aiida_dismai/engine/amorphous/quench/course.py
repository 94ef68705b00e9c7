"""One attempt: melt, quench, minimise; can be stopped anywhere and resumed."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from numpy.typing import NDArray

from ...arrays import write_arrays
from ...errors import BadInput
from ...potentials.parameters import RelaxParameters
from ...potentials.relaxation import relax_one
from ...structures import from_ase
from ...structures.npz import open_arrays
from ..making import Attempt, Made, Rejected
from .dynamics import BrokeDown, Dynamics, State
from .parameters import QuenchParameters
from .start import random_positions, thermal_velocities

#: Seconds between two half-way states on disk, when nothing asks for a stop.
SAVE_INTERVAL = 60.0
#: The melt lasts at most so many times ``melt_time``.
LONGEST_MELT = 10
#: LAMMPS's largest seed of a thermostat.
LARGEST_SEED = 900_000_000
UNITS = {"melt_time": "ps", "melt_displacement": "Å", "quench_energy": "eV"}


@dataclass
class Course:
    """Where an attempt stands.

    Attributes:
        positions: not wrapped into the cell, Å, ``(n, 3)``.
        velocities: Å/ps, ``(n, 3)``.
        edge: of the cubic cell, Å.
        origin: positions at the beginning, Å, ``(n, 3)``.
        pieces: pieces of molecular dynamics so far; the next one's random numbers come from this.
        melted: timesteps of the melt so far.
        quenched: timesteps of the quench so far.
        molten: whether the melt is over.
    """

    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]
    edge: float
    origin: NDArray[np.float64]
    pieces: int = 0
    melted: int = 0
    quenched: int = 0
    molten: bool = False

    @classmethod
    def begin(cls, parameters: QuenchParameters, rng: np.random.Generator) -> Course:
        """Place the atoms at random."""
        positions = random_positions(parameters.n_atoms, parameters.edge, parameters.min_distance, rng)
        masses = np.full(parameters.n_atoms, float(atomic_masses[parameters.number]))
        velocities = thermal_velocities(masses, parameters.melt_temperature, rng)
        return cls(positions, velocities, parameters.edge, positions.copy())

    @classmethod
    def load(cls, path: Path, n_atoms: int) -> Course | None:
        """Return a half-way state; None when there is none, or a bad copy has damaged it."""
        try:
            with open_arrays(path, "a half-way state of a quench") as archive:
                values: dict[str, Any] = {field.name: archive.read(field.name, "fib") for field in fields(cls)}
                found = cls(**{name: value if value.ndim else value.item() for name, value in values.items()})
                vectors = np.stack([found.positions, found.velocities, found.origin])
                if vectors.shape != (3, n_atoms, 3) or not np.isfinite(vectors).all() or not 0 < found.edge < np.inf:
                    raise ValueError("not the state of this quench")
                if min(found.pieces, found.melted, found.quenched) < 0:
                    raise ValueError("negative counts")
                return found
        except BadInput:
            return None

    def save(self, path: Path) -> None:
        """Write the half-way state."""
        write_arrays(path, asdict(self))

    @property
    def displacement(self) -> float:
        """Root mean square displacement since the beginning, the drift of the whole taken out, Å."""
        moved = self.positions - self.origin
        return float(np.sqrt(((moved - moved.mean(axis=0)) ** 2).sum(axis=1).mean()))


def quench_one(attempt: Attempt, parameters: QuenchParameters, dynamics: Dynamics) -> Made:
    """Make one structure.

    Raises:
        Rejected: it did not melt, broke down, or could not be minimised.
        Unfinished: out of time; the half-way state is in the attempt's folder.
    """
    path = attempt.scratch / "course.npz"
    course = Course.load(path, parameters.n_atoms) or Course.begin(parameters, attempt.rng)
    saved = time.monotonic()
    total = parameters.melt_steps + parameters.quench_steps
    while course.quenched < parameters.quench_steps:
        if attempt.out_of_time() or time.monotonic() - saved > SAVE_INTERVAL:
            course.save(path)
            saved = time.monotonic()
            attempt.progress(
                "quench" if course.molten else "melt",
                min(course.melted, parameters.melt_steps) + course.quenched,
                total,
                temperature=_temperature(parameters, course.quenched),
            )
            attempt.check_time()
        try:
            _advance(course, parameters, dynamics, attempt.seed)
        except BrokeDown as error:
            raise Rejected("the molecular dynamics broke down") from error
    course.save(path)  # a stop inside the minimisation costs the minimisation alone
    return _minimised(course, parameters, dynamics, attempt)


def _temperature(parameters: QuenchParameters, quenched: int) -> float:
    """Return the thermostat's temperature after so many timesteps of the quench, K."""
    share = quenched / parameters.quench_steps
    return parameters.melt_temperature + (parameters.final_temperature - parameters.melt_temperature) * share


def _advance(course: Course, parameters: QuenchParameters, dynamics: Dynamics, seed: int) -> None:
    """Run one piece of the melt or of the quench."""
    if course.molten:
        steps = min(dynamics.piece, parameters.quench_steps - course.quenched)
        end = _temperature(parameters, course.quenched + steps)
        temperatures = _temperature(parameters, course.quenched), end
    else:
        begun = course.melted % parameters.melt_steps
        steps = min(dynamics.piece, parameters.melt_steps - begun)
        temperatures = parameters.melt_temperature, parameters.melt_temperature
    random = int(np.random.default_rng([seed, course.pieces]).integers(1, LARGEST_SEED))
    ended = dynamics.run(State(course.positions, course.velocities, course.edge), steps, temperatures, random)
    course.positions, course.velocities, course.edge = ended.positions, ended.velocities, ended.edge
    course.pieces += 1
    if course.molten:
        course.quenched += steps
        return
    course.melted += steps
    if course.melted < parameters.melt_steps:
        return
    course.molten = course.displacement >= parameters.melt_displacement
    if not course.molten and course.melted >= LONGEST_MELT * parameters.melt_steps:
        raise Rejected("did not melt")


def _minimised(course: Course, parameters: QuenchParameters, dynamics: Dynamics, attempt: Attempt) -> Made:
    """Return the quenched structure at the bottom of its valley."""
    atoms = Atoms(
        numbers=np.full(parameters.n_atoms, parameters.number),
        positions=course.positions,
        cell=np.full(3, course.edge),
        pbc=True,
    )
    relax = RelaxParameters.model_validate({"fmax": parameters.fmax, "steps": parameters.relax_steps})
    outcome = relax_one(atoms, dynamics.calculator, relax, attempt.check_time)
    if outcome.failure:
        raise Rejected("the minimisation failed")
    if parameters.relax_steps and not outcome.converged:
        raise Rejected("the minimisation ran out of steps")
    atoms.positions = outcome.positions
    atoms.wrap()
    numbers: dict[str, float | int] = {
        "melt_time": 1e-3 * parameters.timestep * course.melted,
        "melt_displacement": course.displacement,
        "quench_energy": outcome.energy,
        "quench_relax_steps": outcome.steps,
    }
    return Made(from_ase([atoms]), numbers, UNITS)
