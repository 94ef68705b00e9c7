"""Names, messages and numbers of strangers' nodes at the terminal: text, in one line, or a refusal (S9 to S11)."""

import json

import numpy as np
import pytest
from aiida import orm
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli import main
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import Property
from aiida_dismai.report import export

EVIL = "[red]x[/blue]\x1b[2J\x1b]0;owned\x07\x9b1m\u202egnp\nfinished <7>\r" + 50_000 * "y"


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


@pytest.mark.parametrize("command", [("status",), ("status", "--all"), ("report",)])
def test_s10_s11_processes(graph, command):
    kind = handmade.WORKFLOWS + "dataset.interface"
    node = handmade.process(orm.WorkChainNode, kind, EVIL, {"slab_a": graph.crystals[0]})
    record = {"task": "relax", "error": {"kind": "x", "message": EVIL}, "versions": {EVIL: EVIL}, "device": EVIL}
    handmade.process(
        orm.CalcJobNode,
        handmade.CALCULATIONS + "relax",
        EVIL,
        {"code": graph.code},
        {"results": orm.Dict(record)},
        caller=node,
        call="relax",
        exit_status=360,
        message=EVIL,
    )
    dataset = StructureSetData(handmade.structures(2, 6)).store()
    handmade.finish(node, {"dataset": dataset}, 401, EVIL)
    result = run(*command, node.pk)
    assert result.exit_code in (0, 1), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "[red]x[/blue]" in result.output
    assert_text(result.output)


def test_s10_s11_data_sets(graph):
    values = {"name": Property(np.array(["a", "b"]), "structure", "eV\x1b[2J")}
    node = StructureSetData(handmade.structures(2, 6).with_properties(values))
    node.label = EVIL[:200]
    node.store()
    result = run("dataset", "show", node.pk)
    assert result.exit_code == 0, result.output
    assert r"eV\x1b[2J" in result.output
    assert "[red]x[/blue]" in result.output
    assert_text(result.output)


def test_s10_errors_name_files_and_nodes_as_text(tmp_path):
    path = tmp_path / "a\x1b[2J\n[red].extxyz"
    path.write_text("no structures")
    result = run("dataset", "import", path)
    assert result.exit_code == 1
    assert_text(result.output)
    assert len(result.output.strip().splitlines()) == 1
    result = run("report", "\x1b[2J")
    assert result.exit_code == 1
    assert_text(result.output)


def test_s10_json_has_nothing_that_a_terminal_obeys(monkeypatch):
    monkeypatch.setattr(export, "to_dict", lambda report: {"é": "\x1b[2J\x9b1m\u202e\x7f硅"})
    text = export.to_json(None)
    assert text.replace("\n", "").isprintable()
    assert "硅" in text
    assert json.loads(text) == {"é": "\x1b[2J\x9b1m\u202e\x7f硅"}
