"""The stand-in's files, read back by the three libraries that read VASP's."""

import shutil

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.io import read, write
from pymatgen.io.vasp import Oszicar, Outcar, Poscar, Vasprun, Xdatcar

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.standin.inputs import parse_incar, parse_kpoints, parse_poscar, read_job
from aiida_dismai.standin.main import run
from aiida_dismai.standin.potcars import POTCAR_SYMBOLS, write_potcar_family
from aiida_dismai.standin.relaxation import load_calculator

OUTPUTS = ("OUTCAR", "vasprun.xml", "CONTCAR", "OSZICAR", "XDATCAR", "IBZKPT")
RELAX = "ENCUT = 300\nNSW = 30\nIBRION = 2\nISIF = 2\nEDIFFG = -0.02 ! eV/A\n"


def write_inputs(folder, atoms, incar=RELAX, potcars=("Cu", "Ni")):
    write(folder / "POSCAR", atoms, format="vasp", direct=True)
    (folder / "INCAR").write_text(incar)
    (folder / "KPOINTS").write_text("mesh\n0\nGamma\n1 1 1\n0 0 0\n")
    write_potcar_family(folder / "family", potcars)
    text = "".join((folder / "family" / symbol / "POTCAR").read_text() for symbol in potcars)
    (folder / "POTCAR").write_text(text)


@pytest.fixture
def crystal():
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[2:] = "Ni"
    atoms.rattle(0.1, seed=3)
    return atoms


def test_files_are_read_by_pymatgen_and_ase(tmp_path, crystal):
    write_inputs(tmp_path, crystal)
    assert run(tmp_path, "emt") == 0
    crystal.calc = EMT()
    vasprun = Vasprun(tmp_path / "vasprun.xml", parse_potcar_file=False)
    steps = len(vasprun.ionic_steps)
    assert vasprun.converged
    assert 1 < steps < 30
    assert vasprun.ionic_steps[0]["e_fr_energy"] == pytest.approx(crystal.get_potential_energy(), abs=1e-6)
    assert Outcar(tmp_path / "OUTCAR").final_energy == pytest.approx(vasprun.final_energy, abs=1e-6)
    assert len(Oszicar(tmp_path / "OSZICAR").ionic_steps) == steps
    assert len(Xdatcar(tmp_path / "XDATCAR").structures) == steps
    for name in ("vasprun.xml", "OUTCAR"):
        frames = read(tmp_path / name, index=":")
        assert len(frames) == steps
        np.testing.assert_allclose(frames[0].get_forces(), crystal.get_forces(), atol=2e-6)
        np.testing.assert_allclose(frames[0].get_stress(), crystal.get_stress(), atol=2e-7)
    final = read(tmp_path / "CONTCAR", format="vasp")
    np.testing.assert_allclose(final.positions, frames[-1].positions, atol=2e-5)


def test_every_file_says_that_it_is_not_dft(tmp_path, crystal, capsys):
    write_inputs(tmp_path, crystal)
    run(tmp_path, "emt")
    for name in OUTPUTS:
        assert "NOT DFT" in (tmp_path / name).read_text(), name
    assert "NOT DFT" in capsys.readouterr().out
    assert "NOT a VASP potential" in (tmp_path / "POTCAR").read_text()


def test_selective_dynamics_hold_atoms(tmp_path, crystal):
    crystal.set_constraint(FixAtoms([0, 3]))
    write_inputs(tmp_path, crystal)
    assert run(tmp_path, "emt") == 0
    frames = read(tmp_path / "vasprun.xml", index=":")
    moved = np.abs(frames[-1].positions - frames[0].positions).max(axis=1)
    assert moved[[0, 3]].max() < 1e-6
    assert moved[[1, 2]].min() > 1e-3
    # The forces on held atoms are written all the same, as VASP does.
    assert np.abs(frames[-1].get_forces(apply_constraint=False)[[0, 3]]).max() > 0.02
    assert Poscar.from_file(tmp_path / "CONTCAR").selective_dynamics[0].tolist() == [False] * 3


