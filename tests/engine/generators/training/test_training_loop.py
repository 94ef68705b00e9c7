from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from support.training_problems import Regression, make_infinite, spoil_gradient
from support.weights import same_weights

from aiida_dismai.engine.checkpoint import load_checkpoint, save_checkpoint
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Diverged, Unfinished
from aiida_dismai.engine.generators.training import epochs as epochs_module
from aiida_dismai.engine.generators.training.epochs import CHECKPOINT
from aiida_dismai.engine.generators.training.loop import fit
from aiida_dismai.engine.generators.training.parameters import GraphTrainingParameters
from aiida_dismai.engine.generators.training.randomness import TRAINING, seeded_weights, shuffled, stream
from aiida_dismai.engine.parameters import validate


def train(folder, problem=None, seed=1, **parameters):
    folder.mkdir(exist_ok=True)
    settings = GraphTrainingParameters(**{"batch_size": 4, "epochs": 3} | parameters)
    return fit(problem or Regression(), settings, Context(folder, seed=seed), "cpu")


# ---------------------------------------------------------------------- one step
def test_a_step_is_adams_with_clipped_gradients(tmp_path):
    """One step written out: the mean over the batch, clipping by value, Adam's first step by hand."""
    problem = Regression(n=4, n_validation=0)
    before = {name: value.clone() for name, value in problem.network.state_dict().items()}
    noise = 0.1 * torch.randn(4, 3, generator=stream(1, TRAINING, 0, 0, 0))
    x = problem.inputs[False][shuffled(1, 0, 4)]
    loss = 2 * ((problem.network(x + noise) - x.sum(dim=1, keepdim=True)) ** 2).mean()
    loss.backward()
    names = [name for name, _ in problem.network.named_parameters() if name != "unused"]
    gradients = {name: problem.network.get_parameter(name).grad.clamp(-0.01, 0.01) for name in names}
    found = train(tmp_path, Regression(n=4, n_validation=0), epochs=1, clip_value=0.01, learning_rate=0.02)
    for name in names:
        expected = before[name] - 0.02 * gradients[name] / (gradients[name].abs() + 1e-8)
        torch.testing.assert_close(found.best[name], expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.best["unused"], before["unused"])
    assert found.curves["train_loss"][0] == pytest.approx(loss.item(), rel=1e-6)


def test_the_last_smaller_batch_is_kept_and_counts_by_its_size(tmp_path):
    problem = Regression()
    found = train(tmp_path, problem, epochs=2, learning_rate=1e-12, min_learning_rate=0.0)
    sizes = [len(indices) for epoch, validation, indices, _ in problem.drawn if not validation]
    assert sizes == [4, 4, 2, 4, 4, 2]
    for epoch in (0, 1):
        seen = [i for e, validation, indices, _ in problem.drawn if e == epoch and not validation for i in indices]
        assert sorted(seen) == list(range(10))
        assert seen == shuffled(1, epoch, 10).tolist()
        squares = []
        for step, start in enumerate((0, 4, 8)):
            x = problem.inputs[False][seen[start : start + 4]]
            noise = 0.1 * torch.randn(x.shape, generator=stream(1, TRAINING, epoch, step, 0))
            with torch.no_grad():
                squares += ((problem.network(x + noise) - x.sum(dim=1, keepdim=True)) ** 2).flatten().tolist()
        assert found.curves["train_square"][epoch] == pytest.approx(np.mean(squares), rel=1e-5)
    assert shuffled(1, 0, 10).tolist() != shuffled(1, 1, 10).tolist()


def test_accumulated_gradients_are_those_of_one_batch(tmp_path, monkeypatch):
    """Without noise, parts of 2, 2 and 1 … structures give the same step as one batch of them."""
    monkeypatch.setattr(torch, "randn", lambda *shape, generator: torch.zeros(*shape))
    whole = train(tmp_path / "a", _quiet(), batch_size=6, clip_value=0)
    parts = train(tmp_path / "b", _quiet(), batch_size=2, accumulate=3, clip_value=0)
    assert parts.results["structures_per_step"] == whole.results["structures_per_step"] == 6
    for name in whole.best:
        torch.testing.assert_close(whole.best[name], parts.best[name], atol=1e-6, rtol=0)
    np.testing.assert_allclose(whole.curves["train_square"], parts.curves["train_square"], rtol=1e-5)


def _quiet():
    problem = Regression.__new__(Regression)
    inputs = torch.linspace(-1, 1, 42).reshape(14, 3) ** 3
    problem.inputs = {False: inputs[:10], True: inputs[10:]}
    problem.n_training, problem.n_validation, problem.trouble, problem.drawn = 10, 4, None, []
    with seeded_weights(1):
        problem.network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.SiLU(), torch.nn.Linear(8, 1))
    return problem


