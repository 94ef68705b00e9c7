"""S11: markup of rich in names is text."""

import shutil

import pytest
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli import main
from aiida_dismai.cli.archive.commands import write_archive


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def archive(graph, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "pipeline.aiida"
    write_archive(graph.pipeline, path)
    return path


def test_s10_names_of_archives_are_text(archive, tmp_path):
    path = tmp_path / "[bold]x[red]\x1b[2J.aiida"
    shutil.copy(archive, path)
    result = CliRunner().invoke(main, ["archive", "check", str(path)])
    assert result.exit_code == 0, result.output
    assert r"[bold]x[red]\x1b[2J.aiida" in result.output.replace("\n", "")
    path.write_bytes(b"no archive")
    result = CliRunner().invoke(main, ["archive", "check", str(path)])
    assert "\x1b" not in result.output
    assert r"x[red]\x1b[2J.aiida: not an AiiDA archive" in result.output
