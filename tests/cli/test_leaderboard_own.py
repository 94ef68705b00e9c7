"""The result file that a benchmark has written, taken by the leaderboard: as it is, or refused where it was changed."""

import io
import json

import jsonschema
import pytest
from aiida import orm
from aiida.common.links import LinkType
from click.testing import CliRunner
from support.handmade import CALCULATIONS, WORKFLOWS
from support.handnodes import finish, process, structures
from support.results import SCHEMA, SET, benchmark, computed, measured, with_result

from aiida_dismai.cli import main
from aiida_dismai.cli.leaderboard.entries import entries_of, read_result
from aiida_dismai.data import StructureSetData

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
WORDS = ("--dataset", "wide", "--summary", "GAN")
ADA = {"given": "Ada", "family": "Lovelace", "affiliation": "Some University"}


def run(*words):
    return CliRunner().invoke(main, ["leaderboard", *map(str, words)])


def flow_of(own=True, change=None, uuid=None, **about):
    """Return a finished benchmark of two models with made-up numbers.

    Args:
        own: whether it has written its result file.
        change: of the content of that file, before it is stored.
        uuid: of another process that the file names.
        about: what is said in that file.
    """
    train = StructureSetData(structures(8, 1)).store()
    flow = process(orm.WorkChainNode, WORKFLOWS + "benchmark", "BenchmarkWorkChain", {"train": train})
    models = {f"model_{k}": computed(train, k, flow) for k in range(2)}
    metrics = {name: model.metrics for name, model in models.items()}
    training = {name: model.training for name, model in models.items()}
    outputs = {f"metrics__{name}": node for name, node in metrics.items()}
    outputs |= {f"training__{name}": node for name, node in training.items()}
    if own:
        more = {} if uuid is None else {"origin": {"uuid": uuid, "type": "BenchmarkWorkChain"}}
        result = with_result(flow, train, metrics, training, **({"authors": [ADA]} | about | more))
        if change is not None:
            content = json.loads(result.get_content())
            change(content)
            result = orm.SinglefileData(io.BytesIO(json.dumps(content).encode()), filename="result.json")
            process(orm.CalcFunctionNode, CALCULATIONS + "functions.result", "f", {}, {"result": result}, flow, "again")
        outputs["result"] = result
    finish(flow, outputs)
    return flow


def added(board):
    (folder,) = entries_of(board)
    jsonschema.validate(json.loads((folder / "result.json").read_text()), SCHEMA)
    return folder, read_result(folder)


def test_what_the_benchmark_wrote_is_taken_and_added_to(tmp_path):
    flow = flow_of(date="2026-02-03", notes=["1 of 3 models failed and are not in this result."])
    result = run("add", flow.pk, tmp_path / "board", *WORDS, "--link", "https://example.org/code")
    assert result.exit_code == 0, result.output
    folder, found = added(tmp_path / "board")
    own = json.loads(flow.outputs.result.get_content())
    said = json.loads((folder / "result.json").read_text())
    changed = {name for name in own if own[name] != said[name]}
    assert changed == {"dataset", "summary", "link"}
    assert said["dataset"] == own["dataset"] | {"name": "wide"}
    assert (found.date, found.authors[0].name) == ("2026-02-03", "Ada Lovelace")
    assert found.notes == ["1 of 3 models failed and are not in this result."]
    # the checksums that the benchmark has stated are those of the files beside it
    assert run("list", tmp_path / "board").exit_code == 0
    verified = run("verify", tmp_path / "board").output
    assert "SHA-256" not in verified
    assert "no such file" not in verified


def test_authors_who_are_given_stand_in_place_of_the_user(tmp_path):
    result = run("add", flow_of().pk, tmp_path / "board", *WORDS, "--author", "Bo Li")
    assert result.exit_code == 0, result.output
    assert [author.name for author in added(tmp_path / "board")[1].authors] == ["Bo Li"]


