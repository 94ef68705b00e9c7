"""Files are written whole, and through no link of somebody else."""

import errno
import json
import os
import stat

import pytest

from aiida_dismai.engine import files
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.files import append_line, write_atomically, write_json, write_text


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


def test_s15_the_file_that_is_written_first_cannot_be_guessed(tmp_path):
    seen = []

    def write(handle):
        seen.extend(path.name for path in tmp_path.iterdir())
        handle.write(b"x")

    for _ in range(2):
        write_atomically(tmp_path / "a.npz", write)
    first, second = (name for name in seen if name.endswith(".tmp"))
    assert first != second
    assert str(os.getpid()) not in first.split(".")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_s15_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path, monkeypatch):
    names = iter(["guessed", "guessed", "other"])
    monkeypatch.setattr(files.secrets, "token_hex", lambda n: next(names))
    (tmp_path / "victim").write_text("precious")
    (tmp_path / ".a.json.guessed.tmp").symlink_to(tmp_path / "victim")
    write_json(tmp_path / "a.json", {"x": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}
    assert (tmp_path / "victim").read_text() == "precious"


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
