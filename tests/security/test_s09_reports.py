"""S9: odd metrics of somebody's nodes are a report or one line."""

import pytest
from aiida import orm
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli import main


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def run(*arguments):
    return CliRunner().invoke(main, [str(item) for item in arguments])


def assert_text(output):
    lines = output.splitlines()
    assert all(line.isprintable() for line in lines), [line for line in lines if not line.isprintable()][:3]
    assert not any(line.strip().startswith("finished <7>") for line in lines)
    assert len(output) < 20_000


ODD = {
    "text": {"d_energy": "low", "n_analysed": "many", "kind": "interface"},
    "lists": {"d_energy": [1, 2], "n_generated": [3], "kind": ["interface"]},
    "halves": {"d_energy": {"value": 1.0, "lower": "x"}, "kind": "interface"},
    "objects": {"d_energy": {"value": {"a": 1}}, "motifs": {"Li": [{"label": 3}]}, "kind": "interface"},
    "motifs": {"d_energy": {"value": 1.0}, "motifs": "many"},
    "kind": {"kind": {"a": 1}},
    "nothing": {},
    "huge": {"d_energy": {"value": 1e308, "lower": -1e308, "upper": 1e308, "floor": 1e308}, "n_analysed": 2**62},
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("what", [(), ("--format", "json"), ("--format", "csv"), ("--html", "page.html")])
def test_s9_odd_metrics_are_a_report_or_one_line(graph, tmp_path, monkeypatch, name, what):
    monkeypatch.chdir(tmp_path)
    node = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "evaluate", "EvaluateWorkChain", {})
    handmade.finish(node, {"metrics": orm.Dict(ODD[name]).store()})
    result = run("report", node.pk, *what)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    lines = result.output.strip().splitlines()
    assert [line for line in lines if line.startswith("Error: ")] == lines[-1:] * bool(result.exit_code), result.output
    assert_text(result.output)
