"""Models of others that break the contract: a loss that is not a number, weights that are not arrays, other types."""

import numpy as np
import pytest
import torch

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Diverged
from aiida_dismai.engine.generators.contract import Trained
from aiida_dismai.engine.generators.watched import check_batch, check_trained, watched

NAN = float("nan")


def trained(curves=None, results=None, weight=1.0):
    curves = {name: np.array(values) for name, values in (curves or {}).items()}
    return Trained({"w": torch.tensor([weight])}, {"w": 1}, curves, results or {})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weight": NAN}, "the weights 'w' are NaN or infinite$"),
        ({"weight": NAN, "curves": {"loss": [1.0, NAN, NAN]}}, "NaN or infinite; loss is nan from epoch 2 on"),
        ({"curves": {"loss": [1.0, 0.5, NAN]}}, "model 'm': loss is nan from epoch 3 on"),
        ({"curves": {"loss": [NAN]}}, "loss is nan from epoch 1 on"),
        ({"curves": {"Loss": [1.0, np.inf], "epoch": [10, 20]}}, "Loss is inf from epoch 20 on"),
        ({"results": {"final_loss": NAN}}, "its final losses are NaN or infinite"),
    ],
)
def test_what_has_diverged(given, message):
    with pytest.raises(Diverged, match=message):
        check_trained(trained(**given), "m")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"curves": {"loss": [1.0, NAN, 0.5]}},
        # it was not the turn of one of the parts
        {"curves": {"critic_loss": [1.0, 2.0, 3.0], "generator_loss": [1.0, NAN, NAN]}},
        # there are no validation structures
        {"curves": {"loss": [1.0], "validation_loss": [NAN]}, "results": {"loss": 1.0, "val_loss": NAN}},
        {"curves": {"something": [NAN]}},
        {"curves": {"loss": []}},
    ],
)
def test_what_has_not(given):
    assert check_trained(trained(**given), "m").weights["w"] == 1.0


def test_other_types_are_named():
    with pytest.raises(BadInput, match="model 'm': its train function gave a NoneType, not a Trained"):
        check_trained(None, "m")
    with pytest.raises(BadInput, match="the weights 'w' are a ndarray, not a tensor"):
        check_trained(Trained({"w": np.ones(1)}, {}, {}, {}), "m")
    with pytest.raises(BadInput, match="model 'm': its sample function gave a list, not a StructureSet"):
        check_batch([], 1, "m")


def test_a_loss_that_is_reported_ends_the_training(tmp_path):
    seen = []
    context = watched(Context(tmp_path, watch=seen.append))
    context.progress("train", 1, 9, loss=1.0, validation_loss=NAN)
    with pytest.raises(Diverged, match="loss became nan at train 2 of 9, batch 3"):
        context.progress("train", 2, 9, batch=3, loss=np.float32("nan"))
    assert [line["done"] for line in seen] == [1, 2]
    assert len((tmp_path / "progress.jsonl").read_text().splitlines()) == 2


def test_in_a_task(run, toy, foreign, tmp_path):
    """The foreign model of the tests, with losses and weights that are no numbers, and a bug."""
    path = tmp_path / "site" / "foreign_model.py"
    good = path.read_text()
    parameters = {"model": foreign}

    def change(old, new):
        import sys

        path.write_text(good.replace(old, new))
        sys.modules.pop("foreign_model", None)

    change('context.progress("train", 1, 1)', 'context.progress("train", 7, 9, loss=float("nan"))')
    assert run("generator.train", "a", parameters, structures=toy)["error"] == {
        "kind": "diverged",
        "message": "loss became nan at train 7 of 9",
    }
    change("positions.mean(axis=0)", "positions.mean(axis=0) * np.nan")
    assert run("generator.train", "b", parameters, structures=toy)["error"]["kind"] == "diverged"
    change('context.progress("train", 1, 1)', "1 / 0")
    error = run("generator.train", "c", parameters, structures=toy)["error"]
    assert (error["kind"], error["where"]) == ("crashed", "foreign_model.py:17 in train")
    assert error["message"] == "ZeroDivisionError: division by zero (foreign_model.py:17 in train)"
    change("mean, width =", "mean, width = generator.weights['means'],")
    made = run("generator.train", "d", parameters, structures=toy)
    error = run("generator.sample", "e", {"n_structures": 1}, generator=made["folder"] / "generator")["error"]
    assert error["message"] == "KeyError: 'means' (foreign_model.py:23 in sample)"
