from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.generators.parameters import TrainParameters
from aiida_dismai.engine.generators.registry import describe, find, registered
from aiida_dismai.engine.main import cli
from aiida_dismai.engine.plugins import Broken
from aiida_dismai.engine.structures import write_extxyz
from aiida_dismai.engine.tasks import find_task


def test_the_built_in_model_comes_by_its_entry_point_and_has_a_readme():
    spec = registered()["cryingan"]
    assert spec.name == "cryingan"
    assert "Kim" in Path(spec.readme).read_text()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_package_here:SPEC", "ModuleNotFoundError"),
        ("aiida_dismai.engine.generators.cryingan:NO_SPEC", "AttributeError"),
        ("aiida_dismai.engine.generators.registry:GENERATORS", "not a GeneratorSpec"),
        ("aiida_dismai.engine.generators.cryingan:SPEC", "calls itself 'cryingan'"),
    ],
)
def test_a_broken_plug_in_is_listed_with_its_reason_and_disturbs_no_other(register, value, reason):
    register(crooked=value)
    models = registered()
    assert isinstance(models["crooked"], Broken)
    assert reason in models["crooked"].summary
    assert models["cryingan"] == find("cryingan")
    with pytest.raises(BadInput, match="'crooked': broken"):
        find("crooked")
    lines = CliRunner().invoke(cli, ["generators"]).output
    assert "broken" in lines
    assert "cryingan" in lines


def test_two_models_of_one_name_are_neither_of_them(register):
    register(cryingan="elsewhere:SPEC")
    with pytest.raises(BadInput, match="registered twice"):
        find("cryingan")


def test_an_unknown_model_is_answered_with_the_nearest_name():
    with pytest.raises(BadInput, match="did you mean 'cryingan'"):
        find("cryingann")


@pytest.mark.engine
def test_description_of_the_model_without_and_with_a_template(tmp_path, toy):
    plain = describe("cryingan")
    assert "trainable_parameters" not in plain
    learning_rate = plain["parameters"]["learning_rate"]
    assert learning_rate["default"] == 5e-5
    assert learning_rate["type"] == "number"
    assert learning_rate["bounds"] == {"exclusiveMinimum": 0.0, "maximum": 1.0}
    assert plain["parameters"]["critics"]["bounds"]["enum"] == ["both", "coordinates", "distances", "combined"]
    assert all(field["description"] for field in plain["parameters"].values())
    write_extxyz(toy, tmp_path / "toy.extxyz")
    output = CliRunner().invoke(cli, ["generators", "describe", "cryingan", "--template", str(tmp_path / "toy.extxyz")])
    counts = json.loads(output.output)["trainable_parameters"]
    # 264 atoms of 5 elements have 2,560,257; here 8 atoms of 2 elements
    assert counts["generator"] == 2_560_257 - 256 * 128 * 65
    assert counts["critic_coordinates"] == 1_879_242 - 3 * 256 * 1000


@pytest.mark.engine
def test_description_of_a_variant(tmp_path, toy):
    write_extxyz(toy, tmp_path / "toy.extxyz")
    options = ["--template", str(tmp_path / "toy.extxyz"), "--set", "pooling=mix", "--set", "critic_head = [16, 8, 4]"]
    description = json.loads(CliRunner().invoke(cli, ["generators", "describe", "cryingan", *options]).output)
    assert description["hyperparameters"] == {"pooling": "mix", "critic_head": [16, 8, 4]}
    convolutions = 3 * 512 + 512 + 512 * 512 + 512 + 512 * 256 + 256
    head = 2 * 2 * 256 * 16 + 16 + 16 * 8 + 8 + 8 * 4 + 4  # two elements, mean and maximum
    assert description["trainable_parameters"]["critic_coordinates"] == convolutions + head
    assert description["parameters"] == describe("cryingan")["parameters"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["poling=max"], "model 'cryingan': unknown parameter 'poling'; did you mean 'pooling'"),
        (["lambda_distance=-0.1"], r"lambda_distance: Input should be greater than or equal to 0 \(given: -0.1\)"),
        (["epochs"], r"--set 'epochs': write NAME=VALUE"),
        (["=3"], r"--set '=3': write NAME=VALUE"),
        (["epochs=3", "epochs=4"], "--set 'epochs=4': epochs is set twice"),
    ],
)
def test_wrong_settings_of_a_description(settings, message):
    arguments = [part for setting in settings for part in ("--set", setting)]
    result = CliRunner().invoke(cli, ["generators", "describe", "cryingan", *arguments])
    assert isinstance(result.exception, BadInput)
    assert re.search(message, str(result.exception))


def test_hyperparameters_are_checked_by_the_models_own_class_and_completed():
    task = find_task("generator.train")
    complete = task.validate({"model": "cryingan", "hyperparameters": {"epochs": 7}})
    assert isinstance(complete, TrainParameters)
    assert complete.hyperparameters["epochs"] == 7
    assert complete.hyperparameters["betas"] == [0.5, 0.999]
    assert task.validate(complete.model_dump(mode="json")) == complete
    with pytest.raises(BadInput, match="unknown parameter 'learning_rat'; did you mean 'learning_rate'"):
        task.validate({"model": "cryingan", "hyperparameters": {"learning_rat": 1e-3}})
    with pytest.raises(BadInput, match=r"betas.*less than 1"):
        task.validate({"model": "cryingan", "hyperparameters": {"betas": [0.5, 1.0]}})
    with pytest.raises(BadInput, match="unknown parameter 'hyperparameter'; did you mean"):
        task.validate({"model": "cryingan", "hyperparameter": {}})


def test_checking_parameters_on_the_host_imports_no_torch():
    code = (
        "import sys\n"
        "from aiida_dismai.engine.tasks import find_task\n"
        "from aiida_dismai.engine.generators.registry import describe\n"
        "find_task('generator.train').validate({'model': 'cryingan'})\n"
        "find_task('generator.sample').validate({})\n"
        "describe('cryingan')\n"
        "print([name for name in ('torch', 'matgl') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"