def test_it_learns(tmp_path):
    found = train(tmp_path, Regression(n=64, n_validation=32), epochs=60, batch_size=16, learning_rate=0.05)
    assert found.curves["validation_square"][0] > 1.0
    assert found.results["best_validation_square"] < 0.1


# ---------------------------------------------------------------------- validation
def test_the_weights_of_the_best_validation_are_kept(tmp_path):
    problem = Regression(n_validation=4)
    found = train(tmp_path, problem, epochs=12, learning_rate=0.3)  # so fast that the loss goes up and down
    losses = found.curves["validation_square"]
    best = int(np.argmin(losses))
    assert found.results["best_epoch"] == best + 1
    assert best < 11
    again = train(tmp_path / "short", Regression(n_validation=4), epochs=best + 1, learning_rate=0.3)
    assert same_weights(found.best, again.best)
    draws = {(indices, value) for _, validation, indices, value in problem.drawn if validation}
    assert len(draws) == 1  # the same noise in every validation


def test_validation_at_intervals_and_at_the_end(tmp_path):
    found = train(tmp_path, epochs=5, validation_interval=2)
    assert np.isnan(found.curves["validation_loss"]).tolist() == [True, False, True, False, False]
    assert found.curves["epoch"].tolist() == [1, 2, 3, 4, 5]


def test_without_validation_the_last_weights_are_given(tmp_path):
    problem = Regression(n_validation=0)
    found = train(tmp_path, problem, epochs=3, learning_rate=0.3)
    assert same_weights(found.best, problem.network.state_dict())
    assert "validation_loss" not in found.curves
    assert found.results["best_epoch"] == 3


def test_the_learning_rate_falls_on_a_plateau_and_no_further_than_its_bound(tmp_path):
    """A loss that cannot fall: the rate after each validation is lowered once the patience is over."""

    class Flat(Regression):
        def losses(self, *arguments):
            return {name: 0 * value + 1 for name, value in super().losses(*arguments).items()}

    found = train(tmp_path, Flat(), epochs=12, min_learning_rate=5e-4, plateau_patience=2, plateau_factor=0.6)
    expected = [1.0] * 4 + [0.6] * 3 + [0.5] * 5  # lowered after the 3rd validation without a gain, then every third
    np.testing.assert_allclose(found.curves["learning_rate"], np.array(expected) * 1e-3, rtol=1e-6)


# ---------------------------------------------------------------------- checkpoints
def test_a_run_cut_into_pieces_is_the_same_run(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", epochs=4, learning_rate=0.1)
    calls = iter([False, True] * 100)
    monkeypatch.setattr(Context, "out_of_time", lambda self: next(calls))
    pieces = 0
    while True:
        pieces += 1
        try:
            found = train(tmp_path / "pieces", epochs=4, learning_rate=0.1)
            break
        except Unfinished:
            continue
    assert pieces == 12  # one step at least in each; four epochs of three steps
    assert same_weights(found.best, whole.best)
    for name, values in whole.curves.items():
        np.testing.assert_array_equal(found.curves[name], values)
    assert found.results["resumed_from_epoch"] == 3.8
    first, last = (load_checkpoint(tmp_path / name / "checkpoint" / CHECKPOINT) for name in ("whole", "pieces"))
    assert same_weights(first["network"], last["network"])
    for key, state in first["optimizer"]["state"].items():
        assert same_weights(state, last["optimizer"]["state"][key])


def test_batch_and_learning_rate_may_change_in_the_middle_of_an_epoch(tmp_path, monkeypatch):
    calls = iter([False, True])
    monkeypatch.setattr(Context, "out_of_time", lambda self: next(calls, False))
    with pytest.raises(Unfinished):
        train(tmp_path, epochs=2, learning_rate=0.1)
    problem = Regression()
    found = train(tmp_path, problem, epochs=2, learning_rate=0.05, batch_size=2)
    drawn = [indices for epoch, validation, indices, _ in problem.drawn if not validation and epoch == 0]
    assert [i for indices in drawn for i in indices] == shuffled(1, 0, 10).tolist()[4:]  # all others, none twice
    assert [len(indices) for indices in drawn] == [2, 2, 2]
    assert found.curves["learning_rate"].tolist() == [0.05, 0.05]
    assert found.results["structures_per_step"] == 2


def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path):
    train(tmp_path)
    path = tmp_path / "checkpoint" / CHECKPOINT
    state = load_checkpoint(path)
    del state["seen"]
    save_checkpoint(path, state)
    with pytest.raises(BadInput, match="checkpoint of an earlier version; remove its folder"):
        train(tmp_path)


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = train(tmp_path)
    problem = Regression()
    again = train(tmp_path, problem)
    assert problem.drawn == []
    assert same_weights(first.best, again.best)


