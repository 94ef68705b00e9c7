from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_dismai.engine.checkpoint import load_checkpoint, load_weights
from aiida_dismai.engine.potentials.training import CHECKPOINT, CURVES, Training
from aiida_dismai.engine.structures import StructureSet


def weights(folder: Path) -> dict[str, Any]:
    return {
        f"{which}.{name}": value
        for which in ("potential", "potential_last")
        for name, value in load_weights(folder / which / "weights.safetensors").items()
    }


def assert_same_training(one: Path, other: Path) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    with np.load(one / "curves.npz") as a, np.load(other / "curves.npz") as b:
        assert set(a) == set(CURVES)
        for name in set(CURVES) - {"seconds"}:
            np.testing.assert_array_equal(a[name], b[name])


def test_results_follow_from_the_parity_data(trained, frames: StructureSet):
    folder, results = trained
    with np.load(folder / "parity.npz") as parity:
        split = parity["split"]
        assert np.bincount(split).tolist() == [results["n_train"], results["n_validation"], results["n_test"]]
        np.testing.assert_allclose(parity["energy_reference"] * 8, frames.values("energy"))
        for number, name in enumerate(parity["sets"]):
            chosen, atoms = split == number, np.repeat(split, 8) == number
            energy = np.abs(parity["energy_predicted"] - parity["energy_reference"])[chosen]
            forces = np.abs(parity["forces_predicted"] - parity["forces_reference"])[atoms]
            stress = np.abs(parity["stress_predicted"] - parity["stress_reference"])[chosen]
            assert results[f"{name}_mae_energy"] == pytest.approx(1000 * energy.mean(), rel=1e-4)
            assert results[f"{name}_mae_forces"] == pytest.approx(1000 * forces.mean(), rel=1e-4)
            assert results[f"{name}_mae_stress"] == pytest.approx(stress.mean(), rel=1e-4)
    trajectories = frames.values("trajectory")
    assert results["split"]["test"] == np.unique(trajectories[split == 2]).tolist()


def test_best_weights_have_the_best_score_of_the_curves(trained):
    folder, results = trained
    with np.load(folder / "curves.npz") as curves:
        assert curves["epoch"].tolist() == [1, 2, 3, 4]
        assert results["best_epoch"] == 1 + int(np.argmin(curves["score"]))
        best = results["best_epoch"] - 1
        # The validation errors of the best weights, computed again from the file that was written.
        for name in ("mae_energy", "mae_forces", "mae_stress"):
            assert results[f"validation_{name}"] == pytest.approx(curves[f"validation_{name}"][best], rel=1e-3)
        score = curves["validation_mae_energy"] / 1000 + curves["validation_mae_forces"] / 1000
        np.testing.assert_allclose(curves["score"], score + 0.1 * curves["validation_mae_stress"])


def test_training_learns(folder, frames: StructureSet, train_parameters: dict[str, Any]):
    parameters = train_parameters | {"max_epochs": 20, "max_n": 3, "max_l": 3}
    results = folder.run("potential.train", parameters, {"structures": frames}, seed=3)
    with np.load(folder.path / "curves.npz") as curves:
        assert curves["train_loss"][-1] < 0.25 * curves["train_loss"][0]
    spread = 1000 * np.abs(frames.values("forces")).mean()
    assert results["test_mae_forces"] < 0.6 * spread


