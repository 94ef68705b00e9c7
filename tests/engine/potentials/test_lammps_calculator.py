"""Potentials of LAMMPS as ASE calculators, beside plain formulas, published numbers and finite differences."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.units import GPa
from scipy.spatial.transform import Rotation

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.potentials import lammps_library
from aiida_dismai.engine.potentials.calculators import make_calculator
from aiida_dismai.engine.potentials.lammps import LammpsCalculator
from aiida_dismai.engine.potentials.lammps_cell import LammpsCell, periodic_cell
from aiida_dismai.engine.structures import from_ase

pytest.importorskip("lammps")

NAMES = ("edip", "sw", "sw_vink", "tersoff")


def calculator(name, atoms=None, **arguments):
    atoms = bulk("Si") if atoms is None else atoms
    return make_calculator(name, arguments, None, "cpu", from_ase([atoms]))


def crowd(seed=0, n=5):
    """A few silicon atoms in a small skewed cell, far from equilibrium."""
    rng = np.random.default_rng(seed)
    cell = np.array([[4.6, 0.4, -0.3], [1.9, 4.4, 0.2], [-1.1, 1.3, 5.2]])
    atoms = Atoms(f"Si{n}", cell=cell, pbc=True)
    while True:
        atoms.set_scaled_positions(rng.uniform(size=(n, 3)))
        distances = atoms.get_all_distances(mic=True)[np.triu_indices(n, 1)]
        if distances.min() > 1.9:
            return atoms


def stillinger_weber(atoms, epsilon=2.1683, strength=21.0):
    """Energy of Stillinger and Weber (1985), written down from the paper, with all images."""
    sigma, reach, gamma, depth, wall = 2.0951, 1.80, 1.20, 7.049556277, 0.6022245584
    turns = [(-3, -2, -1, 0, 1, 2, 3) if periodic else (0,) for periodic in atoms.pbc]
    shifts = np.array(list(itertools.product(*turns))) @ atoms.cell.array
    energy = 0.0
    for position in atoms.positions:
        away = (atoms.positions[None] + shifts[:, None] - position).reshape(-1, 3) / sigma
        r = np.linalg.norm(away, axis=1)
        near = (r > 1e-8) & (r < reach)
        away, r = away[near], r[near]
        energy += 0.5 * np.sum(depth * (wall * r**-4 - 1) * np.exp(1 / (r - reach)))
        for j, k in itertools.combinations(range(len(r)), 2):
            cosine = away[j] @ away[k] / r[j] / r[k]
            energy += strength * np.exp(gamma / (r[j] - reach) + gamma / (r[k] - reach)) * (cosine + 1 / 3) ** 2
    return epsilon * energy


@pytest.mark.parametrize(("name", "epsilon", "strength"), [("sw", 2.1683, 21.0), ("sw_vink", 1.64833, 31.5)])
@pytest.mark.parametrize("periodic", [(True, True, True), (True, False, True), (False, False, False)])
def test_energy_is_that_of_the_formula(name, epsilon, strength, periodic):
    atoms = crowd(3)
    atoms.pbc = periodic
    expected = stillinger_weber(atoms, epsilon, strength)
    assert calculator(name).get_property("energy", atoms) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "lattice", "energy"),
    [
        ("sw", 5.431, -4.3366),  # Stillinger and Weber 1985: 2 epsilon
        ("edip", 5.430, -4.650),  # Justo et al. 1998
        ("tersoff", 5.432, -4.63),  # Tersoff 1988, PRB 38, 9902
        ("sw_vink", 5.431, -2 * 1.64833),
    ],
)
def test_diamond_has_the_published_lattice_constant_and_energy(name, lattice, energy):
    found = calculator(name)
    edges = np.linspace(5.38, 5.48, 11)
    energies = [found.get_property("energy", bulk("Si", "diamond", a=edge)) / 2 for edge in edges]
    a, b, c = np.polyfit(edges, energies, 2)
    assert -b / (2 * a) == pytest.approx(lattice, abs=2e-3)
    assert c - b**2 / (4 * a) == pytest.approx(energy, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "c11", "c12"),
    # Balamane, Halicioglu and Tiller, PRB 46, 2250 (1992), table of the bulk; EDIP: Justo et al., PRB 58, 2539 (1998)
    [("sw", 151.4, 76.4), ("tersoff", 142.5, 75.4), ("edip", 172.0, 64.7)],
)
def test_elastic_constants_are_the_published_ones(name, c11, c12):
    found, strain = calculator(name), 2e-3
    stresses = []
    for sign in (1, -1):
        atoms = bulk("Si", "diamond", a=5.431 if name != "tersoff" else 5.432, cubic=True)
        atoms.set_cell(atoms.cell.array @ np.diag([1 + sign * strain, 1, 1]), scale_atoms=True)
        stresses.append(found.get_property("stress", atoms))
    slope = (stresses[0] - stresses[1]) / (2 * strain) / GPa
    assert slope[0] == pytest.approx(c11, abs=2.5)
    assert slope[1] == pytest.approx(c12, abs=2.5)
    np.testing.assert_allclose(slope[3:], 0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hand", [1, -1])
def test_forces_and_stress_are_derivatives_of_the_energy(name, hand):
    atoms, found = crowd(1), calculator(name)
    step, close = 1e-5, 1e-5
    atoms.set_cell(atoms.cell.array[::hand])  # right- and left-handed
    forces, stress = found.get_property("forces", atoms), found.get_property("stress", atoms)
    assert np.abs(forces).max() > 0.5
    for atom, axis in ((0, 0), (2, 1), (4, 2)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * step
            energies.append(found.get_property("energy", moved))
        assert forces[atom, axis] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=close)
    for place, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[i, j] += sign * step / 2
            strain[j, i] += sign * step / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            energies.append(found.get_property("energy", strained))
        slope = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
        assert stress[place] == pytest.approx(slope, abs=close)


def test_edip_is_that_of_lammps_other_implementation():
    atoms = bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.2, seed=3)
    tabulated = calculator("lammps", pair_style="edip", file="Si.edip", elements=["Si"])
    energies, forces = (
        [one.get_property(name, atoms) for one in (calculator("edip"), tabulated)] for name in ("energy", "forces")
    )
    assert energies[0] == pytest.approx(energies[1], abs=64 * 1e-6)
    np.testing.assert_allclose(forces[0], forces[1], atol=2e-3)


def test_turning_everything_turns_forces_and_stress():
    rng = np.random.default_rng(5)
    atoms, found = crowd(2), calculator("edip")
    turn = Rotation.random(random_state=7).as_matrix()
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn.T)
    turned.positions = atoms.positions @ turn.T + rng.normal(size=3) * 50
    assert found.get_property("energy", turned) == pytest.approx(found.get_property("energy", atoms), abs=1e-9)
    forces = [found.get_property("forces", one).copy() for one in (atoms, turned)]
    np.testing.assert_allclose(forces[1], forces[0] @ turn.T, atol=1e-9)
    order = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]
    stresses = [found.get_property("stress", one)[order] for one in (atoms, turned)]
    np.testing.assert_allclose(stresses[1], turn @ stresses[0] @ turn.T, atol=1e-9)


def test_a_cell_is_as_good_as_another_of_the_same_lattice():
    atoms, found = crowd(4), calculator("tersoff")
    energy, forces = found.get_property("energy", atoms), found.get_property("forces", atoms).copy()
    for matrix in (
        [[1, 0, 0], [7, 1, 0], [-3, 2, 1]],
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
        [[-1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ):
        other = atoms.copy()
        other.set_cell(np.array(matrix) @ atoms.cell.array)
        assert found.get_property("energy", other) == pytest.approx(energy, abs=1e-9)
        np.testing.assert_allclose(found.get_property("forces", other), forces, atol=1e-9)
    assert found.get_property("energy", atoms * (2, 1, 3)) == pytest.approx(6 * energy, abs=1e-8)


def test_cells_in_lammps_form_are_the_same_lattice():
    rng = np.random.default_rng(1)
    for _ in range(50):
        basis = rng.normal(size=(3, 3)) * 5
        if abs(np.linalg.det(basis)) < 1:
            continue
        cell = LammpsCell.of(basis)
        assert np.linalg.det(cell.rotation) == pytest.approx(1)
        assert (np.diag(cell.matrix) > 0).all()
        assert np.triu(cell.matrix, 1).tolist() == np.zeros((3, 3)).tolist()
        tilts = cell.matrix[[1, 2, 2], [0, 0, 1]] / cell.matrix[[0, 0, 1], [0, 0, 1]]
        assert np.abs(tilts).max() <= 0.5 + 1e-12
        whole = cell.matrix @ cell.rotation.T @ np.linalg.inv(basis)
        np.testing.assert_allclose(whole, np.round(whole), atol=1e-9)
        assert abs(np.linalg.det(whole)) == pytest.approx(1)
    with pytest.raises(ValueError, match="spans no volume"):
        LammpsCell.of(np.array([[1.0, 0, 0], [2, 0, 0], [0, 0, 1]]))


def test_directions_without_periodicity_get_a_gap():
    cell = periodic_cell(np.diag([4.0, 0.0, 3.0]), np.array([True, False, False]), np.array([[0, 0, 0], [0, 7.0, 40]]))
    assert cell[0].tolist() == [4.0, 0.0, 0.0]
    lengths = np.linalg.norm(cell, axis=1)
    assert sorted(np.abs(cell[1:]).max(axis=0).tolist()) == sorted([0.0, *lengths[1:]])
    assert set(lengths[1:]) == {35.0, 65.0}


def test_without_periodicity_there_is_no_stress():
    atoms = crowd(0)
    atoms.pbc = (True, True, False)
    atoms.calc = calculator("sw")
    assert np.isfinite(atoms.get_forces()).all()
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


def test_results_depend_on_the_positions_alone_and_lammps_is_kept():
    first, second = crowd(0), crowd(1)
    found = calculator("edip")
    energy, forces = found.get_property("energy", first), found.get_property("forces", first).copy()
    kept = found.system
    found.get_property("energy", second)
    assert found.system is kept
    assert found.get_property("energy", first) == energy
    assert found.get_property("forces", first).tolist() == forces.tolist()
    found.get_property("energy", crowd(0, n=4))
    assert found.system is not kept
    assert found.get_property("energy", first) == energy


def test_lammps_writes_no_file_and_prints_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    atoms = crowd(0)
    calculator("tersoff").get_property("energy", atoms)
    with pytest.raises(BadInput):
        calculator("lammps", pair_style="sw", file="Si.sw", elements=["Ge"])
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert list(tmp_path.iterdir()) == []


def test_after_an_error_it_goes_on():
    atoms, found = crowd(0), calculator("sw")
    energy = found.get_property("energy", atoms)
    lost = atoms.copy()
    lost.positions[1, 2] = np.nan
    with pytest.raises(ValueError, match="not a finite number"):
        found.get_property("energy", lost)
    flat = atoms.copy()
    flat.set_cell(np.diag([4.0, 4.0, 0.0]))
    flat.pbc = True
    with pytest.raises(ValueError, match="spans no volume"):
        found.get_property("energy", flat)
    assert found.get_property("energy", atoms) == energy
    found.get_property("energy", crowd(2))
    with pytest.raises(Exception, match="Unknown command"):
        found.system.command("wobble")
    found.system.command("delete_atoms group all")  # whatever spoils it
    with pytest.raises(RuntimeError, match="LAMMPS"):
        found.get_property("energy", crowd(1))
    assert found.get_property("energy", atoms) == energy


# ---------------------------------------------------------------------- by file
def test_a_file_of_the_users_or_of_lammps(tmp_path):
    atoms = crowd(0)
    expected = calculator("sw").get_property("energy", atoms)
    shipped = calculator("lammps", pair_style="sw", file="Si.sw", elements=["Si"])
    assert shipped.get_property("energy", atoms) == expected
    folder = tmp_path / "with a blank"
    folder.mkdir()
    own = folder / "mine.sw"
    own.write_text("Sx Sx Sx 4.3366 2.0951 1.80 21.0 1.20 -0.333333333333 7.049556277 0.6022245584 4.0 0.0 0.0\n")
    doubled = calculator("lammps", pair_style="sw", file=str(own), elements={"Si": "Sx"})
    assert doubled.get_property("energy", atoms) == pytest.approx(2 * expected)
    assert doubled.potential_file["name"] == "mine.sw"
    assert doubled.potential_file["sha256"] != shipped.potential_file["sha256"]


def test_several_elements():
    atoms = bulk("SiC", "zincblende", a=4.359)
    arguments = {"pair_style": "tersoff", "file": "SiC.tersoff", "elements": ["C", "Si"]}
    energy = calculator("lammps", atoms, **arguments).get_property("energy", atoms)
    # Tersoff, PRB 39, 5566 (1989): silicon carbide has 6.165 eV per atom, at 4.321 Å
    assert energy / 2 == pytest.approx(-6.165, abs=0.1)
    swapped = atoms.copy()
    swapped.numbers = atoms.numbers[::-1]
    assert calculator("lammps", atoms, **arguments).get_property("energy", swapped) == pytest.approx(energy)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "pair_style: Field required"),
        ({"pair_style": "sw", "file": "Si.sw", "elements": []}, "elements"),
        ({"pair_style": "sw", "file": "Si.sw", "elements": ["Sj"]}, "'Sj' is not a chemical symbol"),
        ({"pair_style": "sw", "file": "Si.swx", "elements": ["Si"]}, "did you mean 'Si.sw'"),
        ({"pair_style": "sw", "file": "/nowhere/Si.sw", "elements": ["Si"]}, "no potential file /nowhere/Si.sw"),
        ({"pair_style": "wobble", "file": "Si.sw", "elements": ["Si"]}, "'wobble' is none of the pair styles"),
        ({"pair_style": "eam/fs", "file": "Si.sw", "elements": ["Si"]}, "cannot use pair style 'eam/fs'"),
        ({"pair_style": "sw", "file": "Si.sw", "elements": ["Ge"]}, "cannot use pair style 'sw'"),
        ({"pair_style": "sw\nshell rm x", "file": "Si.sw", "elements": ["Si"]}, r"'sw\nshell' is none of the pair"),
        ({"pair_style": "sw", "file": "Si.sw", "elements": {"Si": "Si Si"}}, "cannot be a name in a potential file"),
        ({"pair_styl": "sw", "file": "Si.sw", "elements": ["Si"]}, "did you mean 'pair_style'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(BadInput, match="calculator 'lammps'") as error:
        calculator("lammps", **arguments)
    assert message in str(error.value)


def test_named_potentials_take_no_arguments():
    with pytest.raises(BadInput, match="calculator 'edip' takes no calculator_kwargs \\(file\\); another file"):
        calculator("edip", file="Si.edip")


@pytest.mark.parametrize("name", NAMES)
def test_elements_that_the_potential_does_not_know_are_refused_before_anything_runs(name):
    with pytest.raises(BadInput, match=f"'{name}' .* does not know C, O; it knows Si"):
        calculator(name, Atoms("SiOC", cell=[9, 9, 9], pbc=True))
    found = calculator(name)
    with pytest.raises(BadInput, match="does not know Ge"):
        found.get_property("energy", bulk("Ge"))


# ---------------------------------------------------------------------- installation
def test_missing_lammps_names_the_line_that_installs_it(monkeypatch):
    lammps_library.lammps_module.cache_clear()
    monkeypatch.setitem(sys.modules, "lammps", None)
    try:
        with pytest.raises(BadInput, match=r"pip install 'aiida-dismai\[silicon\]'"):
            calculator("edip")
    finally:
        lammps_library.lammps_module.cache_clear()


def test_a_missing_mpi_library_is_missing_lammps(monkeypatch):
    lammps_library.lammps_module.cache_clear()

    def broken():
        raise OSError("libmpi.so.12: cannot open shared object file")

    monkeypatch.setattr(lammps_library, "_load_mpi", broken)
    try:
        with pytest.raises(BadInput, match=r"libmpi\.so\.12.*pip install"):
            calculator("edip")
    finally:
        lammps_library.lammps_module.cache_clear()


def test_a_fresh_python_needs_no_library_path():
    code = (
        "from aiida_dismai.engine.potentials.lammps_library import open_lammps, potentials_folder\n"
        "lmp = open_lammps(); assert lmp.version() > 20200000; lmp.close()\n"
        "assert (potentials_folder() / 'Si.edip').is_file()"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("LD_LIBRARY_PATH", "LD_PRELOAD")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_calculator_can_be_thrown_away():
    found = calculator("sw")
    found.get_property("energy", crowd(0))
    assert isinstance(found, LammpsCalculator)
    found.close()
    assert found.system is None
    found.close()
    del found
