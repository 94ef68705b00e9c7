"""Atoms in a LAMMPS that runs in this process, and the ASE calculator on top of it."""

from __future__ import annotations

import ctypes

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses, chemical_symbols
from numpy.typing import NDArray

from .lammps_cell import LammpsCell, periodic_cell
from .lammps_library import open_lammps
from .lammps_potentials import PairPotential

#: LAMMPS's bar per eV/Å³ (``nktv2p`` of its metal units).
BAR = 1.6021765e6
#: Places of LAMMPS's virial (xx yy zz xy xz yz) in a symmetric matrix.
VIRIAL = (np.array([0, 1, 2, 0, 0, 1]), np.array([0, 1, 2, 1, 2, 2]))


class LammpsSystem:
    """A periodic system in LAMMPS, kept from one calculation to the next.

    All positions, velocities and forces that go in and out are in the frame of the cell that was given. A calculation
    depends on the positions alone, to the last bit: neighbour lists are rebuilt, and atoms are never reordered.
    """

    def __init__(self, potential: PairPotential, numbers: NDArray[np.integer], cell: NDArray[np.float64]) -> None:
        """Set the system up, with the atoms in no place yet.

        Args:
            potential: that knows all elements.
            numbers: atomic numbers, ``(n,)``.
            cell: periodic in all directions, rows are vectors, Å.

        Raises:
            ValueError: the cell spans no volume.
        """
        self.n_atoms = len(numbers)
        self.cell = LammpsCell.of(cell)
        self.lmp = open_lammps()
        try:
            self._set_up(potential, numbers)
        except BaseException:
            self.lmp.close()
            raise

    def _set_up(self, potential: PairPotential, numbers: NDArray[np.integer]) -> None:
        kinds, types = np.unique(np.asarray(numbers, dtype=np.int64), return_inverse=True)
        for line in ("units metal", "atom_style atomic", "atom_modify map array sort 0 0.0", "boundary p p p"):
            self.lmp.command(line)
        if self.cell.tilted:
            self.lmp.command("box tilt large")
            self.lmp.command(f"region whole prism {self._bounds()}")
        else:
            self.lmp.command(f"region whole block {self._bounds()}")
        self.lmp.command(f"create_box {len(kinds)} whole")
        for i, number in enumerate(kinds):
            self.lmp.command(f"mass {i + 1} {float(atomic_masses[number])!r}")
        middle = np.tile(0.5 * self.cell.matrix.sum(axis=0), self.n_atoms)
        created = self.lmp.create_atoms(
            self.n_atoms, list(range(1, self.n_atoms + 1)), (types + 1).tolist(), middle.tolist()
        )
        if created != self.n_atoms:
            raise RuntimeError(f"LAMMPS took {created} of {self.n_atoms} atoms")
        for line in potential.commands(chemical_symbols[number] for number in kinds):
            self.lmp.command(line)
        for line in (
            "neighbor 0.3 bin",
            "compute virial all pressure NULL virial",
            "thermo_style custom step pe press c_virial[1]",
            "thermo_modify norm no lost error",
        ):
            self.lmp.command(line)

    def _bounds(self) -> str:
        matrix = self.cell.matrix
        numbers = [value for edge in np.diag(matrix) for value in (0.0, edge)]
        if self.cell.tilted:
            numbers += [matrix[1, 0], matrix[2, 0], matrix[2, 1]]
        return " ".join(repr(float(number)) for number in numbers)

    def close(self) -> None:
        """End this LAMMPS."""
        self.lmp.close()

    def command(self, line: str) -> None:
        """Give LAMMPS a command."""
        self.lmp.command(line)

    def put(self, name: str, values: NDArray[np.float64]) -> None:
        """Give the atoms values of their own: ``x`` in LAMMPS's frame and cell, Å, or ``v``, Å/ps; ``(n, 3)``."""
        flat = np.ascontiguousarray(values, dtype=np.float64).reshape(-1)
        self.lmp.scatter_atoms(name, 1, 3, (ctypes.c_double * flat.size).from_buffer(flat.data))

    def get(self, name: str) -> NDArray[np.float64]:
        """Return ``x``, ``v`` or ``f`` of the atoms in LAMMPS's frame; ``(n, 3)``, Å, Å/ps, eV/Å."""
        return np.array(self.lmp.gather_atoms(name, 1, 3), dtype=np.float64).reshape(-1, 3)

    def place(self, positions: NDArray[np.float64]) -> None:
        """Put the atoms at ``positions``, Å, anywhere in space."""
        self.put("x", self.cell.inside(positions))

    def compute(self) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return energy (eV), forces (eV/Å, ``(n, 3)``) and stress (eV/Å³, compressive negative, ``(3, 3)``)."""
        self.lmp.command("run 0 post no")
        energy = float(self.lmp.extract_compute("thermo_pe", 0, 0))
        forces = self.cell.vectors_back(self.get("f"))
        virial = self.lmp.extract_compute("virial", 0, 1)
        tensor = np.zeros((3, 3))
        tensor[VIRIAL] = [-virial[k] / BAR for k in range(6)]
        tensor = tensor + np.triu(tensor, 1).T
        return energy, forces, self.cell.tensor_back(tensor)


class LammpsCalculator(Calculator):
    """ASE calculator of a potential of LAMMPS; keeps its LAMMPS while cell and atoms stay the same.

    Without periodicity in some direction there is no stress.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, potential: PairPotential) -> None:
        """Keep the potential."""
        super().__init__()
        self.potential = potential
        self.potential_file = {"name": potential.file.name, "sha256": potential.digest}
        self.system: LammpsSystem | None = None
        self._made_for: tuple[bytes, bytes] | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy, forces and stress.

        Raises:
            BadInput: elements that the potential does not know.
            ValueError: positions that are not numbers, or a cell without volume.
            RuntimeError: LAMMPS failed.
        """
        super().calculate(atoms, properties, system_changes)
        positions, numbers, periodic = self.atoms.positions, self.atoms.numbers, self.atoms.pbc
        if not np.isfinite(positions).all():
            raise ValueError("a position is not a finite number")
        cell = periodic_cell(self.atoms.cell.array, periodic, positions)
        try:
            system = self._system_for(numbers, cell)
            system.place(positions)
            energy, forces, stress = system.compute()
        except BaseException as error:
            self.close()  # after an error a LAMMPS is of no use
            if type(error) in (Exception, RuntimeError) or type(error).__name__ == "MPIAbortException":
                raise RuntimeError(f"LAMMPS: {error}") from error
            raise
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        if periodic.all():
            self.results["stress"] = stress[(0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)]

    def _system_for(self, numbers: NDArray[np.integer], cell: NDArray[np.float64]) -> LammpsSystem:
        key = (numbers.tobytes(), np.ascontiguousarray(cell).tobytes())
        if self.system is None or key != self._made_for:
            self.close()
            self.potential.require_known(numbers, "relax")
            self.system = LammpsSystem(self.potential, numbers, cell)
            self._made_for = key
        return self.system

    def close(self) -> None:
        """End the LAMMPS that is kept."""
        if self.system is not None:
            self.system.close()
        self.system, self._made_for = None, None

    def __del__(self) -> None:
        """End the LAMMPS that is kept; at the end of Python it may be gone already."""
        if getattr(self, "system", None) is not None:
            try:
                self.close()
            except Exception:
                self.system = None
