"""Training by steps, of one network after another, with an average of the weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from support.training_problems import Regression, make_infinite
from support.weights import same_weights

from aiida_dismai.engine.checkpoint import load_checkpoint, save_checkpoint
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Diverged, OutOfMemory, Unfinished
from aiida_dismai.engine.generators.training import steps as steps_module
from aiida_dismai.engine.generators.training.average import decay
from aiida_dismai.engine.generators.training.epochs import CHECKPOINT
from aiida_dismai.engine.generators.training.parameters import StepTrainingParameters
from aiida_dismai.engine.generators.training.randomness import branch, shuffled
from aiida_dismai.engine.generators.training.steps import fit_steps


class Named(Regression):
    def __init__(self, name="first", **options):
        super().__init__(**options)
        self.name = name


def train(folder, *problems, seed=1, **parameters):
    folder.mkdir(exist_ok=True)
    settings = StepTrainingParameters(**{"batch_size": 4, "steps": 7, "learning_rate": 0.05} | parameters)
    return fit_steps(problems or (Named(),), settings, Context(folder, seed=seed), "cpu")


def two(**options):
    return Named("first", **options), Named("second", **options)


def test_passes_keep_their_last_smaller_batch_whatever_the_validations(tmp_path):
    problem = Named()
    train(tmp_path, problem, steps=7, validation_steps=2)
    drawn = [list(indices) for _, validation, indices, _ in problem.drawn if not validation]
    seed = branch(1, 0)
    orders = [shuffled(seed, number, 10).tolist() for number in range(3)]
    expected = [orders[0][:4], orders[0][4:8], orders[0][8:], orders[1][:4], orders[1][4:8], orders[1][8:]]
    assert drawn == [*expected, orders[2][:4]]


def test_validations_follow_the_steps_counted_from_zero_and_the_last(tmp_path):
    """As published: 150,001 steps with validations after the steps 750, …, 150,000, counted from zero."""
    found = train(tmp_path / "a", steps=9, validation_steps=4)["first"]
    assert found.curves["step"].tolist() == [5, 9]
    found = train(tmp_path / "b", steps=11, validation_steps=4)["first"]
    assert found.curves["step"].tolist() == [5, 9, 11]
    assert train(tmp_path / "c", steps=1)["first"].curves["step"].tolist() == [1]


@pytest.mark.parametrize(("interval", "last", "calls"), [(10, 111, [121, 131, 141]), (1, 102, [103, 104, 105])])
def test_the_average_is_the_rule_applied_to_the_weights(tmp_path, monkeypatch, interval, last, calls):
    seen = []
    descend = steps_module.AveragedDescent.descend

    def note(self):
        descend(self)
        seen.append(self._copy())

    monkeypatch.setattr(steps_module.AveragedDescent, "descend", note)
    found = train(tmp_path, Named(n_validation=0), steps=calls[-1], average_interval=interval)["first"]
    expected = {name: value.double() for name, value in seen[last - 1].items()}
    for call in calls:
        kept = decay(call, interval)
        assert kept == 1 - (call - 100) ** (-2 / 3)
        expected = {name: kept * value + (1 - kept) * seen[call - 1][name] for name, value in expected.items()}
    for name, value in expected.items():
        torch.testing.assert_close(found.best[name].double(), value, atol=1e-6, rtol=1e-5)
    assert not same_weights(found.best, seen[-1])
    assert found.results["best_step"] == calls[-1]


def test_the_averages_of_the_lowest_validation_are_kept_and_latest_weights_validated(tmp_path):
    problem = Named(n_validation=4)
    found = train(tmp_path / "a", problem, steps=61, validation_steps=1, learning_rate=0.3)["first"]
    losses = found.curves["validation_square"]
    best = int(np.argmin(losses))
    assert found.results["best_step"] == found.curves["step"][best] < 61
    shorter = train(tmp_path / "b", steps=int(found.results["best_step"]), learning_rate=0.3)["first"]
    state = load_checkpoint(tmp_path / "b" / "checkpoint" / CHECKPOINT)["networks"]["first"]
    assert same_weights(found.best, state["average"])
    assert not same_weights(state["average"], state["network"])
    assert len(shorter.curves["step"]) == 1
    draws = {value for _, validation, _, value in problem.drawn if validation}
    assert len(draws) == 60  # noise drawn again each time
    average = train(tmp_path / "c", steps=61, validation_steps=1, learning_rate=0.3, validate_average=True)["first"]
    assert average.curves["train_loss"].tolist() == found.curves["train_loss"].tolist()
    assert average.curves["validation_square"].tolist() != losses.tolist()


def test_the_same_noise_in_every_validation_if_asked_for(tmp_path):
    problem = Named(n_validation=4)
    train(tmp_path, problem, steps=5, validation_steps=1, same_validation_noise=True)
    assert len({value for _, validation, _, value in problem.drawn if validation}) == 1


def test_networks_follow_each_other_with_random_numbers_of_their_own(tmp_path):
    first, second = two()
    found = train(tmp_path, first, second)
    assert list(found) == ["first", "second"]
    assert [entry[3] for entry in first.drawn] != [entry[3] for entry in second.drawn]
    assert same_weights(found["first"].best, train(tmp_path / "alone")["first"].best)
    last = json.loads((tmp_path / "progress.jsonl").read_text().splitlines()[-1])
    assert (last["done"], last["total"], last["network"]) == (14, 14, 2)
    assert {"train_loss", "train_square", "validation_square"} <= last.keys()


def test_a_run_cut_into_pieces_is_the_same_run(tmp_path, monkeypatch):
    options = {"validation_steps": 3, "steps": 8}
    whole = train(tmp_path / "whole", *two(), **options)
    calls = iter([False, True] * 100)
    monkeypatch.setattr(Context, "out_of_time", lambda self: next(calls))
    pieces = 0
    while True:
        pieces += 1
        try:
            found = train(tmp_path / "pieces", *two(), **options)
            break
        except Unfinished:
            continue
    assert pieces == 16  # the last step of a network ends without a question
    for name in whole:
        assert same_weights(found[name].best, whole[name].best)
        for curve, values in whole[name].curves.items():
            np.testing.assert_array_equal(found[name].curves[curve], values)
    names = ("whole", "pieces")
    first, last = (load_checkpoint(tmp_path / name / "checkpoint" / CHECKPOINT)["networks"] for name in names)
    for name, state in first.items():
        assert same_weights(state["network"], last[name]["network"])
        assert same_weights(state["average"], last[name]["average"])
        for key, moments in state["optimizer"]["state"].items():
            assert same_weights(moments, last[name]["optimizer"]["state"][key])


def test_a_finished_run_is_not_trained_again_and_a_longer_one_goes_on(tmp_path):
    train(tmp_path / "a", *two(n_validation=0))
    again = two(n_validation=0)
    train(tmp_path / "a", *again)
    assert again[0].drawn == again[1].drawn == []
    longer = train(tmp_path / "a", *two(n_validation=0), steps=12)
    whole = train(tmp_path / "b", *two(n_validation=0), steps=12)
    assert all(same_weights(longer[name].best, whole[name].best) for name in whole)


def test_a_checkpoint_of_other_networks_is_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(BadInput, match="a checkpoint of first where one of large, small is wanted"):
        train(tmp_path, Named("large"), Named("small"))
    path = tmp_path / "checkpoint" / CHECKPOINT
    save_checkpoint(path, {"epoch": 1})
    with pytest.raises(BadInput, match="another training"):
        train(tmp_path)


def test_what_is_not_finite_stops_the_run_and_leaves_the_last_checkpoint(tmp_path):
    class Spoilt(Named):
        def losses(self, network, indices, validation, epoch, generator):
            found = super().losses(network, indices, validation, epoch, generator)
            return {name: make_infinite(value) for name, value in found.items()} if 9 in indices else found

    with pytest.raises(Diverged, match=r"first, step \d: loss became inf.*last good checkpoint is kept"):
        train(tmp_path, Spoilt(n_validation=0), checkpoint_seconds=0)
    state = load_checkpoint(tmp_path / "checkpoint" / CHECKPOINT)["networks"]["first"]
    assert all(bool(torch.isfinite(value).all()) for value in state["network"].values())


def test_a_batch_that_does_not_fit_is_named_and_a_smaller_one_resumes(tmp_path):
    """As the WorkChain does it: the same checkpoint, half of the batch; no structure of the pass is seen twice."""
    drawn = []

    class Hungry(Named):
        def losses(self, network, indices, validation, epoch, generator):
            if len(indices) > 2 and len(drawn) == 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            if not validation:
                drawn.append(list(indices))
            return super().losses(network, indices, validation, epoch, generator)

    with pytest.raises(OutOfMemory, match=r"^first, step 2: 4 structures with \d+ atoms do not fit"):
        train(tmp_path, Hungry(), checkpoint_seconds=0, steps=4)
    found = train(tmp_path, Hungry(), batch_size=2, steps=4)["first"]
    assert (found.results["resumed_from_step"], found.results["batch_size"]) == (1, 2)
    assert [i for indices in drawn for i in indices] == shuffled(branch(1, 0), 0, 10).tolist()


def test_batch_size_by_a_dry_run_is_kept_for_each_network(tmp_path):
    first, second = two()
    found = train(tmp_path, first, second, batch_size="auto", steps=2)
    assert found["first"].results["batch_size"] == found["second"].results["batch_size"] == 10
    assert load_checkpoint(tmp_path / "checkpoint" / CHECKPOINT)["networks"]["second"]["batch_size"] == 10


def test_two_processes_train_what_one_trains_with_the_same_batches(tmp_path, monkeypatch):
    for name in ("SLURM_STEP_NUM_TASKS", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    options = {"n": 11, "n_validation": 5}
    alone = train(tmp_path / "alone", *two(**options), batch_size=2, accumulate=2)
    both = train(tmp_path / "both", *two(**options), batch_size=2, devices=2)
    for name, fit in alone.items():
        for key, value in fit.best.items():
            torch.testing.assert_close(both[name].best[key], value, atol=1e-6, rtol=1e-5)
        np.testing.assert_allclose(both[name].curves["train_loss"], fit.curves["train_loss"], rtol=1e-5)
