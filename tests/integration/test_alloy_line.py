"""Alloys in the protocol `demo`, nothing shortened: cluster expansion → data sets → CryinGAN → table."""

import json

import numpy as np
import pytest
from aiida.engine import run_get_node
from click.testing import CliRunner

from aiida_dismai.cli import main
from aiida_dismai.report.collect import collect
from aiida_dismai.report.families.alloy import datasets
from aiida_dismai.report.html import page
from aiida_dismai.workchains.benchmark import BenchmarkWorkChain
from aiida_dismai.workchains.dataset_alloy import AlloyDatasetWorkChain

pytestmark = pytest.mark.engine


def run(*arguments):
    result = CliRunner().invoke(main, [str(item) for item in arguments])
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.usefixtures("aiida_profile_clean")
def test_from_coefficients_to_the_table(dismai_code, tmp_path):
    builder = AlloyDatasetWorkChain.get_builder_from_protocol(dismai_code, 1, protocol="demo")
    outputs, made = run_get_node(builder)
    assert made.is_finished_ok, f"{made.exit_status} {made.exit_message}"
    data = outputs["datasets"]["T1500_narrow"]

    _check_report_of_the_data_sets(made)
    _check_names_on_the_command_line(made, data)

    builder = BenchmarkWorkChain.get_builder_from_protocol(
        dismai_code, data["train"], data["validation"], "cryingan", 1, kind="alloy", protocol="demo"
    )
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, f"{node.exit_status} {node.exit_message}"
    assert "relaxed" not in outputs
    summary = outputs["summary"].get_dict()
    assert summary["n_models"] == 2
    assert {"d_cluster", "vacancy_percent", "failed_percent"} <= set(summary["metrics"])
    for name, metrics in outputs["metrics"].items():
        content = metrics.get_dict()
        assert content["kind"] == "alloy"
        assert content["n_generated"] == len(outputs["generated"][name]) == 16
        training = data["train"].structures.values("formation_energy")
        assert content["formation_energy"]["training"]["mean"] == pytest.approx(training.mean(), abs=1e-6)
    assert node.inputs.generator.parameters["hyperparameters"]["translations"] == [2, 2, 2]
    assert outputs["generated"]["model_0"].content_hash != outputs["generated"]["model_1"].content_hash

    report = collect(node)
    assert [one.name for one in report.datasets[0].sets] == ["T1500_narrow"]
    code, text = run("report", node.pk)
    assert code == 0
    assert "metrics (alloy): mean over 2 models" in text
    assert "20 structures in the data set (1500)" in text
    assert "20 epochs of the generative model (1500)" in text

    # its result file is what a leaderboard takes, and its numbers come out of the structures again
    words = ("--dataset", "T1500_narrow", "--author", "Ada Lovelace")
    assert run("leaderboard", "add", node.pk, tmp_path / "board", *words)[0] == 0
    (written,) = (tmp_path / "board" / "results").rglob("result.json")
    own = json.loads(outputs["result"].get_content())
    assert json.loads(written.read_text())["models"] == own["models"]
    code, text = run("leaderboard", "verify", tmp_path / "board")
    assert (code, "verified" in text) == (0, True)


def _check_report_of_the_data_sets(made):
    report = collect(made)
    names = ["T300_narrow", "T300_wide", "T1500_narrow", "T1500_wide"]
    sets = report.datasets[0].sets
    assert [one.name for one in sets] == names
    code, text = run("report", made.pk)
    assert code == 0
    for name in names:
        assert name in text
    drawn = datasets.draw_energies(sets)
    assert [trace.name for trace in drawn.data] == [f"{name.replace('_', ' ')} (20)" for name in names]
    figures = datasets.draw_orders(sets)
    assert [figure.layout.title.text for figure in figures] == ["Short-range order, T300", "Short-range order, T1500"]
    for figure, temperature in zip(figures, ("T300", "T1500"), strict=True):
        assert len(figure.data) == 2 * 12
        # all structures of a set are in each of its panels
        for trace in figure.data:
            assert np.sum(trace.y[::2]) == pytest.approx(100.0)
            assert temperature in trace.name
    titles = [note.text for note in figures[0].layout.annotations]
    assert titles == [f"{pair}, shell {shell}" for shell in (1, 2) for pair in sets[0].summary["pairs"]]
    html = page(report)
    assert "Data sets in numbers" in html
    assert "structures: T300_wide" in html


def _check_names_on_the_command_line(made, data):
    code, text = run("dataset", "show", f"{made.pk}:T1500_narrow")
    assert code == 0
    assert f"StructureSetData<{data['dataset'].pk}>" in text
    code, text = run("dataset", "show", made.pk)
    assert code == 1
    assert f"say which, {made.pk}:NAME: T1500_narrow, T1500_wide, T300_narrow, T300_wide" in text
    assert "has no data set 'T30_wide'" in run("dataset", "show", f"{made.pk}:T30_wide")[1]
    common = ("--code", "dismai@localhost", "--protocol", "demo", "--dry-run")
    launched = ("launch", "benchmark", "--dataset", f"{made.pk}:T1500_narrow", "--model", "cryingan", "--seed", 1)
    code, text = run(*launched, *common)
    assert code == 0
    assert f"train: StructureSetData<{data['train'].pk}>" in text
    assert "kind: alloy" in text
    assert "translations: - 2 - 2 - 2" in text
    code, text = run("launch", "alloys", "--seed", 2, *common)
    assert code == 0
    assert "temperatures: - 300 - 1500" in text
    assert "process: dismai.dataset.alloy" in text
