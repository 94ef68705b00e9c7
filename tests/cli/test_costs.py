"""What a dry run says of the cost: jobs, core hours and bytes by stage, from the table of rates."""

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli import main
from aiida_dismai.cli.costs import Cost, _passes, _scaled, cost_lines, rates, total
from aiida_dismai.cli.small import small_nodes
from aiida_dismai.engine.generators.registry import registered
from aiida_dismai.engine.small.catalogue import find
from aiida_dismai.engine.structures import write_npz


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def dry(*arguments):
    words = ("launch", *arguments, "--code", "dismai@localhost", "--dry-run")
    result = CliRunner().invoke(main, [str(item) for item in words])
    assert result.exit_code == 0, result.output
    rows = [line.removeprefix("# ").split("  ") for line in result.output.splitlines() if line.startswith("# ")]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {row[0]: row[1:] for row in rows if len(row) == 5}, result.output


def test_a_study_of_a_shipped_data_set_by_stage(graph):
    given = ("--dataset", "cold=small:alloy_300K", "--model", "cdvae", "--seed", 1, "--seed", 2, "--protocol", "small")
    rows, output = dry("study", *given)
    assert list(rows) == ["stage", "train", "sample", "metrics", "in all"]
    assert rows["train"][0] == "6"  # cdvae, random and resample with two seeds
    assert rows["metrics"][0] == str(6 * (1 + 3))  # of the sets only the 600 training structures are more than a chunk
    assert int(rows["in all"][0]) == sum(int(rows[stage][0]) for stage in ("train", "sample", "metrics"))
    # two trainings of 28 epochs of 600 structures of 32 atoms, by the rate of 264 atoms and 128 channels
    hours = 2 * 28 * 600 * 1.01 * (32 / 264) * (48 / 128) ** 1.4 / 3600
    assert float(rows["train"][1]) == pytest.approx(hours, rel=0.1)
    inputs = yaml.safe_load(output)["inputs"]
    assert inputs["datasets"]["cold"]["overrides"]["evaluate"]["metrics"]["parameters"] == {"alloy": {"max_removed": 6}}


def test_a_comparison_with_relaxations(graph, tmp_path):
    given = graph.outputs["train"].structures
    regions = np.zeros(len(given.numbers), dtype=np.uint8)
    write_npz(given.with_property("region", regions, "atom"), tmp_path / "faces.npz")
    sets = ("--reference", tmp_path / "faces.npz", "--structures", tmp_path / "faces.npz")
    rows, _ = dry("compare", *sets, "--potential", graph.pipeline.pk)
    assert list(rows) == ["stage", "relax", "compare", "in all"]
    assert rows["relax"][0] == "2"
    assert rows["relax"][2] == "–"


def test_a_workflow_that_nothing_is_known_of_says_nothing(graph):
    rows, output = dry("alloys", "--seed", 1, "--protocol", "demo")
    assert rows == {}
    assert "cost" not in output


def test_every_model_of_the_project_has_a_rate_whose_names_it_knows():
    from aiida_dismai.engine.generators.registry import parameter_model

    for name, rate in rates()["generators"].items():
        known = parameter_model(registered()[name]).model_fields
        assert {*rate["size"], *rate["steps"]} <= set(known)
    assert set(registered()) <= set(rates()["generators"]) | {"own", "foreign"}


def test_the_rate_at_the_measured_size_is_the_measured_one():
    hyper = {"decoder_channels": 128, "noise_levels": 50, "langevin_steps": 100}
    rate = rates()["generators"]["cdvae"]
    assert _scaled(rate, "train", 264, hyper) == pytest.approx(1.01)
    assert _scaled(rate, "sample", 264, hyper) == pytest.approx(1620)
    assert _scaled(rate, "sample", 132, hyper | {"langevin_steps": 50}) == pytest.approx(1620 / 4)


def test_passes_count_steps_or_epochs_with_their_translations():
    assert _passes({"steps": 100, "batch_size": 8, "accumulate": 2}, 600) == 1600
    assert _passes({"epochs": 10, "batch_size": 32}, 600) == 6000
    assert _passes({"epochs": 10, "translations": (2, 2, 2)}, 600) == 48000


def test_what_is_not_known_makes_the_sum_unknown_and_no_table_is_made_of_nothing():
    costs = total([{"train": Cost(1, 7200.0, 1e6)}, {"DFT": Cost(3, None, 0)}, {"train": Cost(1, 3600.0, 0)}])
    assert costs["train"] == Cost(2, 10800.0, 1e6)
    text = cost_lines(costs)
    assert text[2].split() == ["train", "2", "3", "–", "1", "MB"]
    assert "not known" in text[3]
    assert "not known" in text[4]
    assert cost_lines({}) == []


def test_the_nodes_of_a_shipped_set_are_made_once(graph):
    first = small_nodes(find("alloy_300K"))
    again = small_nodes(find("alloy_300K_wide"))
    assert first["train"].pk == again["train"].pk
    assert first["train"].label == "small:alloy_300K_wide.train"
    result = CliRunner().invoke(main, ["dataset", "small", "alloy_300K", "alloy_1500K_narrow"])
    assert result.exit_code == 0, result.output
    assert f"600 <{first['train'].pk}>" in result.output
    assert small_nodes(find("alloy_1500K_narrow"))["validation"].content_hash
    refused = CliRunner().invoke(main, ["dataset", "small", "alloy_3"])
    assert refused.exit_code == 1
    assert "may be alloy_300K_wide, alloy_300K_narrow" in " ".join(refused.output.split())


def test_a_benchmark_takes_a_shipped_set_by_name(graph):
    given = ("--dataset", "small:alloy_1500K_narrow", "--model", "cryingan", "--seed", 1, "--protocol", "small")
    rows, output = dry("benchmark", *given)
    inputs = yaml.safe_load(output)["inputs"]
    assert inputs["evaluate"]["metrics"]["job"]["parameters"]["kind"] == "alloy"
    assert inputs["evaluate"]["metrics"]["job"]["parameters"]["alloy"] == {"max_removed": 6}
    assert inputs["generator"]["parameters"]["hyperparameters"]["translations"] == [2, 2, 2]
    assert "relax" not in rows