def test_one_axis_can_be_held(tmp_path, crystal):
    write_inputs(tmp_path, crystal)
    lines = (tmp_path / "POSCAR").read_text().splitlines()
    atoms = [f"{line}  T T F" for line in lines[8:12]]
    (tmp_path / "POSCAR").write_text("\n".join([*lines[:7], "Selective dynamics", "Direct", *atoms]) + "\n")
    assert run(tmp_path, "emt") == 0
    frames = read(tmp_path / "vasprun.xml", index=":")
    moved = np.abs(frames[-1].positions - frames[0].positions)
    assert moved[:, 2].max() < 1e-6
    assert moved[:, :2].max() > 1e-3


@pytest.mark.parametrize(
    ("isif", "volume_changes", "shape_changes"), [(2, False, False), (3, True, True), (8, True, False)]
)
def test_isif_moves_the_cell(tmp_path, isif, volume_changes, shape_changes):
    atoms = bulk("Cu", a=3.8, cubic=True)
    atoms.set_cell(atoms.cell * np.array([1.0, 1.0, 1.05]), scale_atoms=True)
    write_inputs(tmp_path, atoms, RELAX.replace("ISIF = 2", f"ISIF = {isif}"), ("Cu",))
    assert run(tmp_path, "emt") == 0
    first, last = (read(tmp_path / "vasprun.xml", index=index) for index in (0, -1))
    assert bool(abs(last.get_volume() / first.get_volume() - 1) > 0.01) is volume_changes
    ratios = [atoms.cell.lengths()[2] / atoms.cell.lengths()[0] for atoms in (first, last)]
    assert bool(abs(ratios[1] - ratios[0]) > 0.01) is shape_changes


def test_nsw_bounds_the_steps_and_zero_means_a_single_point(tmp_path, crystal):
    write_inputs(tmp_path, crystal, RELAX.replace("-0.02", "-0.000001").replace("NSW = 30", "NSW = 3"))
    assert run(tmp_path, "emt") == 0
    assert len(read(tmp_path / "vasprun.xml", index=":")) == 3
    (tmp_path / "INCAR").write_text("NSW = 0\nIBRION = -1\n")
    assert run(tmp_path, "emt") == 0
    assert len(read(tmp_path / "vasprun.xml", index=":")) == 1


def test_a_positive_ediffg_is_a_change_of_energy(tmp_path, crystal):
    write_inputs(tmp_path, crystal, "NSW = 30; IBRION = 3; EDIFFG = 0.01\n")
    assert run(tmp_path, "emt") == 0
    energies = [atoms.get_potential_energy() for atoms in read(tmp_path / "vasprun.xml", index=":")]
    changes = np.abs(np.diff(energies))
    assert changes[-1] < 0.01
    assert (changes[:-1] >= 0.01).all()


def test_timeout_leaves_files_without_their_end(tmp_path, crystal):
    write_inputs(tmp_path, crystal)
    run(tmp_path, "emt", "timeout")
    assert "General timing" not in (tmp_path / "OUTCAR").read_text()
    assert "</modeling>" not in (tmp_path / "vasprun.xml").read_text()


def test_nelm_failure_uses_up_the_electronic_steps(tmp_path, crystal):
    write_inputs(tmp_path, crystal, RELAX + "NELM = 5\n")
    run(tmp_path, "emt", "nelm")
    assert not Vasprun(tmp_path / "vasprun.xml", parse_potcar_file=False).converged_electronic


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "KPOINTS").unlink(), "KPOINTS is missing"),
        (lambda folder: write_inputs(folder, bulk("Cu", cubic=True)), "potentials are for Cu Ni"),
        (lambda folder: (folder / "POTCAR").write_text(""), "holds no potential"),
        (lambda folder: (folder / "INCAR").write_text("MAGMOM = 3*0.6"), "MAGMOM has 3 values, 4 are needed"),
        (lambda folder: (folder / "INCAR").write_text("LDAUU = 3.32"), "LDAUU has 1 values, 2 are needed"),
        (lambda folder: (folder / "INCAR").write_text("IBRION = 5"), "IBRION = 5 is not known"),
        (lambda folder: (folder / "INCAR").write_text("ISIF = 6"), "ISIF = 6 is not known"),
        (lambda folder: (folder / "INCAR").write_text("NSW = many"), "NSW = many is not a number"),
        (lambda folder: (folder / "INCAR").write_text("NSW = 2.5"), "NSW = 2.5 is not an integer"),
        (lambda folder: (folder / "POSCAR").write_text("Cu\n1.0\n"), "POSCAR is not readable"),
        (lambda folder: (folder / "KPOINTS").write_text("x\n0\nAuto\n10\n"), "KPOINTS: only"),
    ],
)
def test_bad_input_is_refused_with_the_reason(tmp_path, crystal, capsys, change, message):
    write_inputs(tmp_path, crystal)
    change(tmp_path)
    assert run(tmp_path, "emt") == 1
    assert message in capsys.readouterr().out
    assert not (tmp_path / "vasprun.xml").exists()


