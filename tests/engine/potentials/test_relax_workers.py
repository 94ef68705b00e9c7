from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from aiida_dismai.engine.structures import StructureSet, from_ase, read_npz
from aiida_dismai.engine.workers import available_cores

#: EMT without memory: ASE's keeps its list of neighbours from structure to structure, whose order decides last digits.
FRESH = """
from ase.calculators.emt import EMT
from ase.calculators.calculator import all_changes

class Fresh(EMT):
    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, all_changes)
"""
#: EMT that kills its process in structures of eight atoms, as often as there are files to remove.
MORTAL = """
import os, signal
from pathlib import Path
from ase.calculators.emt import EMT

class Mortal(EMT):
    def calculate(self, atoms=None, *args, **kwargs):
        if len(atoms) == 8:
            for life in sorted(Path(os.environ["LIVES"]).iterdir()):
                life.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        super().calculate(atoms, *args, **kwargs)
"""
EMT_CALCULATOR = {"calculator": "fresh_emt:Fresh", "device": "cpu"}


@pytest.fixture(autouse=True)
def fresh_emt(python_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (python_path / "fresh_emt.py").write_text(FRESH)
    monkeypatch.setenv("DISMAI_ALLOW_FACTORY", "fresh_emt:Fresh")


def structures(n: int = 9) -> StructureSet:
    rng = np.random.default_rng(1)
    frames = []
    for i in range(n):
        atoms = bulk("Cu", cubic=True) * (1, 1, 2 if i == 4 else 1)
        atoms.positions += rng.normal(scale=0.15, size=atoms.positions.shape)
        frames.append(atoms)
    return from_ase(frames)


def digest(folder: Any) -> str:
    return hashlib.sha256((folder.path / "structures.npz").read_bytes()).hexdigest()


@pytest.mark.parametrize("calculator", ["emt", "m3gnet"])
def test_any_number_of_workers_gives_the_same_file(
    folder, calculator: str, lively: Path, frames: StructureSet, tmp_path: Path
):
    inputs: dict[str, Any] = {"structures": structures()}
    parameters: dict[str, Any] = EMT_CALCULATOR
    if calculator == "m3gnet":
        inputs = {"structures": frames[:9], "potential": lively}
        parameters = {"device": "cpu", "steps": 5}
    digests = set()
    for workers in (1, 2, "auto") if calculator == "emt" else (1, 2):  # each process imports torch and matgl
        own = type(folder)(tmp_path / str(workers))
        results = own.run("relax", {**parameters, "workers": workers}, inputs)
        assert results["status"] == "finished", results
        assert results["workers"] == (available_cores() if workers == "auto" else workers)
        lines = [json.loads(line) for line in (own.path / "progress.jsonl").read_text().splitlines()]
        assert [line["done"] for line in lines] == list(range(1, 10))
        assert sorted(line["structure"] for line in lines) == list(range(9))
        digests.add(digest(own))
    assert len(digests) == 1


@pytest.mark.parametrize("lives", [1, 2])
def test_a_killed_worker_costs_its_structure_at_most(
    folder, python_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: int
):
    (python_path / "mortal_worker.py").write_text(MORTAL)
    monkeypatch.setenv("DISMAI_ALLOW_FACTORY", "mortal_worker:Mortal")
    monkeypatch.setenv("LIVES", str(tmp_path / "lives"))
    (tmp_path / "lives").mkdir()
    for life in range(lives):
        (tmp_path / "lives" / str(life)).touch()
    parameters = {"calculator": "mortal_worker:Mortal", "device": "cpu", "workers": 2}
    results = folder.run("relax", parameters, {"structures": structures()})
    assert results["status"] == "finished", results
    relaxed = read_npz(folder.path / "structures.npz")
    assert results["n_converged"] == (9 if lives == 1 else 8)
    if lives == 2:
        assert results["failures"] == {"killed": 1}
        assert relaxed.values("failure")[4] == "killed: its worker process died twice (signal SIGKILL)"
        np.testing.assert_array_equal(relaxed.positions[relaxed.atoms_of(4)], structures()[4].positions)


def test_all_workers_stop_at_the_wall_time(folder, tmp_path: Path):
    given = structures(40)
    file = folder.prepare("relax", {**EMT_CALCULATOR, "workers": 2}, {"structures": given}, max_seconds=4.0)
    runs, results = 0, {"status": "unfinished"}
    content = json.loads(file.read_text())
    while results["status"] == "unfinished" and runs < 20:
        results = folder.again(file)
        runs += 1
        content["max_seconds"] *= 1.5  # processes take long to start where the machine is busy
        file.write_text(json.dumps(content))
    assert results["status"] == "finished", results
    other = type(folder)(tmp_path / "whole")
    other.run("relax", {**EMT_CALCULATOR, "workers": 1}, {"structures": given})
    assert digest(other) == digest(folder)


def test_more_workers_than_cores_are_warned_of(folder):
    parameters = {**EMT_CALCULATOR, "workers": 3}
    results = folder.run("relax", parameters, {"structures": structures(3)}, cores=2)
    assert results["n_converged"] == 3
    assert "workers: 3 processes of 1 thread on 2 cores" in results["warnings"][0]


@pytest.mark.parametrize("workers", [0, -1, 2.5, "all", 100000])
def test_workers_that_are_refused(folder, workers: Any):
    message = folder.refused("relax", {**EMT_CALCULATOR, "workers": workers}, {"structures": structures(1)})
    assert "workers" in message
