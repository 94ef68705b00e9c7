from __future__ import annotations

import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.optimize.sciopt import SciPyFminCG

from aiida_dismai.engine.potentials.calculators import PotentialCalculator
from aiida_dismai.engine.potentials.folder import load_potential
from aiida_dismai.engine.store import PIECES
from aiida_dismai.engine.structures import StructureSet, from_ase, read_npz, to_ase, write_npz

EMT_CALCULATOR = {"calculator": "ase.calculators.emt:EMT", "device": "cpu"}

#: EMT that kills its own process at a call whose number stands in the environment.
MORTAL = """
import os, signal
from ase.calculators.emt import EMT

class Mortal(EMT):
    calls = 0

    def calculate(self, *args, **kwargs):
        Mortal.calls += 1
        if Mortal.calls == int(os.environ.get("DIES_AT", "0")):
            os.kill(os.getpid(), signal.SIGKILL)
        super().calculate(*args, **kwargs)
"""


def structures(n: int = 5, bad: tuple[int, ...] = ()) -> StructureSet:
    rng = np.random.default_rng(1)
    frames = []
    for i in range(n):
        atoms = bulk("Cu", cubic=True) * (1, 1, 1 + i % 2)
        atoms.positions += rng.normal(scale=0.15, size=atoms.positions.shape)
        if i in bad:
            atoms.positions[1] = atoms.positions[0] + [0.1, 0, 0]
        atoms.info |= {"trajectory": 10 + i, "source": f"structure {i}"}
        atoms.set_array("region", np.arange(len(atoms)) % 3)
        frames.append(atoms)
    return from_ase(frames)


def test_structures_are_relaxed_and_keep_their_properties(folder):
    given = structures()
    results = folder.run("relax", EMT_CALCULATOR, {"structures": given})
    relaxed = read_npz(folder.path / "structures.npz")
    for name in ("trajectory", "source", "region"):
        np.testing.assert_array_equal(relaxed.values(name), given.values(name))
    np.testing.assert_array_equal(relaxed.cells, given.cells)
    steps = []
    for i, atoms in enumerate(to_ase(given)):
        atoms.calc = EMT()
        optimizer = SciPyFminCG(atoms, logfile=None)
        optimizer.run(fmax=0.05, steps=1000)
        np.testing.assert_array_equal(relaxed.positions[relaxed.atoms_of(i)], atoms.positions)
        assert relaxed.values("energy")[i] == atoms.get_potential_energy()
        steps.append(optimizer.nsteps)
    assert relaxed.values("steps").tolist() == steps
    assert results["mean_steps"] == np.mean(steps)
    assert (results["n_structures"], results["n_converged"], results["n_failed"]) == (5, 5, 0)
    assert relaxed.values("converged").all()
    assert (relaxed.values("fmax") < 0.05).all()
    assert (relaxed.values("energy") < relaxed.values("energy_initial")).all()
    assert len((folder.path / "progress.jsonl").read_text().splitlines()) == 5


def test_labels_that_no_longer_hold_are_dropped_and_named(folder, frames: StructureSet):
    results = folder.run("relax", EMT_CALCULATOR, {"structures": frames[:2]})
    assert results["dropped_properties"] == ["forces", "stress"]
    relaxed = read_npz(folder.path / "structures.npz")
    assert "forces" not in relaxed.properties
    assert (relaxed.values("energy") < frames.values("energy")[:2]).all()


def test_one_bad_structure_does_not_stop_the_others(folder):
    results = folder.run("relax", EMT_CALCULATOR, {"structures": structures(bad=(1, 3))})
    assert (results["n_converged"], results["n_not_converged"], results["n_failed"]) == (3, 0, 2)
    assert results["failures"] == {"overlap": 2}
    assert [item["structure"] for item in results["failed_structures"]] == [1, 3]
    assert "0.100 Å apart" in results["failed_structures"][0]["reason"]
    relaxed = read_npz(folder.path / "structures.npz")
    assert relaxed.values("converged").tolist() == [True, False, True, False, True]
    assert np.isnan(relaxed.values("energy")[[1, 3]]).all()
    assert "0.100 Å apart" in relaxed.values("failure")[1]
    assert relaxed.values("failure")[0] == ""


def test_out_of_steps_is_counted_apart_from_failures(folder):
    results = folder.run("relax", EMT_CALCULATOR | {"steps": 1}, {"structures": structures()})
    assert (results["n_converged"], results["n_not_converged"], results["n_failed"]) == (0, 5, 0)
    assert results["mean_steps"] is None


def test_all_structures_bad(folder):
    results = folder.run("relax", EMT_CALCULATOR, {"structures": structures(2, bad=(0, 1))})
    assert results["status"] == "finished"
    assert (results["n_converged"], results["n_failed"]) == (0, 2)
    assert read_npz(folder.path / "structures.npz").values("failure")[1].startswith("overlap")


