"""Records survive kills, and are never those of something else."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_dismai.engine.errors import BadInput, NotAnalysed
from aiida_dismai.engine.metrics.records import RecordFile, Records, StoredRecords, open_records
from aiida_dismai.engine.store import join

DTYPE = np.dtype([("x", "<f8", (3,)), ("n", "<i4")])
ABOUT = {"kind": "test", "version": 1}


def record(x: float, n: int) -> bytes:
    item = np.zeros((), DTYPE)
    item["x"], item["n"] = x, n
    return item.tobytes()


def key(i: int) -> bytes:
    return i.to_bytes(32, "big")


def filled(path, *numbers: int, about=ABOUT) -> RecordFile:
    file = RecordFile(path, about)
    for i in numbers:
        file.keep(key(i), NotAnalysed(f"reason ü {i}") if i % 5 == 4 else record(i / 2, i))
    return file


def test_records_come_back_in_the_order_asked_for(tmp_path):
    filled(tmp_path / "r.bin", *range(10))
    file = RecordFile(tmp_path / "r.bin", ABOUT)
    assert len(file.index) == 10
    assert file.reason(key(4)) == "reason ü 4"
    assert file.reason(key(3)) is None
    records = Records(file, [key(8), key(0), key(8)], DTYPE)
    assert records.column("n").tolist() == [8, 0, 8]
    assert records.column("x").tolist() == [[4.0] * 3, [0.0] * 3, [4.0] * 3]
    assert [len(block) for block in records.blocks(2)] == [2, 1]
    assert Records(file, [], DTYPE).column("x").shape == (0, 3)
    stored = StoredRecords(np.concatenate(list(records.blocks())))
    assert stored.column("n").tolist() == [8, 0, 8]


@pytest.mark.parametrize("cut", [1, 20, 40, 60])
def test_a_record_cut_off_is_not_there_and_is_written_over(tmp_path, cut):
    path = tmp_path / "r.bin"
    filled(path, 0, 1, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    file = RecordFile(path, ABOUT)
    assert key(2) not in file
    assert key(1) in file
    file.keep(key(2), record(1, 2))
    assert path.read_bytes() == whole


def test_a_first_line_cut_off_is_as_if_there_were_no_file(tmp_path):
    path = tmp_path / "r.bin"
    filled(path, 0)
    whole = path.read_bytes()
    path.write_bytes(whole[:10])
    assert filled(path, 0).index
    assert path.read_bytes() == whole


def test_records_of_something_else_are_refused(tmp_path):
    filled(tmp_path / "r.bin", 0)
    with pytest.raises(BadInput, match=r"records of other structures' kind.*\(version differs\)"):
        RecordFile(tmp_path / "r.bin", ABOUT | {"version": 2})
    assert open_records(tmp_path, ABOUT).path != open_records(tmp_path, ABOUT | {"version": 2}).path


def test_merge_and_absorb(tmp_path):
    filled(tmp_path / "a.bin", 0, 1, 4)
    filled(tmp_path / "b.bin", 1, 2)
    join([tmp_path / "a.bin", tmp_path / "b.bin"], tmp_path / "both.bin")
    target = RecordFile(tmp_path / "mine.bin", ABOUT)
    target.keep(key(0), record(0, 0))
    assert target.absorb(RecordFile(tmp_path / "both.bin", ABOUT)) == 3
    again = RecordFile(tmp_path / "mine.bin", ABOUT)
    assert sorted(again.index) == [key(i) for i in (0, 1, 2, 4)]
    assert again.reason(key(4)) == "reason ü 4"
    filled(tmp_path / "c.bin", 0, about=ABOUT | {"version": 2})
    with pytest.raises(BadInput, match=r"c.bin: differs in kind"):
        join([tmp_path / "a.bin", tmp_path / "c.bin"], tmp_path / "no.bin")
    assert not (tmp_path / "no.bin").exists()
    with pytest.raises(BadInput, match="nothing to join"):
        join([], tmp_path / "no.bin")
