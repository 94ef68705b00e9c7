"""Annealing the seam: molecular dynamics of the atoms near the faces, while all others stay where they are.

Two surfaces that were never neighbours do not grow together in a minimisation: of 256 atoms about 50 keep another
coordination than they had. A few picoseconds below the melting point bring them together; the interior, which is what
was carved, is not touched.
"""

from __future__ import annotations

import contextlib

import numpy as np
from numpy.typing import NDArray

from ...errors import DismaiError
from ...potentials.lammps import LammpsSystem
from ...potentials.lammps_potentials import PairPotential, pair_potential
from .parameters import AnnealParameters

#: Timestep, ps: of silicon without anything light [own].
TIMESTEP = 0.002
#: Share of the time at the full temperature; then it falls to that of the end, K [own].
HOT, END = 0.2, 300.0
#: Forces that are left before atoms get velocities, eV/Å [own].
SETTLED = 0.5
#: Largest force on the free atoms in the end, eV/Å: no more than hot spots are wanted, a relaxation follows [own].
REST = 0.1
#: LAMMPS's random numbers take seeds below this.
SEEDS = 900_000_000
#: Correlation time of the thermostat, ps.
THERMOSTAT = 0.05


class Annealer:
    """Anneals seams with one potential.

    Args:
        parameters: potential, temperature, time and width.
        number: atomic number of all atoms.

    Raises:
        BadInput: LAMMPS is missing, or the potential does not know the element.
    """

    def __init__(self, parameters: AnnealParameters, number: int) -> None:
        self.parameters = parameters
        self.number = number
        self.potential: PairPotential = pair_potential(parameters.potential, parameters.potential_kwargs)
        self.potential.require_known(np.array([number]), "amorphous.carve: 'anneal'")

    def run(self, positions: NDArray[np.float64], side: float, seed: int) -> tuple[NDArray[np.float64], int]:
        """Anneal.

        Args:
            positions: ``(n, 3)`` in the cubic cell, Å.
            side: of the cell, Å.
            seed: of velocities and thermostat.

        Returns:
            Positions, and how many atoms were free to move.

        Raises:
            BrokeDown: the molecular dynamics went wrong.
        """
        own = self.parameters
        free = np.flatnonzero(np.minimum(positions, side - positions).min(axis=1) < own.width)
        if not len(free):
            return positions, 0
        steps = max(1, round(own.picoseconds / TIMESTEP))
        hot = round(HOT * steps)
        seed = 1 + seed % (SEEDS - 1)
        system = LammpsSystem(self.potential, np.full(len(positions), self.number), side * np.eye(3))
        heat = f"{own.temperature!r} {own.temperature!r}"
        fall = f"{own.temperature!r} {min(END, own.temperature)!r}"
        # twice the temperature: half of it goes into the potential energy
        commands = [
            "group free id " + " ".join(str(atom + 1) for atom in free),
            "group held subtract all free",
            "fix held held setforce 0.0 0.0 0.0",
            "min_style cg",
            f"minimize 0.0 {SETTLED!r} 200 2000",
            f"velocity free create {2 * own.temperature!r} {seed} mom no rot no",
            f"timestep {TIMESTEP!r}",
            "neighbor 1.0 bin",
            "neigh_modify every 1 delay 0 check yes",
            "fix move free nve",
            f"fix heat free temp/csvr {heat} {THERMOSTAT!r} {seed}",
            f"run {hot} post no",
            "unfix heat",
            f"fix heat free temp/csvr {fall} {THERMOSTAT!r} {seed}",
            f"run {steps - hot} post no",
            f"minimize 0.0 {REST!r} 500 5000",
        ]
        try:
            system.place(positions)
            for command in commands:
                system.command(command)
            ended = positions.copy()
            ended[free] = system.get("x")[free] % side
        except DismaiError:
            raise
        except Exception as error:  # LAMMPS's own are bare Exceptions
            raise BrokeDown(f"LAMMPS: {error}") from error
        finally:
            with contextlib.suppress(Exception):
                system.close()
        if not np.isfinite(ended).all():
            raise BrokeDown("a position is not a finite number")
        return ended, len(free)


class BrokeDown(Exception):
    """The molecular dynamics went wrong."""
