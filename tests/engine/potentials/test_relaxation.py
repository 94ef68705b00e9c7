from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE, LBFGS
from ase.optimize.sciopt import SciPyFminCG

from aiida_dismai.engine.potentials.parameters import RelaxParameters
from aiida_dismai.engine.potentials.relaxation import relax_one

OPTIMIZERS = {"SciPyFminCG": SciPyFminCG, "FIRE": FIRE, "BFGS": BFGS, "LBFGS": LBFGS}


def copper(scale: float = 0.2, seed: int = 0) -> Atoms:
    atoms = bulk("Cu", cubic=True) * (1, 1, 2)
    atoms.positions += np.random.default_rng(seed).normal(scale=scale, size=(8, 3))
    return atoms


class Scripted(Calculator):
    """EMT whose results are spoilt from one call on."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, spoil: Any, after: int) -> None:
        super().__init__()
        self.spoil, self.after, self.calls, self.inner = spoil, after, 0, EMT()

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        self.results = {name: self.inner.get_property(name, atoms) for name in ("energy", "forces")}
        if self.calls > self.after:
            self.spoil(self.results)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_relaxation_equals_ase_s_own(name: str):
    own = copper()
    outcome = relax_one(own, EMT(), RelaxParameters(optimizer=name))
    plain = copper()
    plain.calc = EMT()
    before = plain.get_potential_energy()
    optimizer = OPTIMIZERS[name](plain, logfile=None)
    assert optimizer.run(fmax=0.05, steps=1000)
    np.testing.assert_array_equal(outcome.positions, plain.positions)
    assert (outcome.steps, outcome.converged, outcome.failure) == (optimizer.nsteps, True, "")
    assert (outcome.energy_initial, outcome.energy) == (before, plain.get_potential_energy())
    assert outcome.fmax == np.linalg.norm(plain.get_forces(), axis=1).max() < 0.05


def test_cell_stays_when_only_positions_are_relaxed():
    atoms = copper()
    atoms.set_cell(atoms.cell.array * 1.03, scale_atoms=True)
    cell = atoms.cell.array.copy()
    outcome = relax_one(atoms, EMT(), RelaxParameters())
    assert outcome.converged
    np.testing.assert_array_equal(outcome.cell, cell)


def test_cell_relaxation_equals_ase_s_filter_and_asks_for_the_stress_once_a_step():
    atoms, plain = copper(0.1), copper(0.1)
    for one in (atoms, plain):
        one.set_cell(one.cell.array * 1.03, scale_atoms=True)
    outcome = relax_one(atoms, EMT(), RelaxParameters(relax_cell=True, optimizer="BFGS"))
    plain.calc = EMT()
    assert BFGS(FrechetCellFilter(plain), logfile=None).run(fmax=0.05)
    assert outcome.converged
    np.testing.assert_allclose(outcome.cell, plain.cell.array, atol=1e-12)
    np.testing.assert_allclose(outcome.positions, plain.positions, atol=1e-12)


def test_relaxed_structure_takes_no_step():
    first = relax_one(atoms := copper(), EMT(), RelaxParameters())
    again = relax_one(atoms, EMT(), RelaxParameters())
    assert (again.steps, again.converged) == (0, True)
    assert again.energy == pytest.approx(first.energy)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_out_of_steps_is_not_converged_and_no_failure(name: str):
    outcome = relax_one(copper(), EMT(), RelaxParameters(optimizer=name, steps=2))
    assert (outcome.steps, outcome.converged, outcome.failure) == (2, False, "")
    assert outcome.energy < outcome.energy_initial
    assert outcome.fmax > 0.05
    none = relax_one(copper(), EMT(), RelaxParameters(optimizer=name, steps=0))
    assert (none.steps, none.converged, none.energy) == (0, False, none.energy_initial)


def nan_energy(results: dict[str, Any]) -> None:
    results["energy"] = np.nan


def infinite_force(results: dict[str, Any]) -> None:
    results["forces"] = results["forces"].copy()
    results["forces"][3, 1] = np.inf


def crash(results: dict[str, Any]) -> None:
    raise IndexError("no such neighbour")


@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (nan_energy, "the calculator gave NaN or infinite energy"),
        (infinite_force, "the calculator gave NaN or infinite forces"),
        (crash, "the calculator failed: IndexError: no such neighbour"),
    ],
)
def test_failing_calculator_leaves_the_last_good_state(name: str, spoil: Any, message: str):
    outcome = relax_one(copper(), Scripted(spoil, after=4), RelaxParameters(optimizer=name))
    assert (outcome.converged, outcome.failure) == (False, message)
    assert 0 < outcome.steps < 4
    check = copper()
    check.positions = outcome.positions
    check.calc = EMT()
    assert outcome.energy == pytest.approx(check.get_potential_energy(), abs=1e-9)
    assert outcome.energy < outcome.energy_initial


def test_calculator_that_fails_at_once_gives_no_energies():
    start = copper()
    outcome = relax_one(start.copy(), Scripted(nan_energy, after=0), RelaxParameters())
    assert np.isnan([outcome.energy, outcome.energy_initial, outcome.fmax]).all()
    np.testing.assert_array_equal(outcome.positions, start.positions)


def test_overlapping_atoms_never_reach_the_calculator():
    atoms = copper()
    atoms.positions[0] = atoms.positions[5] + atoms.cell[1] + [0.2, 0, 0]
    calculator = Scripted(crash, after=0)
    outcome = relax_one(atoms, calculator, RelaxParameters())
    assert outcome.failure.startswith("overlap: two atoms are 0.200 Å apart")
    assert calculator.calls == 0


def test_atoms_that_fly_off_are_stopped():
    class Repulsive(Calculator):
        implemented_properties = ["energy", "forces"]

        def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
            super().calculate(atoms, properties, system_changes)
            forces = np.zeros((len(atoms), 3))
            forces[0, 0] = 1e4
            self.results = {"energy": -1e4 * atoms.positions[0, 0], "forces": forces}

    outcome = relax_one(copper(), Repulsive(), RelaxParameters())
    assert outcome.failure == "exploded: an atom moved by more than 100 Å"
    assert not outcome.converged


def test_hole_of_a_potential_is_no_minimum():
    class Attractive(Calculator):
        """Pulls two atoms onto each other by a spring."""

        implemented_properties = ["energy", "forces"]

        def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
            super().calculate(atoms, properties, system_changes)
            between = atoms.positions[1] - atoms.positions[0]
            self.results = {"energy": between @ between / 2, "forces": np.array([between, -between])}

    atoms = Atoms("Cu2", positions=[[1, 1, 1], [3, 1, 1]], cell=[9, 9, 9], pbc=True)
    outcome = relax_one(atoms, Attractive(), RelaxParameters(optimizer="BFGS", fmax=0.01))
    assert outcome.failure.startswith("collapsed: two atoms came within 0.0")
    assert not outcome.converged


def test_line_search_that_stalls_in_rounded_energies_begins_anew():
    class Rounded(Scripted):
        """Energies rounded as coarsely as single precision rounds those of a large cell."""

        def __init__(self) -> None:
            super().__init__(lambda results: results.update(energy=round(results["energy"], 2)), after=0)

    plain = copper(seed=3)
    plain.calc = Rounded()
    from ase.optimize.sciopt import OptimizerConvergenceError

    with pytest.raises(OptimizerConvergenceError):
        SciPyFminCG(plain, logfile=None).run(fmax=1e-3, steps=1000)
    outcome = relax_one(copper(seed=3), Rounded(), RelaxParameters(fmax=1e-3))
    if outcome.converged:
        assert outcome.fmax < 1e-3
    else:
        assert outcome.failure == "the line search found no lower energy along the forces"
    assert outcome.fmax <= np.linalg.norm(plain.get_forces(), axis=1).max() * 1.001


def test_lennard_jones_pair_ends_at_its_minimum():
    atoms = Atoms("Ar2", positions=[[5, 5, 5], [6.3, 5, 5]], cell=[12, 12, 12], pbc=True)
    outcome = relax_one(atoms, LennardJones(rc=5.0), RelaxParameters(fmax=1e-3))
    distance = np.linalg.norm(outcome.positions[1] - outcome.positions[0])
    assert distance == pytest.approx(2 ** (1 / 6), abs=1e-3)


def overflown_forces(results: dict[str, Any]) -> None:
    results["forces"] = results["forces"].copy()
    results["forces"][2, 2] = 1e12


def text_for_energy(results: dict[str, Any]) -> None:
    results["energy"] = "low"


def fewer_forces(results: dict[str, Any]) -> None:
    results["forces"] = results["forces"][:-1]


@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (overflown_forces, "exploded: the calculator gave forces beyond 1e+07 for each atom"),
        (text_for_energy, "the calculator gave no numbers"),
        (fewer_forces, "the calculator gave forces of the shape (7, 3)"),
    ],
)
def test_one_absurd_step_is_a_failure(name: str, spoil: Any, message: str):
    outcome = relax_one(copper(), Scripted(spoil, after=3), RelaxParameters(optimizer=name))
    assert outcome.failure.startswith(message)
    assert not outcome.converged
    assert np.abs(outcome.positions - copper().positions).max() < 1
    assert outcome.energy <= outcome.energy_initial


class Pushed(Calculator):
    """Constant forces, energies and stress of a list, whatever the atoms do."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, energies: list[float], forces: list[float], pressure: float = 0.0) -> None:
        super().__init__()
        self.energies, self.forces, self.pressure, self.calls = energies, forces, pressure, 0

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        forces = np.zeros((len(atoms), 3))
        forces[0, 0] = self.forces[min(self.calls, len(self.forces) - 1)]
        energy = self.energies[min(self.calls, len(self.energies) - 1)]
        self.calls += 1
        self.results = {"energy": energy, "forces": forces, "stress": -self.pressure * np.array([1, 1, 1, 0, 0, 0])}


