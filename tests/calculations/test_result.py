"""The result file of a benchmark, made from its nodes: whose numbers and checksums it has, and what it refuses."""

import hashlib
import json

import jsonschema
import pytest
from support.handnodes import measure, structures
from support.results import SCHEMA, computed

from aiida_dismai.calculations.functions.result import REFUSED, nodes_of, write_result
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.results.result import Result

ORIGIN = {"uuid": "01234567-89ab-cdef-0123-456789abcdef", "type": "BenchmarkWorkChain"}
ABOUT = {"date": "2026-01-31", "authors": [{"given": "Ada", "family": "Lovelace"}], "origin": ORIGIN}


@pytest.fixture
def train(aiida_profile_clean):
    return StructureSetData(structures(8, 1)).store()


def made(train, models, about=None):
    """Run the calcfunction on models; returns its output and its node."""
    from aiida.orm import Dict

    parts = {
        f"model_{k}_{role}": node
        for k, model in enumerate(models)
        for role, node in nodes_of(model.metrics, model.training).items()
    }
    given = {"about": Dict(about or ABOUT), "reference": models[0].reference, "train": train}
    return write_result.run_get_node(**given, **parts)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_result_has_the_numbers_and_the_checksums_of_the_nodes(train):
    models = [computed(train, seed) for seed in (3, 4)]
    output, node = made(train, models)
    assert output.filename == "result.json"
    content = json.loads(output.get_content())
    jsonschema.validate(content, SCHEMA)
    result = validate(Result, content, "here")
    assert (result.kind, result.model, result.baseline) == ("alloy", "cryingan", False)
    assert (result.dataset.reference_hash, result.dataset.n_reference) == ("a" * 64, 8)
    assert result.dataset.content_hash == train.content_hash
    assert result.dataset.name == ""
    assert result.reference_sha256 == sha256(b"records of the training set")
    assert [author.name for author in result.authors] == ["Ada Lovelace"]
    assert (result.date, result.origin.uuid) == ("2026-01-31", ORIGIN["uuid"])
    assert result.versions == {"torch": "2.8.0/2.7.0"}  # of the training, of the metrics
    for item, model, seed in zip(result.models, models, (3, 4), strict=True):
        file = model.structures.base.repository.get_object_content("structures.npz", mode="rb")
        assert (item.structures, item.sha256) == (f"{item.name}.npz", sha256(file))
        assert item.content_hash == model.structures.content_hash
        assert (item.seed, item.n_generated, item.n_given, item.n_analysed) == (seed, 5, 4, 4)
        assert item.parameters == {"kind": "alloy", "generated_total": 5, "alloy": {}}
        assert set(item.metrics) == {"d_cluster", "failed_percent"}
        assert item.metrics["d_cluster"].model_dump() == model.metrics["d_cluster"]
    # where its numbers are from is in the graph
    given = {link.node.pk for link in node.base.links.get_incoming().all()}
    assert {models[0].metrics.pk, models[1].structures.pk, models[0].reference.pk, train.pk} <= given


def test_equal_inputs_give_equal_bytes(train):
    models = [computed(train, 1)]
    assert made(train, models)[0].get_content() == made(train, models)[0].get_content()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"d_cluster": measure(1e15, 0.1)}, "models.0.metrics.d_cluster.value"),
        ({"<script>": measure(0.1, 0.1)}, "models.0.metrics.<script>"),
        ({"reference_hash": None}, "dataset.reference_hash"),
    ],
)
def test_what_does_not_fit_into_the_format_is_said_and_nothing_is_written(train, changes, words):
    output, node = made(train, [computed(train, **changes)])
    assert not output
    assert node.exit_status == REFUSED
    assert words in node.exit_message
    assert "\n" not in node.exit_message


def test_models_that_were_measured_against_different_references(train):
    _, node = made(train, [computed(train, 0), computed(train, 1, reference_hash="b" * 64)])
    assert node.exit_status == REFUSED
    assert "measured against different references" in node.exit_message


def test_there_is_no_place_for_an_address(train):
    about = ABOUT | {"authors": [{"family": "Lovelace", "email": "ada@example.org"}]}
    output, node = made(train, [computed(train)], about)
    assert not output
    assert "unknown parameter 'authors.0.email'" in node.exit_message


def test_metrics_that_no_job_has_made_have_no_result(train):
    with pytest.raises(BadInput, match=r"was not made by a job `dismai\.metrics`"):
        nodes_of(train)
