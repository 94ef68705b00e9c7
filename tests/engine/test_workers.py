from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.workers import Died, available_cores, choose_threads, choose_workers, map_items


def squares(offset: int) -> Callable[[int], tuple[int, int, str]]:
    return lambda item: (item**2 + offset, os.getpid(), os.environ.get("OMP_NUM_THREADS", ""))


def mortal(folder: str) -> Callable[[int], int]:
    """Item 2 kills its process the first time, item 5 every time."""

    def work(item: int) -> int:
        mark = Path(folder) / str(item)
        if item == 5 or (item == 2 and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return -item

    return work


def refusing(text: str) -> Callable[[int], int]:
    def work(item: int) -> int:
        if item == 3:
            raise BadInput(text)
        return item

    return work


def dead_on_arrival() -> Callable[[int], int]:
    os._exit(7)


@pytest.mark.parametrize("workers", [1, 2])
def test_each_item_is_done_once(workers: int):
    found = dict(map_items(range(9), squares, (1,), workers, threads=3))
    assert {item: value[0] for item, value in found.items()} == {item: item**2 + 1 for item in range(9)}
    if workers == 2:
        assert os.getpid() not in {value[1] for value in found.values()}
        assert {value[2] for value in found.values()} == {"3"}


def test_the_item_of_a_dead_worker_is_done_again_once(tmp_path: Path):
    found = dict(map_items(range(8), mortal, (str(tmp_path),), 2))
    assert found.pop(5) == Died("signal SIGKILL")
    assert found == {item: -item for item in range(8) if item != 5}


def test_what_a_worker_raises_is_raised_here():
    with pytest.raises(BadInput, match="no such thing"):
        list(map_items(range(8), refusing, ("no such thing",), 2))


def test_workers_that_cannot_begin_are_not_started_for_ever():
    with pytest.raises(Exception, match=r"end before they have begun to work .exit status 7"):
        list(map_items(range(8), dead_on_arrival, (), 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_no_item_is_begun_after_the_stop(workers: int):
    done: list[int] = []
    for item, _ in map_items(range(100), squares, (0,), workers, stop=lambda: len(done) >= 3):
        done.append(item)
    assert 3 <= len(done) <= 3 + workers


def test_processes_end_with_the_loop():
    pids = set()
    for _, (_, pid, _) in map_items(range(100), squares, (0,), 2):
        pids.add(pid)
        break
    for pid in pids:
        for _ in range(100):
            if not Path(f"/proc/{pid}").exists():
                break
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists()


def test_how_many(monkeypatch: pytest.MonkeyPatch):
    assert choose_workers("auto", 1000, cores=64) == 64
    assert choose_workers("auto", 1000, threads=4, cores=64) == 16
    assert choose_workers("auto", 20, cores=64) == 20
    assert choose_workers("auto", 5, cores=64) == 1
    assert choose_workers("auto", 1000) == available_cores()
    lines: list[str] = []
    assert choose_workers(3, 1000, cores=2, warn=lines.append) == 3
    assert "3 processes of 1 thread on 2 cores: they wait for each other; give 'auto'" in lines[0]
    monkeypatch.setenv("OMP_NUM_THREADS", "6,2")
    assert choose_threads(None) == 6
    assert choose_threads(2) == 2
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert choose_threads(None) == 1
