"""Two real processes on the CPU, joined by Lightning's Fabric over gloo."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase.build import bulk
from support.training_problems import Regression, make_infinite

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Diverged
from aiida_dismai.engine.generators.training import workers
from aiida_dismai.engine.generators.training.loop import fit
from aiida_dismai.engine.generators.training.parameters import GraphTrainingParameters
from aiida_dismai.engine.structures import from_ase, write_npz


def train(folder, problem, **parameters):
    folder.mkdir()
    settings = GraphTrainingParameters(**{"batch_size": 2, "epochs": 3, "learning_rate": 0.05} | parameters)
    return fit(problem, settings, Context(folder, seed=1), "cpu")


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in ("SLURM_STEP_NUM_TASKS", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


def test_two_processes_train_what_one_trains_with_the_same_batches(tmp_path):
    """11 structures: steps of 4, 4 and 3, so that the last one is divided unevenly; validation of 5 in 2, 2 and 1."""
    alone = train(tmp_path / "alone", Regression(n=11, n_validation=5), accumulate=2)
    both = train(tmp_path / "both", Regression(n=11, n_validation=5), devices=2)
    assert both.results["structures_per_step"] == alone.results["structures_per_step"] == 4
    for name, value in alone.best.items():
        torch.testing.assert_close(both.best[name], value, atol=1e-6, rtol=1e-5)
    assert both.curves.keys() == alone.curves.keys()
    for name, values in alone.curves.items():
        np.testing.assert_allclose(both.curves[name], values, rtol=1e-5)
    lines = (tmp_path / "both" / "progress.jsonl").read_text().splitlines()
    assert len(lines) <= 3  # of the first process only


def test_an_error_in_the_processes_reaches_the_caller_as_itself(tmp_path):
    with pytest.raises(Diverged, match=r"epoch 2, step \d: loss became inf"):
        train(tmp_path / "a", Regression(trouble=make_infinite), devices=2)


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({}, 1),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, 1),  # a batch script: nothing was started by srun
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "1"}, 1),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "8"}, 8),
        ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "SLURM_STEP_NUM_TASKS": "1"}, 2),
    ],
)
def test_how_many_processes_were_started(monkeypatch, environment, count):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert workers.launched_processes() == count


@pytest.mark.parametrize("devices", [1, 3])
def test_another_number_of_processes_than_devices_is_refused(tmp_path, monkeypatch, devices):
    """Two processes that train alone in one folder would write over each other."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadInput, match=f"started 2 processes, but devices × num_nodes is {devices}"):
        train(tmp_path / "a", Regression(), devices=devices)


def test_processes_of_torchrun_train_together_and_one_writes(tmp_path):
    """The command of a job with a launcher: both end well, and the results are the first one's."""
    write_npz(from_ase([bulk("Si", cubic=True) for _ in range(8)]), tmp_path / "in.npz")
    small = {"hidden_dim": 8, "num_layers": 1, "num_frequencies": 2, "time_dim": 8, "timesteps": 4}
    parameters = {"model": "diffcsp", "hyperparameters": small | {"epochs": 2, "batch_size": 2, "devices": 2}}
    content = {"task": "generator.train", "seed": 1, "inputs": {"structures": "in.npz"}, "parameters": parameters}
    (tmp_path / "task.json").write_text(json.dumps(content))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "aiida_dismai.engine.main", "run", "task.json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["status"] == "finished"
    assert results["structures_per_step"] == 4
    assert (tmp_path / "generator" / "config.json").is_file()
    done = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert len([line for line in done if line["done"] == 2]) == 1
