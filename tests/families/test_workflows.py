"""A fourth family in the workflows: what it is relaxed with, and an evaluation from the data set to the metrics."""

import pytest
from aiida.engine import run_get_node
from support.children import process

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.report.collect import collect
from aiida_dismai.workchains.benchmark import BenchmarkWorkChain
from aiida_dismai.workchains.evaluate import EvaluateWorkChain

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("aiida_profile_clean")]


@pytest.fixture
def sets(crystals):
    return {"structures": StructureSetData(crystals(6, swapped=3)), "reference": StructureSetData(crystals(4))}


def test_an_evaluation(rocksalt_code, sets, check):
    made = EvaluateWorkChain.get_builder_from_protocol(rocksalt_code, **sets, kind="rocksalt", protocol="demo")
    relaxed = made.relax.job.parameters.get_dict()
    assert (relaxed["calculator"], relaxed["steps"], relaxed["fmax"]) == ("ase.calculators.lj:LennardJones", 3, 1.0)
    assert made.metrics.job.parameters["kind"] == "rocksalt"
    outputs, node = run_get_node(made)
    assert node.is_finished_ok, node.exit_message
    assert [child.process_label for child in node.called] == [
        "PostprocessWorkChain",
        "RelaxWorkChain",
        "MetricsWorkChain",
    ]
    check(outputs["metrics"].get_dict())
    assert outputs["per_structure"].get_array("curve_unlike").shape == (4, 7)
    report = collect(node)
    assert report.measures() == ["d_unlike", "antisite_percent", "failed_percent", "mean_relaxation_steps"]
    assert [(item.value, item.label) for item in report.family.headline(report.models)] == [
        ("50 %", "perfect crystals")
    ]


def test_the_inputs_of_a_benchmark(rocksalt_code, crystals):
    sets = StructureSetData(crystals(3)), StructureSetData(crystals(2))
    bench = BenchmarkWorkChain.get_builder_from_protocol(
        rocksalt_code,
        *sets,
        "random",
        seed=1,
        kind="rocksalt",
        protocol="demo",
        overrides={"evaluate": {"relax": {"parameters": {"steps": 7}}, "metrics": {"parameters": {"rocksalt": {}}}}},
    )
    inputs = process(BenchmarkWorkChain, bench).inputs.evaluate
    assert inputs.relax.job.parameters["steps"] == 7
    assert inputs.relax.job.parameters["calculator"] == "ase.calculators.lj:LennardJones"
    assert inputs.metrics.job.parameters["rocksalt"] == {}


def test_what_does_not_fit_the_family_is_refused(rocksalt_code, sets):
    def built(**more):
        overrides = {"metrics": {"parameters": more}}
        arguments = {"kind": "rocksalt", "protocol": "demo", "overrides": overrides}
        made = EvaluateWorkChain.get_builder_from_protocol(rocksalt_code, **sets, **arguments)
        return process(EvaluateWorkChain, made)

    with pytest.raises(BadInput, match=r"rocksalt\.cutof'; did you mean 'cutoff'"):
        built(rocksalt={"cutof": 3})
    with pytest.raises(ValueError, match=r"rocksalt\.cutoff: Input should be less than"):
        built(rocksalt={"cutoff": 30.0})
    with pytest.raises(BadInput, match="no family of structures 'rocksal' is registered; did you mean 'rocksalt'"):
        EvaluateWorkChain.get_builder_from_protocol(rocksalt_code, **sets, kind="rocksal", protocol="demo")
