"""Two real processes on the CPU, joined by Lightning's Fabric over gloo."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_problems import Regression, make_infinite

from aiida_dismai.engine.errors import Diverged
from aiida_dismai.engine.generators.training import workers
from aiida_dismai.engine.generators.training.loop import fit
from aiida_dismai.engine.generators.training.parameters import GraphTrainingParameters
from aiida_dismai.engine.task import Context


def train(folder, problem, **parameters):
    folder.mkdir()
    settings = GraphTrainingParameters(**{"batch_size": 2, "epochs": 3, "learning_rate": 0.05} | parameters)
    return fit(problem, settings, Context(folder, seed=1), "cpu")


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in ("SLURM_PROCID", "TORCHELASTIC_RUN_ID"):
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
    ("environment", "outside"),
    [
        ({}, False),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, False),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "8"}, True),
        ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2"}, True),
    ],
)
def test_who_started_the_processes(monkeypatch, environment, outside):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert workers._launched_outside() is outside
