from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_dismai.engine.amorphous.making import Attempt, Made, Rejected, make_structures
from aiida_dismai.engine.amorphous.parameters import MakeParameters
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import Unfinished
from aiida_dismai.engine.structures import StructureSet, read_npz


def maker(folder: str, dies: tuple[int, ...] = ()) -> Any:
    """Make a cell of silicon at random; every second attempt is rejected; some structures kill their process."""

    def make_one(attempt: Attempt) -> Made:
        mark = Path(folder) / str(attempt.index)
        if attempt.index in dies or (attempt.index == 3 and not mark.exists() and folder):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        attempt.check_time()
        if attempt.rng.random() < 0.5:
            raise Rejected("bad luck")
        grid = np.stack(np.meshgrid(*[np.arange(2)] * 3), axis=-1).reshape(-1, 3) * 2.6
        positions = grid + attempt.rng.normal(scale=0.05, size=grid.shape)
        return Made(StructureSet.from_uniform([14] * 8, positions[None], 5.2 * np.eye(3)), {"luck": 1.0})

    return make_one


def parameters(workers: int) -> MakeParameters:
    gate = dict.fromkeys(MakeParameters().gate.model_dump())
    return MakeParameters(n_structures=10, max_attempts=50, gate=gate, energies=None, workers=workers)


def make(folder: Path, workers: int, marks: str = "", dies: tuple[int, ...] = (), **more: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    context = Context(folder, seed=4, **more)
    given = (maker, (marks, dies))
    return make_structures(context, parameters(workers), {}, maker(marks, dies), "make", given)


def test_any_number_of_workers_makes_the_same(tmp_path: Path):
    one, two = make(tmp_path / "1", 1), make(tmp_path / "2", 2)
    assert one["n_structures"] == two["n_structures"] == 10
    assert one["rejected"] == two["rejected"] != {}
    assert (tmp_path / "1" / "structures.npz").read_bytes() == (tmp_path / "2" / "structures.npz").read_bytes()
    assert [path.name for path in (tmp_path / "2" / "checkpoint").iterdir()] == ["pieces.bin"]
    lines = [json.loads(line) for line in (tmp_path / "2" / "progress.jsonl").read_text().splitlines()]
    assert [line["done"] for line in lines] == list(range(1, 11))


def test_killed_workers(tmp_path: Path):
    (tmp_path / "marks").mkdir()
    results = make(tmp_path / "2", 2, str(tmp_path / "marks"), (6,))
    assert (results["n_structures"], results["n_missing"]) == (9, 1)
    assert results["rejected"]["killed"] == 1
    assert (tmp_path / "marks" / "3").exists()
    make(tmp_path / "1", 1)
    whole, found = read_npz(tmp_path / "1" / "structures.npz"), read_npz(tmp_path / "2" / "structures.npz")
    assert found.values("index").tolist() == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert found[3].content_hash == whole[3].content_hash


@pytest.mark.parametrize("after", [1, 2])
def test_a_stop_is_obeyed_and_resumed_with_any_number(tmp_path: Path, after: int):
    with pytest.raises(Unfinished, match="of 10 structures are made; run again to resume"):
        make(tmp_path / "2", 2, max_seconds=0.0)
    results = make(tmp_path / "2", after)
    make(tmp_path / "1", 1)
    assert results["n_structures"] == 10
    assert (tmp_path / "1" / "structures.npz").read_bytes() == (tmp_path / "2" / "structures.npz").read_bytes()
