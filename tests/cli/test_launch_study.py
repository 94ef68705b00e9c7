"""`aiida-dismai launch study`, as a user types it."""

import pytest
import yaml
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli import main


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def run(graph, *arguments):
    words = ("launch", "study", "--code", "dismai@localhost", "--dry-run", "--protocol", "demo", *arguments)
    return CliRunner().invoke(main, [str(item) for item in words])


def test_models_with_names_a_file_of_overrides_and_an_axis(graph, tmp_path):
    (tmp_path / "models.yaml").write_text("wide: {generator: {models: {cryingan: {hyperparameters: {epochs: 7}}}}}\n")
    names = ("--model", "cryingan", "--model", "wide=cryingan", "--models-file", tmp_path / "models.yaml")
    where = ("--dataset", f"lco={graph.pipeline.pk}", "--seed", 3, "--seed", 4)
    result = run(graph, *where, *names, "--vary", "lambda_distance=0,0.05", "--equal-time")
    assert result.exit_code == 0, result.output
    inputs = yaml.safe_load(result.output)["inputs"]
    assert inputs["seeds"] == [3, 4]
    assert inputs["axis"] == {"name": "lambda_distance", "values": [0, 0.05]}
    assert inputs["equal_time"] is True
    assert inputs["models"]["cryingan"] == {"model": "cryingan"}
    assert inputs["models"]["wide"]["generator"]["models"]["cryingan"]["hyperparameters"] == {"epochs": 7}
    data = inputs["datasets"]["lco"]
    assert data["train"] == f"StructureSetData<{graph.outputs['train'].pk}>"
    assert set(data) == {"train", "validation", "potential"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--model", "cryingan", "--model", "cryingan"), "a name is there twice"),
        (("--model", "cryingann"), "did you mean 'cryingan'"),
        (("--model", "cryingan", "--vary", "lambda_distance"), "give PARAMETER=V1,V2"),
        (("--model", "cryingan", "--vary", "lambda_distance=[0"), "not readable as YAML"),
        (("--model", "cryingan", "--vary", "lambda_distance=-1,0"), "cannot be -1: Input should be greater"),
        (("--model", "cryingan", "--dataset", "PK"), "give NAME=PROCESS"),
        (("--model", "cryingan", "--finished", "PIPELINE"), "has no summaries of benchmarks"),
        (("--model", "cryingan", "--equal-time"), "needs an axis"),
    ],
)
def test_what_is_refused(graph, changes, message):
    words = [graph.pipeline.pk if word == "PIPELINE" else word for word in changes]
    result = run(graph, "--dataset", f"lco={graph.pipeline.pk}", "--seed", 3, *words)
    assert result.exit_code == 1, result.output
    assert message in " ".join(result.output.split())


def test_a_file_that_names_another_model(graph, tmp_path):
    (tmp_path / "models.yaml").write_text("cdvae: {}\n")
    words = ("--dataset", f"lco={graph.pipeline.pk}", "--seed", 3, "--model", "cryingan")
    result = run(graph, *words, "--models-file", tmp_path / "models.yaml")
    assert "cdvae is no --model of this study" in result.output


def test_compare_takes_sets_with_regions_and_a_potential(graph, tmp_path):
    words = ("launch", "compare", "--code", "dismai@localhost", "--dry-run", "--protocol", "demo")
    sets = ("--reference", graph.outputs["train"].pk, "--structures", graph.outputs["train"].pk)
    result = CliRunner().invoke(main, [str(item) for item in (*words, *sets, "--potential", graph.pipeline.pk)])
    assert result.exit_code == 1
    assert "the structures have no regions" in result.output
    result = CliRunner().invoke(main, [str(item) for item in (*words, *sets, "--potential", 1, "--no-relax")])
    assert "exclude each other" in result.output
