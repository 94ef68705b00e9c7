"""Two checkpoints are kept: a damaged one costs the time since the one before it, and is said."""

import errno
import json
import os
from types import SimpleNamespace

import pytest
import torch

from aiida_dismai.engine import checkpoint as module
from aiida_dismai.engine.checkpoint import load_checkpoint, load_newest, previous, save_checkpoint
from aiida_dismai.engine.errors import BadInput, BadWeights
from aiida_dismai.engine.ownership import Owner
from aiida_dismai.engine.store import Store

pytestmark = pytest.mark.engine


@pytest.fixture
def saved(tmp_path):
    """Two checkpoints, of epochs 1 and 2."""
    path = tmp_path / "training.safetensors"
    for epoch in (1, 2):
        save_checkpoint(path, {"epoch": epoch, "network": {"w": torch.full((64,), float(epoch)), "n": torch.tensor(3)}})
    return path


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def flip(path):
    """Change one bit of a number, which the format itself does not notice."""
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def pickled(path):
    path.write_bytes(b"\x80\x04\x95" + bytes(60))


def test_the_newest_is_read_and_the_one_before_kept(saved):
    lines = []
    assert load_newest(saved, lines.append)["epoch"] == 2
    assert load_checkpoint(previous(saved))["epoch"] == 1
    assert lines == []


@pytest.mark.parametrize("damage", [cut, flip, empty, pickled])
def test_a_damaged_one_is_passed_over_with_a_warning(saved, damage):
    damage(saved)
    lines = []
    state = load_newest(saved, lines.append)
    assert state["epoch"] == 1
    assert torch.equal(state["network"]["w"], torch.ones(64))
    assert len(lines) == 1
    assert str(saved) in lines[0]
    assert lines[0].endswith("resumed from the checkpoint before it")


@pytest.mark.parametrize("damage", [cut, flip, empty, pickled])
def test_two_damaged_ones_are_a_new_beginning(saved, damage):
    damage(saved)
    damage(previous(saved))
    lines = []
    assert load_newest(saved, lines.append) is None
    assert len(lines) == 2
    assert all(line.endswith("restarted from the beginning") for line in lines)


def test_a_changed_bit_is_a_damaged_checkpoint(saved):
    flip(saved)
    with pytest.raises(BadWeights, match="damaged checkpoint"):
        load_checkpoint(saved)


def test_nothing_is_no_checkpoint(tmp_path):
    assert load_newest(tmp_path / "training.safetensors", pytest.fail) is None


def test_a_kill_between_the_two_names_leaves_the_one_before(saved):
    saved.unlink()
    assert load_newest(saved, pytest.fail)["epoch"] == 1


def test_without_hard_links_the_one_before_is_kept_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(module.os, "link", refuse)
    path = tmp_path / "training.safetensors"
    for epoch in (1, 2, 3):
        save_checkpoint(path, {"epoch": epoch})
    assert [load_checkpoint(one)["epoch"] for one in (path, previous(path))] == [3, 2]


def test_a_full_disk_leaves_both(saved, monkeypatch):
    def full(path, write):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(saved, {"epoch": 3})
    assert load_newest(saved, pytest.fail)["epoch"] == 2


# ---------------------------------------------------------------------- stores of finished pieces
def test_a_store_that_is_damaged_at_its_beginning_is_set_aside(tmp_path):
    owner = Owner({"task": "relax"})
    store = Store.in_folder(tmp_path, owner)
    store.add(0, b"first")
    content = store.path.read_bytes()
    store.path.write_bytes(b"\0" * 8 + content[8:])
    lines = []
    again = Store.in_folder(tmp_path, owner, warn=lines.append)
    assert 0 not in again
    assert len(lines) == 1
    assert "starts from the beginning" in lines[0]
    again.add(0, b"second")
    assert Store.in_folder(tmp_path, owner, warn=pytest.fail).read(0) == b"second"
    assert (tmp_path / ".pieces.bin.damaged").stat().st_size == len(content)


def test_a_store_of_another_run_is_not_taken_for_damaged(tmp_path):
    Store.in_folder(tmp_path, Owner({"task": "relax", "seed": 1})).add(0, b"first")
    with pytest.raises(BadInput, match="seed"):
        Store.in_folder(tmp_path, Owner({"task": "relax", "seed": 2}))


# ---------------------------------------------------------------------- what the results say
@pytest.fixture
def task(monkeypatch, tmp_path):
    """Return a function that runs a task which does what it is told, and returns its results and its lines."""
    from aiida_dismai.engine import runner
    from aiida_dismai.engine.context import Context

    def run(function):
        context = Context(tmp_path)
        monkeypatch.setattr(
            runner, "read_task", lambda path: (SimpleNamespace(name="x", load=lambda: function), context, None)
        )
        lines = []
        status = runner.run_task(tmp_path / "task.json", lines.append)
        record = tmp_path / "results.json"
        return status, json.loads(record.read_text()) if record.is_file() else None, lines

    return run


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_has_its_own_kind(task, number):
    def work(context, parameters):
        context.warn("a checkpoint was damaged")
        raise OSError(number, os.strerror(number), "pieces.bin")

    status, record, _ = task(work)
    assert status == 1
    assert record["error"]["kind"] == "disk_full"
    assert "pieces.bin" in record["error"]["message"]
    assert record["warnings"] == ["a checkpoint was damaged"]


def test_results_that_cannot_be_written_are_one_line(task, monkeypatch):
    from aiida_dismai.engine import runner

    def full(path, record):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(runner, "write_json", full)
    status, record, lines = task(lambda context, parameters: {"n": 1})
    assert (status, record) == (1, None)
    assert lines == ["dismai: results.json cannot be written: No space left on device"]