def test_another_name_of_the_model_is_that_of_the_user(tmp_path):
    assert run("add", flow_of().pk, tmp_path / "board", *WORDS, "--model", "random").exit_code == 0
    found = added(tmp_path / "board")[1]
    assert (found.model, found.baseline) == ("random", True)


def test_a_pipeline_gives_the_result_of_its_benchmark(tmp_path):
    flow = flow_of()
    pipeline = process(orm.WorkChainNode, WORKFLOWS + "pipeline", "PipelineWorkChain")
    outputs = {
        f"benchmark__{link.link_label}": link.node
        for link in flow.base.links.get_outgoing(link_type=LinkType.RETURN).all()
    }
    finish(pipeline, outputs)
    result = run("add", pipeline.pk, tmp_path / "board", *WORDS)
    assert result.exit_code == 0, result.output
    assert added(tmp_path / "board")[1].origin.uuid == flow.uuid


def test_benchmarks_of_before_have_the_same_result(tmp_path):
    new, old = flow_of(), flow_of(own=False)
    assert run("add", new.pk, tmp_path / "new", *WORDS).exit_code == 0
    assert run("add", old.pk, tmp_path / "old", *WORDS, "--author", "Ada Lovelace; Some University").exit_code == 0
    one, other = (added(tmp_path / name)[1] for name in ("new", "old"))
    assert (one.models, one.authors, one.versions) == (other.models, other.authors, other.versions)
    assert one.reference_sha256 == other.reference_sha256
    assert other.origin.uuid == old.uuid


def change_value(content):
    content["models"][1]["metrics"]["d_cluster"]["value"] = 0.001


def change_checksum(content):
    content["models"][0]["sha256"] = "0" * 64


def drop_model(content):
    del content["models"][0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_value, "models[1].metrics.d_cluster.value is 0.001, in the graph 0.11"),
        (change_checksum, "models[0].sha256 is 000000"),
        (drop_model, "models is"),
        (lambda content: content.update(scores={}), "unknown parameter 'scores'"),
    ],
)
def test_a_file_that_says_something_else_than_the_graph_is_refused(tmp_path, change, words):
    result = run("add", flow_of(change=change).pk, tmp_path / "board", *WORDS)
    assert result.exit_code == 1
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "board").exists()


def test_a_file_of_another_benchmark_is_refused(tmp_path):
    other = "01234567-89ab-cdef-0123-456789abcdef"
    result = run("add", flow_of(uuid=other).pk, tmp_path / "board", *WORDS)
    assert result.exit_code == 1
    assert f"origin.uuid is {other}" in result.output


def test_nobody_who_could_be_named_is_asked_for(tmp_path):
    user = orm.User.collection.get_default()
    before = user.last_name
    user.last_name = ""
    try:
        result = run("add", flow_of(authors=[]).pk, tmp_path / "board", *WORDS)
    finally:
        user.last_name = before
    assert result.exit_code == 1
    assert "--author" in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.engine
@pytest.mark.slow
def test_numbers_of_the_file_are_those_of_its_structures_and_a_changed_one_is_named(tmp_path):
    flow = benchmark(measured(tmp_path / "measured"), about={"authors": [ADA]})
    assert run("add", flow.pk, tmp_path / "board", "--dataset", SET).exit_code == 0
    result = run("verify", tmp_path / "board")
    assert result.exit_code == 0, result.output
    folder, found = added(tmp_path / "board")
    own = json.loads(flow.outputs.result.get_content())
    assert own["models"] == [model.model_dump(mode="json") for model in found.models]
    # the file of the benchmark, changed by hand, in place of the one that was added
    change_value(own)
    own["dataset"]["name"] = SET
    (folder / "result.json").write_text(json.dumps(own))
    result = run("verify", folder)
    assert result.exit_code == 1
    assert "model_1: d_cluster.value: 0.001 is stated" in result.output
    assert "1 problems" in result.output
