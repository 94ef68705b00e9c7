"""Alloy data sets: what the whole line gives, every exit code, and what is refused before anything runs."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from aiida import orm
from aiida.engine import run_get_node
from support.children import ended, process

from aiida_dismai.data import ClusterExpansionData
from aiida_dismai.engine.alloys.energies import evaluate
from aiida_dismai.engine.alloys.expansion import packaged_expansion, packaged_file
from aiida_dismai.engine.alloys.monte_carlo.parameters import SampleParameters
from aiida_dismai.engine.tasks import find_task
from aiida_dismai.workchains.dataset_alloy import AlloyDatasetWorkChain, sample_parameters, temperature_label

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
PROTOCOLS = ("paper", "moderate", "demo")
SMALL = {
    "sample": {"passes": 1500, "burn_in": 500, "runs": 3},
    "selections": {"narrow": {"width": 0.3, "pairs": ["Cr-Fe", "Fe-Fe"]}},
    "n_structures": 10,
}


@pytest.fixture
def builder(dismai_code):
    """Return a factory of builders of the demo, smaller."""

    def make(overrides=None, **more):
        return AlloyDatasetWorkChain.get_builder_from_protocol(
            dismai_code, 3, protocol="demo", overrides=SMALL | (overrides or {}), **more
        )

    return make


def built(builder):
    return process(AlloyDatasetWorkChain, builder)


def refused(make):
    """Return what is said against the inputs, by a port of the builder or by the process."""
    with pytest.raises(ValueError) as caught:
        built(make())
    return str(caught.value)


def test_four_data_sets_of_one_run(builder):
    outputs, node = run_get_node(builder())
    assert node.is_finished_ok, f"{node.exit_status} {node.exit_message}"
    assert set(outputs["samplings"]) == {"T300", "T1500"}
    sets = outputs["datasets"]
    assert set(sets) == {"T300_wide", "T300_narrow", "T1500_wide", "T1500_narrow"}
    expansion = packaged_expansion()
    for name, parts in sets.items():
        summary = parts["summary"].get_dict()
        structures = parts["dataset"].structures
        assert len(structures) == summary["kept"] == 10
        assert (structures.numbers.reshape(10, 32) == [24] * 6 + [26] * 20 + [28] * 6).all()
        found = evaluate(structures, expansion)
        np.testing.assert_allclose(structures.values("formation_energy"), found.formation_energy, atol=1e-12)
        np.testing.assert_allclose(structures.values("sro"), found.sro, atol=1e-9)
        assert summary["formation_energy"]["mean"] == pytest.approx(found.formation_energy.mean())
        deviation = np.abs(found.sro - np.array(summary["average_sro"]))[:, :2, [1, 3]].max(axis=(1, 2))
        if name.endswith("narrow"):
            assert (deviation <= 0.3 + 1e-9).all()
            assert summary["passed"] <= summary["distinct"]
        order = np.lexsort((structures.values("pass"), structures.values("run")))
        np.testing.assert_array_equal(order, np.arange(10))
        split = parts["split"].get_dict()
        assert (len(parts["train"]), len(parts["validation"])) == (8, 2)
        assert parts["train"].structures == structures[split["train"]]
        assert np.bincount(structures.values("run")).tolist() == summary["structures_of_runs"]
    assert sets["T1500_narrow"]["summary"]["passed"] < sets["T1500_narrow"]["summary"]["distinct"]
    # the sampling itself has stored no structures, and each part has a seed of its own
    jobs = [child for child in node.called_descendants if child.process_label == "SampleAlloyCalculation"]
    assert [len(job.outputs.structures) for job in jobs] == [0, 0]
    assert jobs[0].inputs.seed.value != jobs[1].inputs.seed.value
    seeds = [child.inputs.seed.value for child in node.called_descendants if "seed" in child.inputs]
    assert len(set(seeds)) == len(seeds) - 2  # the job has that of its WorkChain


def test_a_filter_that_nothing_passes_says_how_near_it_came(builder):
    overrides = {"temperatures": [1500], "selections": {"narrow": {"width": 1e-6}}}
    outputs, node = run_get_node(builder(overrides))
    assert node.exit_status == AlloyDatasetWorkChain.exit_codes.ERROR_TOO_FEW.status
    summary = outputs["datasets"]["T1500_narrow"]["summary"].get_dict()
    assert f"1 of 2 data sets have too few structures: T1500_narrow: 0 of 10 structures; {summary['looked_at']} " in (
        node.exit_message
    )
    assert "0 within ±1e-06 of the average order" in node.exit_message
    assert f"the nearest deviates by {summary['nearest_deviation']:.3g}" in node.exit_message
    assert f"the width {summary['width_needed']:.3g} would do" in node.exit_message
    assert "dataset" not in outputs["datasets"]["T1500_narrow"]
    assert len(outputs["datasets"]["T1500_wide"]["train"]) == 8


def test_snapshots_that_are_too_near_each_other_are_too_few(builder):
    overrides = {"temperatures": [1500], "selections": {"narrow": None, "wide": {"spacing": 400}}}
    _, node = run_get_node(builder(overrides))
    assert node.exit_status == AlloyDatasetWorkChain.exit_codes.ERROR_TOO_FEW.status
    assert "T1500_wide: 9 of 10 structures; 300 snapshots looked at, " in node.exit_message
    assert "9 of them 400 passes apart; take more runs or passes" in node.exit_message


def test_a_sampling_that_failed(builder):
    chain = built(builder())
    chain.ctx.sample_T300 = ended(999, "fell over")
    chain.ctx.sample_T1500 = ended(outputs={"results": orm.Dict({"warnings": []})})
    result = chain.inspect_samplings()
    assert result.status == AlloyDatasetWorkChain.exit_codes.ERROR_SAMPLING.status
    assert result.message == "1 of 2 samplings failed: T300: fell over"
    assert set(chain.outputs["samplings"]) == {"T1500"}


def test_an_expansion_of_ones_own_is_what_is_sampled(builder):
    node = ClusterExpansionData(packaged_file())
    chain = built(builder(expansion=node))
    submitted = []
    chain.submit = lambda process, **inputs: submitted.append(inputs) or ended()
    chain.run_samplings()
    assert [inputs["expansion"].uuid for inputs in submitted] == [node.uuid] * 2
    assert [inputs["parameters"]["temperature"] for inputs in submitted] == [300, 1500]


def test_names_of_temperatures():
    assert [temperature_label(value) for value in (300, 300.0, 77.5, 1e-7)] == ["T300", "T300", "T77_5", "T1em07"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"temperatures": [300, -5]}, "temperature: Input should be greater than 0"),
        ({"temperatures": []}, "temperatures: give at least one"),
        ({"temperatures": [300, 300.0]}, "each only once"),
        ({"temperatures": ["hot"]}, "'hot' is not a number"),
        ({"sample": {"composition": {"Fe": 30, "Cr": 1}}}, "do not fit the supercell's 32 sites"),
        ({"sample": {"composition": {"Fe": 31, "Mn": 1}}}, "no species 'Mn'"),
        ({"sample": {"temperature": 300}}, "'temperature' has an input of its own"),
        ({"sample": {"pases": 300}}, "did you mean 'passes'"),
        ({"selections": {"wide": None, "narrow": None}}, "selections: name at least one"),
        ({"selections": {"narrow": {"width": -0.1}}}, "selections: narrow: width: Input should be greater than 0"),
        ({"selections": {"narrow": {"wdth": 0.1}}}, "did you mean 'width'"),
        ({"selections": {"a b": {}}}, "'a b' becomes part of the name of an output"),
        ({"selections": {"far": {"shells": [8]}}}, "selections: far: shells: there is no shell 8"),
        ({"selections": {"far": {"pairs": ["Fe-Mn"]}}}, "no pair 'Fe-Mn'"),
        ({"n_structures": 5000}, "n_structures: 5000 of only 2000 snapshots"),
        ({"n_structures": 1}, "a single structure cannot be split"),
        ({"n_structures": 0}, "must be at least 1"),
        ({"validation_share": 1.0}, "must be at least 0 and below 1"),
    ],
)
def test_what_would_fail_late_is_refused(builder, dismai_code, overrides, message):
    make = AlloyDatasetWorkChain.get_builder_from_protocol
    assert message in refused(lambda: make(dismai_code, 3, protocol="demo", overrides=overrides))


def test_the_overrides_of_the_how_to_are_valid(dismai_code):
    page = (Path(__file__).parents[2] / "docs" / "howto" / "alloys.md").read_text()
    overrides = yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    make = AlloyDatasetWorkChain.get_builder_from_protocol
    chain = built(make(dismai_code, 1, protocol="paper", overrides=overrides))
    assert set(chain.inputs.selections.get_dict()) == {"narrow", "sparse"}


def test_an_expansion_given_twice(builder):
    made = builder(expansion=ClusterExpansionData(packaged_file()))
    made.parameters = orm.Dict({"expansion": packaged_file().model_dump()})
    assert "'expansion' has an input of its own" in refused(lambda: made)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocols_are_valid(dismai_code, protocol):
    chain = built(AlloyDatasetWorkChain.get_builder_from_protocol(dismai_code, 1, protocol=protocol))
    for temperature in chain.inputs.temperatures.get_list():
        find_task("alloys.sample").validate(sample_parameters(chain.inputs.parameters.get_dict(), temperature))
    assert AlloyDatasetWorkChain.get_available_protocols()[protocol]


def test_numbers_of_the_paper():
    inputs = AlloyDatasetWorkChain.get_protocol_inputs("paper")
    assert inputs["temperatures"] == [300, 1500]
    assert (inputs["n_structures"], inputs["validation_share"]) == (1500, 0.2)
    assert inputs["selections"] == {"wide": {}, "narrow": {"width": 0.1, "shells": [1, 2]}}
    sample = SampleParameters(**sample_parameters(inputs["sample"], 300))
    assert (sample.runs, sample.passes, sample.snapshot_interval) == (10, 50000, 10)
    assert sample.composition == {"Cr": 51, "Fe": 154, "Ni": 51}
