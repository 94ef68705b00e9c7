"""S6: archives of others go into a profile of their own."""

import json
from pathlib import Path

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.manage.configuration import get_config
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli import main
from aiida_dismai.cli.archive.commands import write_archive
from aiida_dismai.data import StructureSetData


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


@pytest.fixture
def evil(graph, tmp_path):
    """An archive that would execute much if it were run again."""
    inputs = {
        "parameters": orm.Dict({"calculator": "os:system"}),
        "code": orm.PortableCode(label="inside", filepath_executable="run.sh", filepath_files=_program(tmp_path)),
    }
    node = handmade.process(orm.WorkChainNode, "stranger_module.work.Chain", "Chain", inputs)
    child = orm.CalcJobNode(process_type=handmade.CALCULATIONS + "relax")
    child.set_option("environment_variables", {"X": "$(touch y)"})
    child.base.links.add_incoming(node, LinkType.CALL_CALC, "job")
    child.store().seal()
    handmade.finish(node, {"train": StructureSetData(handmade.structures(2, 5)).store()})
    write_archive(node, tmp_path / "evil.aiida")
    return tmp_path / "evil.aiida"


def _program(folder):
    (folder / "files").mkdir()
    (folder / "files" / "run.sh").write_text("#!/bin/sh\ntouch executed\n")
    return folder / "files"


@pytest.mark.parametrize("damage", [False, True])
def test_s5_s6_archives_are_opened_in_a_profile_of_their_own(aiida_profile, evil, damage, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = get_config()
    before, default = orm.QueryBuilder().append(orm.Node).count(), config.default_profile_name
    name = f"stranger-{damage}"
    if damage:
        evil.write_bytes(evil.read_bytes()[:-500])
    result = CliRunner().invoke(main, ["archive", "open", str(evil), "--name", name])
    stored = json.loads(Path(config.filepath).read_text())
    assert orm.QueryBuilder().append(orm.Node).count() == before
    assert stored.get("default_profile") == default
    if damage:
        assert result.exit_code == 1
        assert len(result.output.strip().splitlines()) == 1
        assert name not in stored["profiles"]
        return
    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    table, _, rest = shown.partition("imported into the new profile")
    assert "os:system" in table
    assert "imports the Python module 'stranger_module.work'" in table
    assert "a program that is in the archive itself ('run.sh')" in table
    assert "environment_variables" in table
    assert "aiida-dismai -p stranger-False report" in rest
    assert name in stored["profiles"]
    again = CliRunner().invoke(main, ["archive", "open", str(evil), "--name", name])
    assert again.exit_code == 1
    assert "there is a profile" in again.output
