"""`compare` finds where two results begin to differ: in what was given, in how they were made, or in an outcome."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from aiida import orm
from click.testing import CliRunner
from support import handmade
from support.handnodes import finish, metrics, process, results, structures
from support.weights import weights

from aiida_dismai.cli import main
from aiida_dismai.data import PotentialData, StructureSetData
from aiida_dismai.report.difference import compare

JOB = handmade.CALCULATIONS


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def evaluation(graph, seed=1, fmax=0.05, crystal=4.0, d_all=0.1, versions=None, extra=None, flow_seed=None):
    """Return a line of build → relax → metrics in a workflow, with what differs between two of them."""
    cell = orm.StructureData(cell=np.diag([crystal] * 3).tolist())
    cell.append_atom(symbols="Li", position=[0.0, 0.0, 0.0])
    flow = process(
        orm.WorkChainNode,
        handmade.WORKFLOWS + "evaluate",
        "EvaluateWorkChain",
        {} if flow_seed is None else {"seed": orm.Int(flow_seed)},
    )
    drawn = seed if flow_seed is None else flow_seed
    built = StructureSetData(structures(3, drawn))
    given = {"slab_a": cell, "seed": orm.Int(seed), "code": graph.code, **(extra or {})}
    process(orm.CalcJobNode, JOB + "interfaces.build", "BuildInterfacesCalculation", given, {"structures": built}, flow)
    after = StructureSetData(structures(3, 10 * drawn + round(100 * fmax)))
    relax = {"structures": built, "parameters": orm.Dict({"fmax": fmax, "steps": 100}), "code": graph.code}
    process(orm.CalcJobNode, JOB + "relax", "RelaxCalculation", relax, {"structures": after}, flow)
    measured = metrics(d_all, 0.0, 3)
    if versions:
        measured["versions"] = versions
    job = process(
        orm.CalcJobNode,
        JOB + "metrics",
        "MetricsCalculation",
        {"structures": after, "code": graph.code},
        {"results": measured},
        flow,
    )
    finish(flow, {"metrics": measured, "relaxed": after})
    return SimpleNamespace(flow=flow, metrics=measured, after=after, built=built, job=job)


def test_the_same_computed_twice_has_no_difference(graph):
    found = compare(evaluation(graph).flow, evaluation(graph).flow)
    assert (found.same, found.differ, found.first) == (["metrics", "relaxed"], [], [])


def test_parameter_is_the_first_difference_and_the_way_leads_to_the_result(graph):
    one, other = evaluation(graph), evaluation(graph, fmax=0.1, d_all=0.14)
    found = compare(one.metrics, other.metrics)
    assert found.n_first == 1
    first = found.first[0]
    assert first.kind == "given"
    assert first.what == ["fmax: 0.05, and 0.1"]
    assert first.way == ["relax.parameters", "metrics.structures"]
    assert found.numbers["d_all"]["floors"] == pytest.approx(2.0)


def test_seed_comes_before_what_it_changed(graph):
    found = compare(evaluation(graph).metrics, evaluation(graph, seed=2, fmax=0.1, d_all=0.2).metrics)
    assert found.first[0].what == ["value: 1, and 2"]
    assert found.first[0].way[0] == "interfaces.build.seed"
    assert found.n_first == 2  # and fmax


def test_workflow_that_was_given_another_seed_is_named(graph):
    found = compare(evaluation(graph, flow_seed=7).metrics, evaluation(graph, seed=2, flow_seed=8, d_all=0.2).metrics)
    assert found.first[0].around[0].endswith(": 8")
    assert "EvaluateWorkChain<" in found.first[0].around[0]
    assert ".seed: 7, and" in found.first[0].around[0]


def test_crystal_that_differs_in_its_cell(graph):
    one = evaluation(graph)
    other = evaluation(graph, crystal=4.2, seed=1, d_all=0.2)
    found = compare(one.metrics, other.metrics)
    # relaxed structures hold the same here, so that only another outcome of the last job is left
    assert [item.kind for item in found.first] == ["outcome"]
    other = evaluation(graph, crystal=4.2, flow_seed=9, d_all=0.2)
    words = [line for item in compare(one.metrics, other.metrics).first for line in item.what]
    assert "cells, by up to 0.2 Å" in words


def test_same_inputs_and_another_outcome_names_the_versions(graph):
    one, other = evaluation(graph), evaluation(graph, d_all=0.2, versions={"torch": "2.8.0"})
    first = compare(one.metrics, other.metrics).first[0]
    assert first.kind == "outcome"
    assert "were given the same" in first.what[0]
    assert "version.torch: 2.7.0, and 2.8.0" in first.what


def test_times_and_versions_alone_are_no_difference(graph):
    one, other = evaluation(graph), evaluation(graph, versions={"torch": "2.8.0"})
    assert compare(one.metrics, other.metrics).first == []


def test_input_that_only_one_has(graph):
    one = evaluation(graph)
    other = evaluation(graph, seed=2, extra={"slab_b": orm.Int(3)}, d_all=0.2)
    found = compare(one.metrics, other.metrics)
    assert any("input 'slab_b' of BuildInterfacesCalculation" in line for item in found.first for line in item.what)


def test_made_here_and_imported_there(graph):
    one = evaluation(graph)
    file = StructureSetData(structures(3, 99)).store()
    first = compare(one.after, file).first[0]
    assert first.kind == "origin"
    assert first.what[0].startswith("made by RelaxCalculation<")
    assert first.what[0].endswith("not made in this profile")
    assert any("positions of 3 of 3 structures" in line for line in first.what)


def test_weights_differ_in_their_configuration(graph):
    one = weights(PotentialData, "a", seed=1, network={"units": 64}).store()
    other = weights(PotentialData, "b", seed=2, network={"units": 32}).store()
    assert sorted(compare(one, other).first[0].what) == ["network.units: 64, and 32", "seed: 1, and 2"]


def test_process_beside_data_is_refused(graph):
    result = CliRunner().invoke(main, ["compare", str(graph.pipeline.pk), str(graph.outputs["train"].pk)])
    assert result.exit_code == 1
    assert "give two processes, or two data nodes" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_processes_without_anything_in_common_are_refused(graph):
    one = process(orm.CalcJobNode, JOB + "relax", "RelaxCalculation", {"a": orm.Int(1)})
    other = process(orm.CalcJobNode, JOB + "relax", "RelaxCalculation", {"b": orm.Int(1)})
    result = CliRunner().invoke(main, ["compare", str(one.pk), str(other.pk)])
    assert "neither outputs nor inputs of the same name" in result.output


def test_command_prints_the_difference(graph):
    one, other = evaluation(graph), evaluation(graph, fmax=0.1, d_all=0.14)
    result = CliRunner().invoke(main, ["compare", str(one.flow.pk), f"{other.flow.pk}"])
    assert result.exit_code == 0, result.output
    for words in ("first difference upstream", "fmax: 0.05, and 0.1", "relax.parameters → metrics.structures", "+2.00"):
        assert words in result.output
    result = CliRunner().invoke(main, ["compare", f"{one.flow.pk}:metrics", f"{other.flow.pk}:metrics", "--json"])
    assert json.loads(result.stdout)["first"][0]["what"] == ["fmax: 0.05, and 0.1"]


def test_nothing_differs_is_said(graph):
    one = evaluation(graph)
    result = CliRunner().invoke(main, ["compare", str(one.metrics.pk), str(evaluation(graph).metrics.pk)])
    assert "no difference upstream" in result.output


def test_results_of_a_second_run_differ_in_no_timing(graph):
    nodes = []
    for seconds in (1.0, 2.0):
        node = results("relax", n_structures=3)
        node["timings"] = {"total": seconds}
        nodes.append(node.store())
    assert compare(*nodes).first == []
