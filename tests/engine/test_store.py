"""Finished pieces on disk: kills, damage, other runs, files of earlier versions."""

import struct

import numpy as np
import pytest

from aiida_dismai.engine.cadence import Cadence
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.ownership import Owner
from aiida_dismai.engine.store import PIECES, Store, join

OWNER = Owner({"task": "t", "seed": 1})


def filled(path, *keys, owner=OWNER):
    store = Store(path, owner)
    for key in keys:
        store.put(key, values=np.arange(3.0) + key, steps=key, failure=f"why {key}")
    return store


def test_pieces_come_back_as_they_were_and_the_last_of_a_key_counts(tmp_path):
    store = filled(tmp_path / "s", 0, 1)
    store.put(0, values=np.zeros(1), steps=9, failure="")
    store.add("text", b"content", 3)
    again = Store(tmp_path / "s", OWNER)
    assert 1 in again
    assert 2 not in again
    found = again.get(1)
    assert found["values"].tolist() == [1.0, 2.0, 3.0]
    assert (found["steps"], found["failure"]) == (1, "why 1")
    assert again.get(0)["steps"] == 9
    assert (again.mark("text"), again.read("text")) == (3, b"content")


def test_every_cut_leaves_the_pieces_before_it_and_is_written_over(tmp_path):
    path = tmp_path / "s"
    filled(path, 0)
    first = path.stat().st_size
    filled(path, 1)
    whole = path.read_bytes()
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        assert list(filled(path).index) == [b"0".ljust(32, b"\0")]
    filled(path, 1)
    assert path.read_bytes() == whole


def test_a_damaged_piece_alone_is_made_again(tmp_path):
    path = tmp_path / "s"
    filled(path, 0)
    first = path.stat().st_size
    filled(path, 1)
    second = path.stat().st_size
    filled(path, 2)
    content = bytearray(path.read_bytes())
    content[(first + second) // 2] ^= 1
    path.write_bytes(content)
    store = Store(path, OWNER)
    assert [key in store for key in (0, 1, 2)] == [True, False, True]
    filled(path, 1)
    assert [Store(path, OWNER).get(key)["steps"] for key in (0, 1, 2)] == [0, 1, 2]


def test_pieces_of_another_run_are_refused_by_name_but_a_name_alone_is_free(tmp_path):
    path = tmp_path / "s"
    path.write_text('{"seed": 2, "task": "t"}\n')
    assert 0 in filled(path, 0)
    with pytest.raises(BadInput, match=r"checkpoint of another run \(seed differs\)"):
        Store(path, Owner({"task": "t", "seed": 2}))
    path.write_bytes(b"\x93NUMPY\n" + path.read_bytes())
    with pytest.raises(BadInput, match="damaged; remove it"):
        Store(path, OWNER)


def test_a_folder_of_an_earlier_version_is_refused(tmp_path):
    (tmp_path / "train.safetensors").write_bytes(b"")
    filled(Store.in_folder(tmp_path, OWNER, ["train.safetensors"]).path, 0)
    assert 0 in Store.in_folder(tmp_path, OWNER)
    (tmp_path / PIECES).unlink()
    with pytest.raises(BadInput, match=r"of an earlier version \(train.safetensors\); remove it"):
        Store.in_folder(tmp_path, OWNER)


def test_pieces_of_earlier_versions_have_no_checksum_and_join_with_others(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    filled(new, 1)
    line = new.read_bytes().split(b"\n")[0] + b"\n"
    old.write_bytes(line + struct.pack("<32sBI", b"a" * 32, 1, 3) + b"abc")
    join([old, new], tmp_path / "both")
    store = Store(tmp_path / "both", OWNER)
    assert (store.mark(b"a" * 32), store.read(b"a" * 32), store.get(1)["steps"]) == (1, b"abc", 1)
    filled(tmp_path / "other", 1, owner=Owner({"task": "t", "seed": 3}))
    with pytest.raises(BadInput, match="other: differs"):
        join([old, tmp_path / "other"], tmp_path / "no")
    third = filled(tmp_path / "third", 1)
    assert (third.absorb(store), third.absorb(store)) == (1, 0)
    assert Store(third.path, OWNER).read(b"a" * 32) == b"abc"


def test_when_a_run_saves_and_reports(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    cadence = Cadence(save_seconds=300, report_seconds=5)
    assert (cadence.save(), cadence.report()) == (False, True)
    now[0] += 299
    assert (cadence.save(), cadence.report(), cadence.report()) == (False, True, False)
    assert cadence.save(due=True)
    now[0] += 300
    assert (cadence.save(), cadence.save()) == (True, False)
    assert cadence.seconds() == 599
    assert Cadence(save_seconds=0).save()