@pytest.mark.parametrize("pressure", [0.5, -0.5])
def test_a_cell_that_bursts_or_collapses_is_a_failure(pressure: float):
    parameters = RelaxParameters(relax_cell=True, optimizer="FIRE")
    outcome = relax_one(copper(0.0), Pushed([0.0], [0.0], pressure), parameters)
    assert outcome.failure.startswith(("exploded: the volume of the cell", "collapsed"))
    assert not outcome.converged


def test_a_relaxation_that_ends_high_above_its_beginning_is_none():
    energies = [-20.0, -20.5, 700.0]
    outcome = relax_one(copper(0.0), Pushed(energies, [1.0, 0.5, 0.0]), RelaxParameters(optimizer="FIRE"))
    assert outcome.failure == "exploded: it ended 90 eV/atom above the energy that it began with"
    assert not outcome.converged


def test_an_optimiser_whose_algebra_fails_is_a_failure_of_the_structure(monkeypatch):
    def step(self: Any, *_: Any) -> None:
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    monkeypatch.setattr(BFGS, "step", step)
    outcome = relax_one(copper(), EMT(), RelaxParameters(optimizer="BFGS"))
    assert outcome.failure == "the optimiser failed: LinAlgError: Eigenvalues did not converge"


def test_atoms_at_nan_never_reach_the_calculator(monkeypatch):
    def step(self: Any, *_: Any) -> None:
        self.atoms.positions = self.atoms.positions * np.nan
        self.atoms.get_forces()

    monkeypatch.setattr(FIRE, "step", step)
    calculator = Scripted(crash, after=1)
    outcome = relax_one(copper(), calculator, RelaxParameters(optimizer="FIRE"))
    assert outcome.failure == "exploded: the optimiser moved atoms to NaN or infinity"
    assert np.isfinite(outcome.positions).all()
