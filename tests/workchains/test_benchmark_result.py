"""The output `result` of a benchmark: who, when, which models, and that nothing else fails with it."""

import json
from datetime import UTC, datetime

import pytest
from aiida import orm
from support.children import ended, process, run_outline
from support.handnodes import measure
from support.results import computed
from support.weights import weights

from aiida_dismai.data import GeneratorData, StructureSetData
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.results.result import Result
from aiida_dismai.workchains.benchmark import BenchmarkWorkChain

# slow: one to three seconds each, and the inputs of all children are validated
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aiida_profile_clean")]


@pytest.fixture
def benchmark(dismai_code, copper):
    """Return a benchmark of an alloy with two models, which was set up but not run."""
    train = StructureSetData(copper(3)).store()
    builder = BenchmarkWorkChain.get_builder_from_protocol(
        dismai_code, train, train, "cryingan", 1, protocol="demo", kind="alloy", overrides={"n_models": 2}
    )
    return process(BenchmarkWorkChain, builder)


@pytest.fixture
def person(aiida_profile_clean):
    """Return the user of the profile, whose names are given back at the end."""
    user = orm.User.collection.get_default()
    before = user.first_name, user.last_name, user.institution
    yield user
    user.first_name, user.last_name, user.institution = before


def children(benchmark, **changes):
    """Return the ended children of two models."""
    found = {}
    for index in range(2):
        model = computed(benchmark.inputs.train, index, **changes)
        trained = {"generator": weights(GeneratorData), "curves": orm.ArrayData(), "results": model.training}
        measured = {"metrics": model.metrics, "per_structure": orm.ArrayData()}
        found |= {
            f"train_model_{index}": ended(outputs=trained),
            f"sample_model_{index}": ended(outputs={"structures": model.structures}),
            f"evaluate_model_{index}": ended(outputs=measured),
        }
    return found


def read(benchmark):
    return validate(Result, json.loads(benchmark.outputs["result"].get_content()), "here")


def test_every_benchmark_writes_its_result(benchmark, person):
    person.first_name, person.last_name, person.institution = "Ada", "Lovelace", "Some University"
    ended_models = children(benchmark)
    assert run_outline(benchmark, ended_models)[0] is None
    result = read(benchmark)
    assert [item.name for item in result.models] == ["model_0", "model_1"]
    assert result.models[1].metrics["d_cluster"].value == 0.11
    assert result.models[1].content_hash == ended_models["sample_model_1"].outputs.structures.content_hash
    assert (result.origin.uuid, result.origin.type) == (benchmark.node.uuid, "BenchmarkWorkChain")
    assert [(author.name, author.affiliation) for author in result.authors] == [("Ada Lovelace", "Some University")]
    assert result.date == datetime.now(UTC).date().isoformat()
    assert result.notes == []
    # what is shared names nobody's address
    assert person.email not in benchmark.outputs["result"].get_content()
    assert "@" not in benchmark.outputs["result"].get_content()


def test_users_without_a_name_are_not_named(benchmark, person):
    person.first_name, person.last_name, person.institution = "", "", ""
    assert run_outline(benchmark, children(benchmark))[0] is None
    assert read(benchmark).authors == []


def test_models_that_failed_are_counted(benchmark):
    ended_models = children(benchmark) | {"evaluate_model_0": ended(450, "fell over in /home/ada/secret")}
    result, _ = run_outline(benchmark, ended_models)
    assert result.status == benchmark.exit_codes.ERROR_SOME_MODELS_FAILED.status
    found = read(benchmark)
    assert [item.name for item in found.models] == ["model_1"]
    assert found.notes == ["1 of 2 models failed and are not in this result."]


def test_what_does_not_fit_ends_nothing(benchmark):
    """A measure beyond the format's numbers: the benchmark has all its other outputs, and says why there is no file."""
    assert run_outline(benchmark, children(benchmark, d_cluster=measure(1e15, 0.1)))[0] is None
    assert "result" not in benchmark.outputs
    assert benchmark.outputs["summary"]["metrics"]["d_cluster"]["mean"] == 1e15
    reports = [log.message for log in orm.Log.collection.get_logs_for(benchmark.node)]
    assert any("no result file" in line and "d_cluster" in line for line in reports)
