from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from aiida_dismai.engine.potentials.calculators import PotentialCalculator
from aiida_dismai.engine.potentials.folder import TrainedPotential, load_potential
from aiida_dismai.engine.structures import StructureSet, to_ase


@pytest.fixture
def potential(lively: Path) -> TrainedPotential:
    return load_potential(lively)


@pytest.fixture
def atoms(frames: StructureSet) -> Atoms:
    return to_ase(frames[3].without_properties())[0]


def test_calculator_agrees_with_matgl_s_own(lively: Path, atoms: Atoms, potential: TrainedPotential):
    from matgl.apps.pes import Potential
    from matgl.ext.ase import PESCalculator

    other = load_potential(lively).potential
    whole = Potential(model=other.model, data_std=other.data_std, element_refs=potential.references).eval()
    theirs = PESCalculator(whole, stress_unit="eV/A3", use_voigt=True)
    ours = PotentialCalculator(potential)
    assert ours.get_property("energy", atoms) == pytest.approx(theirs.get_property("energy", atoms), abs=2e-5)
    np.testing.assert_allclose(ours.get_property("forces", atoms), theirs.get_property("forces", atoms), atol=1e-5)
    np.testing.assert_allclose(ours.get_property("stress", atoms), theirs.get_property("stress", atoms), atol=1e-6)


def test_forces_and_stress_are_derivatives_of_the_energy(atoms: Atoms, potential: TrainedPotential):
    atoms.calc = PotentialCalculator(potential)
    forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
    atom, axis = np.unravel_index(np.abs(forces).argmax(), forces.shape)
    side = np.abs(np.diag(stress)).argmax()
    assert abs(forces[atom, axis]) > 0.1
    assert abs(stress[side, side]) > 0.01
    step = 0.01
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[atom, axis] += sign * step
        moved.calc = atoms.calc
        energies.append(moved.get_potential_energy())
    assert forces[atom, axis] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=2e-3)
    energies = []
    for sign in (1, -1):
        strained = atoms.copy()
        strained.set_cell(
            atoms.cell.array @ (np.eye(3) + sign * step * np.diag(np.arange(3) == side)), scale_atoms=True
        )
        strained.calc = atoms.calc
        energies.append(strained.get_potential_energy())
    slope = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
    assert stress[side, side] == pytest.approx(slope, abs=2e-3)


def test_stress_is_computed_only_when_asked_for(atoms: Atoms, potential: TrainedPotential):
    calculator = PotentialCalculator(potential)
    calculator.get_property("forces", atoms)
    assert "stress" not in calculator.results
    before = calculator.results["forces"]
    assert calculator.get_property("stress", atoms).shape == (6,)
    np.testing.assert_allclose(calculator.results["forces"], before, atol=1e-6)


def test_whole_lattice_vectors_change_nothing(atoms: Atoms, potential: TrainedPotential):
    calculator = PotentialCalculator(potential)
    energy, forces = calculator.get_property("energy", atoms), calculator.get_property("forces", atoms)
    moved = atoms.copy()
    moved.positions[1] += 2 * atoms.cell[0] - atoms.cell[2]
    assert calculator.get_property("energy", moved) == pytest.approx(energy, abs=1e-5)
    np.testing.assert_allclose(calculator.get_property("forces", moved), forces, atol=1e-5)


def test_large_references_cost_no_digits(atoms: Atoms, lively: Path):
    near, far = load_potential(lively), load_potential(lively)
    far.references[:] -= 1e6
    energies = [PotentialCalculator(potential).get_property("energy", atoms) for potential in (near, far)]
    assert energies[0] - 8e6 - energies[1] == pytest.approx(0, abs=1e-7)
