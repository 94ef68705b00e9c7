"""`trace` answers where a number comes from, over a graph made by hand."""

import json

import pytest
from aiida import orm
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli import main
from aiida_dismai.report.trace import trace
from aiida_dismai.report.upstream import read_upstream


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def run(*words):
    return CliRunner().invoke(main, ["trace", *map(str, words)])


def test_metrics_are_traced_to_crystals_potential_dft_and_codes(graph):
    metrics = graph.outputs["metrics__model_0"]
    found = trace(metrics)
    assert {item["pk"] for item in found.origins} == {node.pk for node in graph.crystals}
    assert [item["pk"] for item in found.potentials] == [graph.outputs["potential"].pk]
    # of two models only the one that these numbers are of
    assert [item["pk"] for item in found.models] == [graph.outputs["generators__model_0"].pk]
    assert [(row["engine"], row["jobs"], row["not_ok"]) for row in found.dft] == [("VASP", 2, 0)]
    assert {row["code"]: row["jobs"] for row in found.codes} == {"dismai@localhost": 7, "vasp@localhost": 2}
    assert found.numbers["d_all"] == {"value": 0.05, "lower": 0.045, "upper": 0.055, "floor": 0.02}
    assert [flow["pk"] for flow in found.workflows] == [graph.pipeline.pk]
    assert "stand-in" in found.notes[0]
    assert found.people == [f"{metrics.user.email}"] or metrics.user.email in found.people[0]


def test_steps_are_in_the_order_they_ran(graph):
    steps = [(step["stage"], step["task"], step["count"]) for step in trace(graph.outputs["metrics__model_1"]).steps]
    assert steps[0] == ("dataset / build training", "interfaces.build", 1)
    assert ("dataset / label", "vasp.vasp", 2) in steps
    assert steps[-1] == ("benchmark / evaluate / metrics", "metrics", 1)


def test_nothing_that_was_made_from_the_node_is_part_of_its_trace(graph):
    upstream = read_upstream([graph.outputs["train"]])
    tasks = {row.process_type for row in upstream.calculations}
    assert handmade.CALCULATIONS + "generator.train" not in tasks
    assert graph.outputs["validation"].pk not in upstream.rows


def test_seeds_and_parameters_of_a_step(graph):
    job = handmade.process(
        orm.CalcJobNode,
        handmade.CALCULATIONS + "generator.sample",
        "SampleGeneratorCalculation",
        {
            "generator": graph.outputs["generators__model_0"],
            "seed": orm.Int(17),
            "parameters": orm.Dict({"n_structures": 6, "batch": {"size": 3}}),
            "code": graph.code,
        },
        {"structures": orm.Int(1), "results": handmade.results("generator.sample")},
    )
    step = trace(job.outputs.results).steps[-1]
    assert step["seeds"] == [17]
    assert step["parameters"] == {"n_structures": 6, "batch.size": 3}


def test_command_prints_the_answers(graph):
    result = run(graph.outputs["metrics__model_0"].pk)
    assert result.exit_code == 0, result.output
    for words in ("noise floor", "potential.train", "StructureData<", "vasp@localhost", "torch 2.7.0", "not DFT"):
        assert words in result.output


def test_output_of_a_process_by_its_port(graph):
    result = run(f"{graph.pipeline.pk}:benchmark.metrics.model_1", "--json")
    assert json.loads(result.stdout)["node"]["pk"] == graph.outputs["metrics__model_1"].pk


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ("benchmark.metrcs.model_1", "did you mean 'benchmark.metrics.model_1'"),
        ("benchmark.metrics", "holds several outputs"),
        ("nothing", "has no output 'nothing'"),
    ],
)
def test_wrong_ports_give_one_line(graph, port, words):
    result = run(f"{graph.pipeline.pk}:{port}")
    assert result.exit_code == 1
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_data_of_files_has_no_origin(graph):
    node = orm.SinglefileData(file=__file__).store()
    result = run(node.pk)
    assert "nothing in this profile" in result.output


def test_failed_process_without_outputs_shows_its_inputs(graph):
    job = handmade.process(
        orm.CalcJobNode,
        handmade.CALCULATIONS + "relax",
        "RelaxCalculation",
        {"structures": graph.outputs["train"], "code": graph.code},
        exit_status=360,
    )
    result = run(job.pk)
    assert result.exit_code == 0, result.output
    assert "finished [360]" in result.output
    assert "split_structures" in result.output


def test_odd_nodes_of_strangers_are_no_traceback(graph):
    odd = orm.Dict({"d_all": {"value": "\x1b[31mred"}, "task": ["a"], "d_x": {"value": {"a": 1}}}).store()
    result = run(odd.pk)
    assert result.exit_code == 0, result.output
    assert "\x1b[31m" not in result.output