def test_killed_training_ends_with_the_weights_of_an_uninterrupted_one(
    folder, trained, frames: StructureSet, train_parameters: dict[str, Any]
):
    parameters = train_parameters | {"checkpoint_interval": 0.0}
    file = folder.prepare("potential.train", parameters, {"structures": frames}, seed=3)
    checkpoint = folder.path / "checkpoint" / CHECKPOINT
    with subprocess.Popen(
        [sys.executable, "-m", "aiida_dismai.engine.main", "run", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not checkpoint.is_file() and process.poll() is None:
            time.sleep(0.005)  # until the first step of the optimiser has been written down
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (folder.path / "results.json").exists()
    state = load_checkpoint(checkpoint)
    assert (state["epoch"], state["step"]) < (4, 3)
    assert folder.again(file)["status"] == "finished"
    assert_same_training(folder.path, trained[0])


def test_training_out_of_time_goes_on_where_it_stopped(
    folder, trained, frames: StructureSet, train_parameters: dict[str, Any]
):
    file = folder.prepare("potential.train", train_parameters, {"structures": frames}, seed=3, max_seconds=0)
    seen = []
    for _ in range(12):  # four epochs of three steps, each run ends after one step
        results = folder.again(file)
        assert (results["status"], results["error"]["kind"]) == ("unfinished", "unfinished")
        seen.append(results["error"]["message"])
    assert "epoch 1 after step 1 of 3" in seen[0]
    assert "epoch 4 after step 3 of 3" in seen[-1]
    for done in range(2, 18, 2):
        assert f"{done} of 18 structures predicted" in folder.again(file)["error"]["message"]
    results = folder.again(file)
    assert results["status"] == "finished"
    assert_same_training(folder.path, trained[0])
    assert results["test_mae_forces"] == pytest.approx(trained[1]["test_mae_forces"], rel=1e-6)


def test_checkpoint_of_another_training_is_refused(folder, frames: StructureSet, train_parameters: dict[str, Any]):
    short = train_parameters | {"max_epochs": 1}
    folder.run("potential.train", short, {"structures": frames}, seed=3)
    message = folder.refused("potential.train", short, {"structures": frames}, seed=4)
    assert "checkpoint of another run (seed differs)" in message
    message = folder.refused("potential.train", short | {"batch_size": 3}, {"structures": frames}, seed=3)
    assert "another run (parameters.batch_size differs)" in message
    assert "free to change: checkpoint_interval, device, learning_rate, max_epochs, micro_batch_size" in message
    longer = folder.run("potential.train", short | {"max_epochs": 2}, {"structures": frames}, seed=3)
    assert (longer["status"], longer["epochs"]) == ("finished", 2)


def test_patience_ends_the_training(folder, frames: StructureSet, train_parameters: dict[str, Any], monkeypatch):
    # A validation error that has its minimum at the third epoch.
    monkeypatch.setattr(Training, "_validate", lambda self: (abs(self.epoch - 3.0), 0.0, 0.0))
    parameters = train_parameters | {"max_epochs": 50, "patience": 2}
    results = folder.run("potential.train", parameters, {"structures": frames}, seed=3)
    assert (results["stopped"], results["epochs"], results["best_epoch"]) == ("patience", 5, 3)
    assert json.loads((folder.path / "potential" / "config.json").read_text())["epoch"] == 3
    assert json.loads((folder.path / "potential_last" / "config.json").read_text())["epoch"] == 5


def test_divergence_at_the_first_step(folder, frames: StructureSet, train_parameters: dict[str, Any]):
    huge = frames.with_property("forces", frames.values("forces") * 1e25)
    message = folder.refused("potential.train", train_parameters, {"structures": huge}, seed=3, kind="diverged")
    assert "epoch 1, step 1" in message
    assert "lower learning_rate than 0.01" in message


def test_nan_after_good_steps_leaves_finite_weights(
    folder, frames: StructureSet, train_parameters: dict[str, Any], monkeypatch
):
    from aiida_dismai.engine.potentials import training

    calls = []

    def poisoned(*args: Any) -> Any:
        calls.append(1)
        loss = loss_part(*args)
        return loss * float("nan") if len(calls) > 8 else loss

    loss_part = training.loss_part
    monkeypatch.setattr(training, "loss_part", poisoned)
    parameters = train_parameters | {"checkpoint_interval": 0.0}
    message = folder.refused("potential.train", parameters, {"structures": frames}, seed=3, kind="diverged")
    assert "the loss became nan in epoch 2, step 1" in message
    state = load_checkpoint(folder.path / "checkpoint" / CHECKPOINT)
    assert all(bool(value.isfinite().all()) for value in state["network"].values())


def test_without_held_out_sets_the_training_errors_decide(
    folder, frames: StructureSet, train_parameters: dict[str, Any]
):
    fractions = {"train_fraction": 1.0, "validation_fraction": 0.0, "test_fraction": 0.0}
    results = folder.run(
        "potential.train", train_parameters | fractions | {"max_epochs": 1}, {"structures": frames[:3]}, seed=3
    )
    assert results["n_train"] == 3
    assert "test_mae_energy" not in results
    with np.load(folder.path / "curves.npz") as curves:
        assert np.isnan(curves["validation_mae_energy"]).all()
        assert np.isfinite(curves["score"]).all()


def test_cosine_schedule_ends_at_a_hundredth(folder, frames: StructureSet, train_parameters: dict[str, Any]):
    folder.run("potential.train", train_parameters | {"schedule": "cosine"}, {"structures": frames}, seed=3)
    with np.load(folder.path / "curves.npz") as curves:
        expected = 1e-2 * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * np.arange(4) / 3)))
        np.testing.assert_allclose(curves["learning_rate"], expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cutof": 4.0}, "did you mean 'cutoff'"),
        ({"cutoff": 3.0, "threebody_cutoff": 4.0}, r"threebody_cutoff \(4.0 Å\) must not exceed cutoff \(3.0 Å\)"),
        ({"train_fraction": 0.9}, "must be 1, not 1.3"),
        ({"energy_weight": 0.0, "forces_weight": 0.0, "stress_weight": 0.0}, "must be above 0"),
        ({"learning_rate": 0.0}, "learning_rate"),
    ],
)
def test_parameters_that_are_refused(
    folder, frames: StructureSet, train_parameters: dict[str, Any], change: dict[str, Any], message: str
):
    import re

    found = folder.refused("potential.train", train_parameters | change, {"structures": frames}, seed=3)
    assert re.search(message, found)


def test_too_few_trajectories_for_the_split(folder, frames: StructureSet, train_parameters: dict[str, Any]):
    message = folder.refused("potential.train", train_parameters, {"structures": frames[:6]}, seed=3)
    assert "2 trajectories cannot be split into 3 sets" in message