def test_seeds(tmp_path):
    assert same_weights(train(tmp_path / "a").best, train(tmp_path / "b").best)
    assert not same_weights(train(tmp_path / "a").best, train(tmp_path / "c", seed=2).best)


def test_checkpoints_follow_epochs_and_seconds(tmp_path, monkeypatch):
    written = []
    real = epochs_module.save_checkpoint

    def note(path, state):
        written.append((state["epoch"], state["step"]))
        real(path, state)

    monkeypatch.setattr(epochs_module, "save_checkpoint", note)
    train(tmp_path / "a", epochs=5, checkpoint_epochs=2)
    assert written == [(2, 0), (4, 0), (5, 0)]
    written.clear()
    train(tmp_path / "b", epochs=2, checkpoint_seconds=0)
    assert written == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]


# ---------------------------------------------------------------------- what can go wrong
@pytest.mark.parametrize(("trouble", "what"), [(make_infinite, "loss became inf"), (spoil_gradient, "gradient became")])
def test_a_loss_or_gradient_that_is_not_finite_stops_the_run(tmp_path, trouble, what):
    with pytest.raises(Diverged, match=rf"epoch 2, step \d: (the )?{what}.*last good checkpoint is kept"):
        train(tmp_path, Regression(trouble=trouble), checkpoint_epochs=1)
    state = load_checkpoint(tmp_path / "checkpoint" / CHECKPOINT)
    assert state["epoch"] == 1
    assert all(bool(torch.isfinite(value).all()) for value in state["network"].values())


def test_a_validation_that_is_not_finite_stops_the_run(tmp_path):
    problem = Regression()
    problem.inputs[True][2] = math.nan
    with pytest.raises(Diverged, match="epoch 1, step 3: square of the validation became nan"):
        train(tmp_path, problem)


def test_parameters_are_checked():
    def refuse(message, **values):
        with pytest.raises(BadInput, match=message):
            validate(GraphTrainingParameters, values, "training")

    refuse("min_learning_rate 0.1 is above learning_rate 0.001", min_learning_rate=0.1)
    refuse("batch_size", batch_size="automatic")
    refuse("batch_size", batch_size=0)
    refuse("did you mean 'plateau_patience'", plateau_patienc=3)
    refuse("precision", precision="16")


def test_options_that_the_device_does_not_have(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="'tf32' needs an NVIDIA GPU"):
        train(tmp_path, precision="tf32")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(BadInput, match=r"C\+\+ compiler on a CPU"):
        train(tmp_path, compile=True)


def test_more_parts_than_structures(tmp_path):
    with pytest.raises(BadInput, match="10 training structures are too few for accumulate × devices × num_nodes = 11"):
        train(tmp_path, accumulate=11)


def test_several_nodes_need_a_launcher(tmp_path, monkeypatch):
    for name in ("SLURM_STEP_NUM_TASKS", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BadInput, match=r"srun .* or torchrun"):
        train(tmp_path, num_nodes=2)


# ---------------------------------------------------------------------- precision, results
def test_bfloat16_is_near_float32(tmp_path):
    """Products of 8 bits: losses agree to some percent; weights and optimiser stay float32."""
    exact = train(tmp_path / "a", epochs=3)
    rounded = train(tmp_path / "b", epochs=3, precision="bf16")
    assert all(value.dtype == torch.float32 for value in rounded.best.values())
    assert not same_weights(exact.best, rounded.best)
    np.testing.assert_allclose(rounded.curves["train_loss"], exact.curves["train_loss"], rtol=0.02)


def test_a_compiled_network_gives_the_same(tmp_path):
    exact = train(tmp_path / "a", epochs=2)
    compiled = train(tmp_path / "b", epochs=2, compile=True)
    assert compiled.results["compiled"]
    assert compiled.best.keys() == exact.best.keys()
    np.testing.assert_allclose(compiled.curves["train_loss"], exact.curves["train_loss"], rtol=1e-5)


def test_results_and_progress(tmp_path):
    found = train(tmp_path)
    results = found.results
    assert (results["epochs"], results["steps_per_epoch"], results["batch_size"]) == (3, 3, 4)
    assert results["seconds_per_epoch"] == pytest.approx(3 * results["seconds_per_step"])
    assert results["final_train_loss"] == found.curves["train_loss"][-1]
    assert results["structures_per_second"] > 0
    last = json.loads((tmp_path / "progress.jsonl").read_text().splitlines()[-1])
    assert (last["stage"], last["done"], last["total"]) == ("train", 3, 3)
    assert last["validation_square"] == pytest.approx(found.curves["validation_square"][-1], rel=1e-5)
    assert {"learning_rate", "structures_per_second", "loss", "square"} <= last.keys()