def test_killed_relaxation_goes_on_without_repeating_what_was_finished(
    folder, python_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (python_path / "mortal.py").write_text(MORTAL)
    given, parameters = structures(), {"calculator": "mortal:Mortal", "device": "cpu"}
    file = folder.prepare("relax", parameters, {"structures": given})
    monkeypatch.setenv("DIES_AT", "25")
    monkeypatch.setenv("DISMAI_ALLOW_FACTORY", "mortal:Mortal")
    process = subprocess.run(
        [sys.executable, "-m", "aiida_dismai.engine.main", "run", str(file)], capture_output=True, check=False
    )
    assert process.returncode == -signal.SIGKILL
    assert not (folder.path / "results.json").exists()
    pieces = folder.path / "checkpoint" / PIECES
    written = pieces.read_bytes()
    finished = written.count(b"positions.npy") // 2  # a zip file names its members twice
    assert 0 < finished < 5
    monkeypatch.setenv("DIES_AT", "0")
    results = folder.again(file)
    assert (results["status"], results["n_resumed"], results["n_converged"]) == ("finished", finished, 5)
    assert pieces.read_bytes().startswith(written)
    other = type(folder)(tmp_path / "uninterrupted")
    other.run("relax", parameters, {"structures": given})
    assert (other.path / "structures.npz").read_bytes() == (folder.path / "structures.npz").read_bytes()


def out_of_time_after(questions: int) -> Any:
    """Return a method that says at the n-th question that the time is used up."""
    left = iter(range(questions))
    return lambda context: next(left, None) is None


def test_out_of_time_between_structures_does_not_change_the_result(folder, monkeypatch, tmp_path: Path):
    from aiida_dismai.engine.context import Context

    given = structures()
    other = type(folder)(tmp_path / "uninterrupted")
    other.run("relax", EMT_CALCULATOR, {"structures": given})
    file = folder.prepare("relax", EMT_CALCULATOR, {"structures": given})
    runs = 0
    results: dict[str, Any] = {"status": "unfinished"}
    while results["status"] == "unfinished":
        monkeypatch.setattr(Context, "out_of_time", out_of_time_after(30))
        results = folder.again(file)
        runs += 1
    assert results["status"] == "finished"
    assert runs > 1
    assert (other.path / "structures.npz").read_bytes() == (folder.path / "structures.npz").read_bytes()


def test_structure_that_takes_longer_than_the_wall_time_still_ends(folder, monkeypatch):
    from aiida_dismai.engine.context import Context

    given = structures(1)
    file = folder.prepare("relax", EMT_CALCULATOR, {"structures": given})
    runs = 0
    lines = [0]
    results: dict[str, Any] = {"status": "unfinished"}
    while results["status"] == "unfinished" and runs < 60:
        monkeypatch.setattr(Context, "out_of_time", out_of_time_after(4))
        results = folder.again(file)
        runs += 1
        lines.append(len((folder.path / "progress.jsonl").read_text().splitlines()))
    assert results["status"] == "finished"
    assert 2 < runs < 60
    # the WorkChain takes a job without a new line for one that will never end
    assert all(later > earlier for earlier, later in pairwise(lines))
    relaxed = read_npz(folder.path / "structures.npz")
    assert relaxed.values("converged").all()
    first = to_ase(given)[0]
    first.calc = EMT()
    assert relaxed.values("energy_initial")[0] == first.get_potential_energy()


def test_results_of_another_relaxation_are_not_mixed_in(folder):
    folder.run("relax", EMT_CALCULATOR, {"structures": structures(2)})
    message = folder.refused("relax", EMT_CALCULATOR | {"fmax": 0.1}, {"structures": structures(2)})
    assert "checkpoint of another run (parameters.fmax differs); run in an empty folder" in message
    message = folder.refused("relax", EMT_CALCULATOR, {"structures": structures(3)})
    assert "(structures differs)" in message


def test_a_damaged_result_is_made_again_and_all_of_them_where_their_owner_is_damaged(folder):
    given = folder.path.parent / "given.npz"
    write_npz(structures(3), given)
    file = folder.prepare("relax", EMT_CALCULATOR, {"structures": given})
    folder.again(file)
    whole = (folder.path / "structures.npz").read_bytes()
    stored = folder.path / "checkpoint" / PIECES
    content = stored.read_bytes()
    place = content.index(b"positions.npy", len(content) // 2)  # in the second of three
    stored.write_bytes(content[:place] + b"P" + content[place + 1 :])
    results = folder.again(file)
    assert results["status"] == "finished"
    assert results["n_resumed"] == 2
    assert (folder.path / "structures.npz").read_bytes() == whole
    stored.write_bytes(content[1:])
    results = folder.again(file)
    assert results["status"] == "finished"
    assert results["n_resumed"] == 0
    assert "pieces.bin: damaged" in results["warnings"][0]
    assert (folder.path / "structures.npz").read_bytes() == whole
    stored.rename(stored.with_name("relax.json"))
    assert "checkpoint of another task or of an earlier version" in folder.again(file)["error"]["message"]


def test_our_own_potential(folder, lively: Path, frames: StructureSet):
    results = folder.run("relax", {"steps": 20}, {"structures": frames[:2], "potential": lively})
    assert results["status"] == "finished"
    relaxed = read_npz(folder.path / "structures.npz")
    assert (relaxed.values("energy") < relaxed.values("energy_initial") - 0.01).all()
    calculator = PotentialCalculator(load_potential(lively))
    for i, atoms in enumerate(to_ase(relaxed.without_properties())):
        assert relaxed.values("energy")[i] == pytest.approx(calculator.get_property("energy", atoms), abs=1e-5)


def test_chgnet_with_the_weights_of_its_wheel(folder):
    pytest.importorskip("chgnet")
    results = folder.run("relax", {"calculator": "chgnet", "device": "cpu", "steps": 2}, {"structures": structures(1)})
    assert results["status"] == "finished"
    relaxed = read_npz(folder.path / "structures.npz")
    assert relaxed.values("energy")[0] == pytest.approx(-16.3, abs=0.4)  # four atoms of copper, -4.09 eV each
    misspelt = {"calculator": "chgnet", "calculator_kwargs": {"use_devise": "cpu"}}
    message = folder.refused("relax", misspelt, {"structures": structures(1)})
    assert "calculator 'chgnet': unknown parameter 'use_devise'; did you mean 'use_device'" in message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "needs the input 'potential'"),
        ({"calculator": "m3gnt"}, "no calculator 'm3gnt'; did you mean 'm3gnet'"),
        ({"calculator": "no_such_module:EMT"}, "No module named 'no_such_module'; install it"),
        ({"calculator": "ase.calculators.emt:EMTT"}, "has no attribute 'EMTT'"),
        ({"calculator": "ase.build:bulk", "calculator_kwargs": {"name": "Cu"}}, "which is not an ASE calculator"),
        ({"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": [1]}, "calculator_kwargs"),
        ({"calculator": "ase.build:bulk", "calculator_kwargs": {"nam": "Cu"}}, "does not take calculator_kwargs"),
        ({"fmaks": 0.1}, "did you mean 'fmax'"),
        ({"fmax": -1.0}, "fmax"),
        ({"optimizer": "CG"}, "SciPyFminCG"),
    ],
)
def test_parameters_that_are_refused(folder, parameters: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DISMAI_ALLOW_FACTORY", str(parameters.get("calculator", "")))
    assert message in folder.refused("relax", parameters, {"structures": structures(1)})


def test_element_that_the_potential_does_not_know(folder, trained):
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    inputs = {"structures": from_ase([atoms]), "potential": trained[0] / "potential"}
    message = folder.refused("relax", {}, inputs)
    assert "does not know Na, Cl; it was trained on Al, Cu" in message


def test_potential_that_is_not_wanted(folder, trained):
    inputs = {"structures": structures(1), "potential": trained[0] / "potential"}
    assert "does not use it" in folder.refused("relax", EMT_CALCULATOR, inputs)
    message = folder.refused("relax", {"calculator_kwargs": {"a": 1}}, inputs)
    assert "takes no calculator_kwargs (a)" in message


def test_structures_that_are_refused(folder):
    given = structures(2)
    positions = given.positions.copy()
    positions[-1] = np.nan
    message = folder.refused("relax", EMT_CALCULATOR, {"structures": given.with_positions(positions)})
    assert "NaN or infinite coordinates in structure 1" in message
    assert "empty" in folder.refused("relax", EMT_CALCULATOR, {"structures": given[:0]})


@pytest.mark.parametrize("pbc", [(False, False, False), (True, True, False)])
def test_a_lattice_that_is_not_periodic_is_no_crystal(folder, pbc):
    whole = structures(3)
    periodic = whole.pbc.copy()
    periodic[1] = pbc
    partly = StructureSet(whole.numbers, whole.positions, whole.cells, periodic, whole.offsets)
    results = folder.run("relax", EMT_CALCULATOR, {"structures": partly})
    assert results["error"]["kind"] == "bad_input"
    flags = " ".join("T" if flag else "F" for flag in pbc)
    assert f'structure 1 has a lattice but is not periodic along all of its vectors (pbc="{flags}")' in str(results)
    assert not (folder.path / "structures.npz").exists()


def test_the_cluster_of_a_stranger_s_file(folder):
    path = Path(__file__).parents[2] / "data" / "cases" / "no_periodicity.extxyz"
    results = folder.run("relax", EMT_CALCULATOR, {"structures": path})
    assert results["error"]["kind"] == "bad_input"
    assert 'pbc="T T T"' in results["error"]["message"]


def test_damaged_potential(folder, tmp_path: Path):
    (tmp_path / "potential").mkdir()
    inputs = {"structures": structures(1), "potential": tmp_path / "potential"}
    assert "no config.json" in folder.refused("relax", {}, inputs, kind="bad_weights")
