"""Weights have a future: what every version of a model has written can still be read, and generates the same."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.plugins import install

from aiida_dismai.engine.checkpoint import load_weights
from aiida_dismai.engine.errors import BadWeights
from aiida_dismai.engine.generators.registry import GENERATORS, find
from aiida_dismai.engine.generators.weights import load_generator
from aiida_dismai.engine.structures import read_npz
from aiida_dismai.engine.trained import CONFIG
from aiida_dismai.engine.upgrades import Stored, upgrade

FOLDER = Path(__file__).parents[2] / "data" / "weights"

#: A model whose second version has another name of its tensor, and half of the width under another name.
SECOND = '''
from dataclasses import replace
from pydantic import Field
import first
from aiida_dismai.engine.generators.contract import GeneratorSpec
from aiida_dismai.engine.parameters import Parameters

class Noise(Parameters):
    """How far the atoms of the mean structure are moved."""

    half_width: float = Field(0.05, ge=0, le=1, description="half of the standard deviation, Å")

def sample(generator, indices, seed, device):
    weights = {"mean": generator.weights["centre"]}
    parameters = first.Noise(width=2 * generator.parameters.half_width)
    return first.sample(replace(generator, weights=weights, parameters=parameters), indices, seed, device)

def from_1(stored):
    return replace(
        stored,
        parameters={"half_width": stored.parameters["width"] / 2},
        weights={"centre": stored.weights["mean"]},
    )

SPEC = GeneratorSpec("meanfield", "renamed", "second:Noise", "first:train", "second:sample", version=2,
                     upgrades={1: "second:from_1"})
'''


def versions():
    """Return all versions of the models that this package registers."""
    models = [find(name) for name in GENERATORS.names()]
    ours = [model for model in models if model.parameters.startswith("aiida_dismai.")]
    return [(model.name, version) for model in ours for version in range(1, model.version + 1)]


@pytest.mark.parametrize(("model", "version"), versions())
def test_every_version_generates_what_it_generated_when_it_was_stored(run, model, version):
    folder = FOLDER / f"{model}-{version}"
    assert folder.is_dir(), "python tests/data/weights/make.py MODEL keeps what the installed version writes"
    assert json.loads((folder / CONFIG).read_text())["model_version"] == version
    expected = read_npz(folder / "samples.npz")
    parameters = {"n_structures": len(expected), "threads": 1, "device": "cpu"}
    results = run("generator.sample", "sample", parameters, seed=1, generator=folder)
    found = read_npz(results["folder"] / "structures.npz")
    np.testing.assert_array_equal(found.numbers, expected.numbers)
    # the last digits are those of the processor
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-3)
    np.testing.assert_allclose(found.cells, expected.cells, atol=1e-4)


@pytest.fixture
def replaced(run, tmp_path, monkeypatch, foreign_source, toy):
    """Train a foreign model, and replace it by its second version; return its weights and what the first generates."""
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.syspath_prepend(str(modules))
    (modules / "first.py").write_text(foreign_source.replace("foreign_model", "first"))
    (modules / "second.py").write_text(SECOND)
    for name in ("first", "second"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.MonkeyPatch.context() as patch:
        install(patch, tmp_path / "first", "dismai.generators", meanfield="first:SPEC")
        trained = run("generator.train", "train", {"model": "meanfield"}, structures=toy)["folder"] / "generator"
        before = run("generator.sample", "before", {"n_structures": 3}, generator=trained)["folder"]
    install(monkeypatch, tmp_path / "second", "dismai.generators", meanfield="second:SPEC")
    return trained, before


@pytest.mark.engine
def test_weights_of_the_first_version_are_upgraded_and_generate_the_same_bytes(run, replaced):
    trained, before = replaced
    loaded = load_generator(trained)
    assert (loaded.model_version, list(loaded.weights), loaded.parameters.half_width) == (1, ["centre"], 0.05)
    after = run("generator.sample", "after", {"n_structures": 3}, generator=trained)["folder"]
    assert (after / "structures.npz").read_bytes() == (before / "structures.npz").read_bytes()
    assert list(load_weights(trained / "weights.safetensors")) == ["mean"]  # files are left as they are


STORED = Stored({"a": 1}, {}, {"w": torch.ones(1)})


def test_versions_are_upgraded_one_after_the_other():
    upgrades = {1: f"{__name__}:double", 2: f"{__name__}:add_three"}
    assert upgrade(STORED, 1, 3, upgrades, "here").parameters == {"a": 5}
    assert upgrade(STORED, 2, 3, upgrades, "here").parameters == {"a": 4}
    assert upgrade(STORED, 3, 3, upgrades, "here") is STORED


def double(stored):
    return Stored({"a": 2 * stored.parameters["a"]}, stored.config, stored.weights)


def add_three(stored):
    return Stored({"a": 3 + stored.parameters["a"]}, stored.config, stored.weights)


def lose(stored):
    return Stored({}, stored.config, {"w": stored.weights["v"]})


@pytest.mark.parametrize(
    ("written", "upgrades", "message"),
    [
        (4, {}, "here: written by version 4, installed is 3; update the package"),
        (1, {1: f"{__name__}:double"}, "no longer reads version 2; train again"),
        (0, {1: f"{__name__}:double"}, "no longer reads version 0"),
        (2, {2: f"{__name__}:lose"}, "upgrade from version 2 failed .KeyError: 'v'"),
        (2, {2: "no_such_module:function"}, "upgrade from version 2 failed .BadInput: no_such_module"),
    ],
)
def test_versions_that_cannot_be_read(written, upgrades, message):
    with pytest.raises(BadWeights, match=message):
        upgrade(STORED, written, 3, upgrades, "here")
