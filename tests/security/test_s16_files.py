"""Files are written whole, and through no link of somebody else."""

import errno
import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from aiida import orm
from support import handmade

from aiida_dismai.cli.archive.commands import write_archive
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.files import append_line, write_atomically, write_json, write_text
from aiida_dismai.engine.structures import write_npz


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664, 0o444])
def test_s16_the_permissions_of_a_file_are_kept(tmp_path, kept):
    path = tmp_path / "report.html"
    path.write_text("old")
    path.chmod(kept)
    write_text(path, "new")
    assert (path.read_text(), mode(path)) == ("new", kept)


@pytest.mark.usefixtures("umask")
def test_s16_a_new_file_has_the_usual_permissions(tmp_path):
    write_text(tmp_path / "report.html", "new")
    assert mode(tmp_path / "report.html") == 0o644


@pytest.mark.parametrize("there", [True, False])
def test_s16_an_output_that_is_a_link_is_replaced(tmp_path, there):
    if there:
        (tmp_path / "victim").write_text("precious")
    (tmp_path / "report.html").symlink_to(tmp_path / "victim")
    write_text(tmp_path / "report.html", "new")
    assert not (tmp_path / "report.html").is_symlink()
    assert (tmp_path / "report.html").read_text() == "new"
    assert (tmp_path / "victim").read_text() == "precious" if there else not (tmp_path / "victim").exists()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_text("old")

    def write(handle):
        handle.write(b"half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_atomically(tmp_path / "a", write)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_a_device_is_written_to_and_stays_one():
    write_text("/dev/null", "new")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("name", ["missing/report.html", "file/report.html", "folder"])
def test_a_place_that_is_none_is_bad_input(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match=f"{name}: cannot be written"):
        write_text(tmp_path / name, "x")


def test_s16_lines_are_not_appended_through_a_link(tmp_path):
    append_line(tmp_path / "progress.jsonl", "one")
    append_line(tmp_path / "progress.jsonl", "two")
    assert (tmp_path / "progress.jsonl").read_text() == "one\ntwo\n"
    (tmp_path / "linked.jsonl").symlink_to(tmp_path / "progress.jsonl")
    with pytest.raises(BadInput, match=r"linked.jsonl: a symbolic link"):
        append_line(tmp_path / "linked.jsonl", "three")
    with pytest.raises(OSError, match=os.strerror(errno.EISDIR)):
        append_line(tmp_path, "three")


def test_characters_that_no_database_holds_are_written_as_escapes(tmp_path):
    write_json(tmp_path / "a.json", {"na\udcffme": "nul\0é", "plain": [float("nan"), 1]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"na\\udcffme": "nul\\x00é", "plain": [None, 1]}


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def test_s16_an_archive_keeps_its_permissions_and_goes_through_no_link(graph, tmp_path):
    node = orm.Int(5).store()
    (tmp_path / "a.aiida").write_text("old")
    (tmp_path / "a.aiida").chmod(0o600)
    write_archive(node, tmp_path / "a.aiida")
    assert stat.S_IMODE((tmp_path / "a.aiida").stat().st_mode) == 0o600
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "b.aiida").symlink_to(tmp_path / "victim")
    write_archive(node, tmp_path / "b.aiida")
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "b.aiida").is_symlink()
    assert {item.name for item in tmp_path.iterdir()} == {"a.aiida", "b.aiida", "victim"}


@pytest.mark.engine
def test_s16_checkpoints_and_results_are_as_private_as_the_user_says(tmp_path, copper):
    """What a task writes on the way and in the end, with a mask that lets nobody else read."""
    write_npz(copper(2), tmp_path / "input.npz")
    task = {"task": "relax", "inputs": {"structures": "input.npz"}}
    task |= {"parameters": {"calculator": "ase.calculators.emt:EMT", "steps": 2}}
    (tmp_path / "task.json").write_text(json.dumps(task))
    program = Path(sys.executable).parent / "dismai"
    command = f"umask 077 && exec {shlex.quote(str(program))} run task.json"
    run = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    written = [path for path in tmp_path.rglob("*") if path.name not in ("input.npz", "task.json")]
    assert {"results.json", "structures.npz", "progress.jsonl", "pieces.bin"} <= {path.name for path in written}
    assert [path.name for path in written if path.stat().st_mode & 0o077] == []
