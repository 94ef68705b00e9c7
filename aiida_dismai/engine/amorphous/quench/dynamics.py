"""Molecular dynamics in pieces: by LAMMPS, or by any ASE calculator.

A piece begins from arrays alone: positions, velocities and cell. Both thermostat (stochastic velocity rescaling, Bussi,
Donadio and Parrinello, J. Chem. Phys. 126, 014101, 2007) and barostat (Berendsen et al., J. Chem. Phys. 81, 3684, 1984)
have no memory, and the random numbers of a piece come from its own seed. So a run that was stopped between two pieces
goes on as if it had not been: to the last bit with LAMMPS and any calculator whose results depend on the positions
alone (some of ASE's keep neighbour lists, and sum in another order after a stop).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from numpy.typing import NDArray

from ...errors import DismaiError
from ...potentials.lammps import BAR, LammpsCalculator, LammpsSystem
from ...units import EV_IN_U_A2_PER_PS2
from .parameters import QuenchParameters
from .start import kinetic_temperature

#: Modulus of the barostat, eV/Å³: that of silicon, 100 GPa; it sets the speed alone.
MODULUS = 0.624
#: Timesteps between two looks of the barostat at the pressure, with a calculator of ASE.
BAROSTAT_EVERY = 10
#: Timesteps of a piece: about a second of LAMMPS with 256 atoms, a minute of the most expensive calculators.
PIECE_ATOMS, PIECE_ASE = 2000 * 256, 20
#: Atoms hotter than this have been thrown out of a hole of the potential, K; random ones begin at up to a tenth of it.
TOO_HOT = 100_000.0


class BrokeDown(Exception):
    """The molecular dynamics went wrong: infinite, or far too hot."""


@dataclass(frozen=True)
class State:
    """Where molecular dynamics stands.

    Attributes:
        positions: not wrapped into the cell, Å, ``(n, 3)``.
        velocities: Å/ps, ``(n, 3)``.
        edge: of the cubic cell, Å.
    """

    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]
    edge: float


class Dynamics(Protocol):
    """What runs a piece of molecular dynamics.

    Attributes:
        calculator: ASE calculator of the same potential.
        piece: timesteps of a piece.
    """

    calculator: Any
    piece: int

    def run(self, state: State, steps: int, temperatures: tuple[float, float], seed: int) -> State:
        """Run some timesteps.

        Args:
            state: where to begin.
            steps: how many timesteps.
            temperatures: of the thermostat at the beginning and at the end, K.
            seed: of this piece.

        Raises:
            BrokeDown: the numbers became infinite, or the atoms far too hot.
        """
        ...


class LammpsDynamics:
    """Molecular dynamics inside LAMMPS."""

    def __init__(self, calculator: LammpsCalculator, parameters: QuenchParameters) -> None:
        """Keep the potential and the settings."""
        self.calculator = calculator
        self.parameters = parameters
        self.numbers = np.full(parameters.n_atoms, parameters.number)
        self.masses = atomic_masses[self.numbers]
        self.piece = max(100, PIECE_ATOMS // parameters.n_atoms)

    def run(self, state: State, steps: int, temperatures: tuple[float, float], seed: int) -> State:
        """Run some timesteps; see :class:`Dynamics`."""
        given = self.parameters
        system = LammpsSystem(self.calculator.potential, self.numbers, state.edge * np.eye(3))
        try:
            system.place(state.positions)
            system.put("v", state.velocities)
            turns = np.round((state.positions - system.get("x")) / state.edge)
            heat = f"{temperatures[0]!r} {temperatures[1]!r} {1e-3 * given.thermostat_time!r} {seed}"
            commands = [
                f"timestep {1e-3 * given.timestep!r}",
                "neighbor 1.0 bin",
                "neigh_modify every 1 delay 0 check yes",
                "fix move all nve",
                f"fix heat all temp/csvr {heat}",
            ]
            if given.ensemble == "npt":
                time = 1e-3 * given.barostat_time
                commands.append(f"fix press all press/berendsen iso 0.0 0.0 {time!r} modulus {MODULUS * BAR!r}")
            for command in [*commands, f"run {steps} post no"]:
                system.command(command)
            low, high = system.lmp.extract_box()[:2]
            edge = float(high[0] - low[0])
            turns += np.array(system.lmp.gather_atoms("image", 0, 3), dtype=np.float64).reshape(-1, 3)
            positions = system.get("x") - np.array(low) + edge * turns
            ended = State(positions, system.get("v"), edge)
        except DismaiError:
            raise
        except Exception as error:  # LAMMPS's own are bare Exceptions
            raise BrokeDown(f"LAMMPS: {error}") from error
        finally:
            with contextlib.suppress(Exception):
                system.close()
        return _sane(ended, self.masses)


class AseDynamics:
    """Molecular dynamics with any calculator of ASE, by velocity Verlet."""

    def __init__(self, calculator: Any, parameters: QuenchParameters) -> None:
        """Keep the calculator and the settings."""
        self.calculator = calculator
        self.parameters = parameters
        self.masses = np.full(parameters.n_atoms, float(atomic_masses[parameters.number]))
        self.piece = PIECE_ASE

    def run(self, state: State, steps: int, temperatures: tuple[float, float], seed: int) -> State:
        """Run some timesteps; see :class:`Dynamics`."""
        given, rng = self.parameters, np.random.default_rng(seed)
        step = 1e-3 * given.timestep  # ps
        atoms = Atoms(numbers=np.full(len(self.masses), given.number), positions=state.positions)
        atoms.set_cell(state.edge * np.eye(3))
        atoms.pbc = True
        # eV/Å and u into Å/ps²
        kick = 0.5 * step * EV_IN_U_A2_PER_PS2 / self.masses[:, None]
        velocities = state.velocities.copy()
        forces = self._get("forces", atoms)
        for done in range(steps):
            velocities += kick * forces
            atoms.positions += step * velocities
            if not np.isfinite(atoms.positions).all():
                raise BrokeDown("a position is not finite")
            forces = self._get("forces", atoms)
            velocities += kick * forces
            start, end = temperatures
            target = start + (end - start) * (done + 1) / steps
            hot = kinetic_temperature(self.masses, velocities)
            velocities *= rescaling(hot, target, 3 * len(self.masses) - 3, given.timestep / given.thermostat_time, rng)
            if given.ensemble == "npt" and (done + 1) % BAROSTAT_EVERY == 0:
                atoms.set_cell(self._breathe(atoms, velocities) * atoms.cell.array, scale_atoms=True)
                forces = self._get("forces", atoms)
        ended = State(atoms.positions.copy(), velocities, float(atoms.cell.array[0, 0]))
        return _sane(ended, self.masses)

    def _get(self, name: str, atoms: Atoms) -> NDArray[np.float64]:
        return np.asarray(self.calculator.get_property(name, atoms), dtype=np.float64)

    def _breathe(self, atoms: Atoms, velocities: NDArray[np.float64]) -> float:
        """Return by how much the barostat scales the cell."""
        given, volume = self.parameters, atoms.get_volume()
        kinetic = float(self.masses @ (velocities**2).sum(axis=1)) / EV_IN_U_A2_PER_PS2 / (3 * volume)
        pressure = kinetic - float(self._get("stress", atoms)[:3].mean())
        share = BAROSTAT_EVERY * given.timestep / given.barostat_time
        return float(np.clip(1 + share * pressure / MODULUS, 0.9, 1.1) ** (1 / 3))


def rescaling(hot: float, target: float, freedom: int, share: float, rng: np.random.Generator) -> float:
    """Return the factor of all velocities that the stochastic thermostat asks for.

    Args:
        hot: temperature that the atoms have, K.
        target: of the thermostat, K.
        freedom: degrees of freedom.
        share: timestep divided by the relaxation time.
        rng: random numbers.
    """
    if hot == 0:
        return 1.0
    kept = np.exp(-share)
    ratio = target / (freedom * hot)
    one, others = rng.normal(), rng.chisquare(freedom - 1)
    square = kept + (1 - kept) * ratio * (one**2 + others) + 2 * one * np.sqrt(kept * (1 - kept) * ratio)
    sign = np.sign(one + np.sqrt(kept / ((1 - kept) * ratio)))
    return float(sign * np.sqrt(max(square, 0.0)))


def _sane(state: State, masses: NDArray[np.float64]) -> State:
    """Return a state that is finite and not absurdly hot."""
    for values in (state.positions, state.velocities, np.array(state.edge)):
        if not np.isfinite(values).all():
            raise BrokeDown("a position or velocity is not finite")
    if (hot := kinetic_temperature(masses, state.velocities)) > TOO_HOT:
        raise BrokeDown(f"the atoms are {hot:.3g} K hot")
    return state