@pytest.mark.parametrize("name", ["nothing", "no_such_module:calculator", "ase.calculators.emt:NoSuchName"])
def test_unknown_calculator_is_refused(name):
    with pytest.raises(BadInput, match=f"calculator '{name}'"):
        load_calculator(name)


def test_a_calculator_can_be_given_as_module_and_factory(tmp_path, crystal):
    write_inputs(tmp_path, crystal, "NSW = 0\n")
    assert run(tmp_path, "ase.calculators.emt:EMT") == 0
    crystal.calc = EMT()
    assert read(tmp_path / "vasprun.xml").get_potential_energy() == pytest.approx(
        crystal.get_potential_energy(), abs=1e-6
    )


def test_an_unknown_failure_is_refused(tmp_path, capsys):
    assert run(tmp_path, "emt", "tiemout") == 1
    assert "known are timeout, cut, nelm" in capsys.readouterr().out


def test_incar_forms():
    incar = parse_incar("ENCUT = 374.3 ; EDIFF=1.0d-5 # note\nMAGMOM = 2*0.6 \\\n 0.0 1\n")
    assert incar.real("ENCUT", 0) == 374.3
    assert incar.real("EDIFF", 0) == 1e-5
    assert incar.numbers("MAGMOM") == [0.6, 0.6, 0.0, 1.0]


def test_poscar_scaling_and_cartesian_positions():
    lines = "c\n{scale}\n2 0 0\n0 2 0\n0 0 2\nCu\n1\n{mode}\n{x} 0 0\n"
    scaled = parse_poscar(lines.format(scale=1.5, mode="Cartesian", x=1))
    np.testing.assert_allclose(scaled.cell, 3 * np.eye(3))
    np.testing.assert_allclose(scaled.fractional, [[0.5, 0, 0]])
    volume = parse_poscar(lines.format(scale=-27, mode="Direct", x=0.25))
    np.testing.assert_allclose(volume.cell, 3 * np.eye(3))
    np.testing.assert_allclose(volume.fractional, [[0.25, 0, 0]])


def test_kpoint_meshes():
    gamma = parse_kpoints("x\n0\nGamma\n2 1 1\n")
    np.testing.assert_allclose(gamma.points, [[0, 0, 0], [0.5, 0, 0]])
    shifted = parse_kpoints("x\n0\nMonkhorst\n2 1 1\n0 0 0\n")
    np.testing.assert_allclose(shifted.points, [[0.25, 0, 0], [0.75, 0, 0]])
    listed = parse_kpoints("x\n2\nReciprocal\n0 0 0 1\n0.5 0 0 3\n")
    np.testing.assert_allclose(listed.weights, [0.25, 0.75])


def test_the_family_has_the_potentials_of_the_benchmark(tmp_path):
    write_potcar_family(tmp_path)
    assert {"Li_sv", "Sc_sv", "Co", "Cl", "O"} <= {path.name for path in tmp_path.iterdir()} == set(POTCAR_SYMBOLS)
    shutil.copy(tmp_path / "Li_sv" / "POTCAR", tmp_path / "POTCAR")
    (tmp_path / "INCAR").write_text("")
    write(tmp_path / "POSCAR", bulk("Li"), format="vasp")
    (tmp_path / "KPOINTS").write_text("x\n0\nGamma\n1 1 1\n")
    job = read_job(tmp_path)
    assert job.potentials[0].element == "Li"
    # Stage 1's cut-off is three quarters of this ENMAX.
    assert 0.75 * job.potentials[0].enmax == pytest.approx(374.3, abs=0.05)
