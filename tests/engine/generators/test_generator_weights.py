from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from aiida_dismai.engine.errors import BadWeights
from aiida_dismai.engine.generators.contract import Trained
from aiida_dismai.engine.generators.registry import find
from aiida_dismai.engine.generators.weights import (
    CONFIG,
    TEMPLATE,
    WEIGHTS,
    load_generator,
    make_template,
    save_generator,
)


@pytest.fixture
def folder(tmp_path, toy):
    trained = Trained({"w": torch.arange(6.0)}, {"generator": 6}, {}, {}, {"scale": 2.0})
    save_generator(tmp_path / "generator", find("cryingan"), {"epochs": 5}, trained, make_template(toy), "abc", 9)
    return tmp_path / "generator"


def edit(folder, **changes):
    record = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(record | changes))


def test_what_is_saved_is_loaded(folder, toy):
    loaded = load_generator(folder)
    assert loaded.weights["w"].tolist() == [0, 1, 2, 3, 4, 5]
    assert loaded.template == toy[0]
    assert loaded.parameters.epochs == 5
    assert loaded.config == {"scale": 2.0}
    record = json.loads((folder / CONFIG).read_text())
    assert (record["format"], record["version"], record["model"], record["n_atoms"]) == (
        "dismai-generator",
        1,
        "cryingan",
        8,
    )
    assert record["elements"] == ["Na", "Cl"]
    assert (record["seed"], record["trained_on"]) == (9, "abc")


def test_the_template_inherits_regions_only_where_all_structures_agree(toy):
    regions = np.tile([0, 0, 1, 1, 2, 2, 3, 3], len(toy))
    labelled = toy.with_property("region", regions).with_property("energy", np.arange(len(toy)))
    assert list(make_template(labelled).properties) == ["region"]
    regions[-1] = 0
    assert not make_template(labelled.with_property("region", regions)).properties


def test_a_folder_that_is_missing_or_a_file(tmp_path):
    with pytest.raises(BadWeights, match=r"no config\.json"):
        load_generator(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadWeights, match=r"no config\.json"):
        load_generator(tmp_path / "empty")


@pytest.mark.parametrize("name", [WEIGHTS, TEMPLATE])
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(BadWeights, match=f"{name}: no such"):
        load_generator(folder)


@pytest.mark.parametrize(("name", "match"), [(WEIGHTS, "truncated"), (TEMPLATE, "truncated"), (CONFIG, "truncated")])
def test_a_truncated_file(folder, name, match):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) - 7])
    with pytest.raises(BadWeights, match=match):
        load_generator(folder)


def test_weights_of_another_run_in_the_folder(folder):
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(content))
    with pytest.raises(BadWeights, match="truncated or changed"):
        load_generator(folder)


def test_a_pickle_is_never_loaded(folder, tmp_path):
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (ran.write_text, ("yes",))

    torch.save({"w": Evil()}, folder / WEIGHTS)
    with pytest.raises(BadWeights, match="pickle"):
        load_generator(folder)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format": "dismai-potential"}, "format is not .dismai-generator"),
        ({"version": 2}, "version 2 is newer"),
        ({"model_version": 99}, "model 'cryingan': written by version 99, installed is 1"),
        ({"model": "cryinggan"}, "no generative model 'cryinggan'.*did you mean 'cryingan'"),
        ({"hyperparameters": {"epoch": 5}}, "unknown parameter 'epoch'"),
        ({"sha256": {}}, "incomplete"),
    ],
)
def test_a_config_that_does_not_fit(folder, changes, match):
    edit(folder, **changes)
    with pytest.raises(BadWeights, match=match):
        load_generator(folder)


def test_weights_with_nan(folder, toy):
    shutil.rmtree(folder)
    trained = Trained({"w": torch.tensor([1.0, float("nan")])}, {}, {}, {})
    save_generator(folder, find("cryingan"), {}, trained, make_template(toy), "abc", 9)
    with pytest.raises(BadWeights, match="'w' holds NaN"):
        load_generator(folder)
