"""Describing in several processes: the same records, dead processes, the wall time."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import Unfinished
from aiida_dismai.engine.families.amorphous.metrics import AmorphousMetrics
from aiida_dismai.engine.metrics.collect import Collected, describe_all
from aiida_dismai.engine.metrics.parameters import DescribeParameters
from aiida_dismai.engine.metrics.records import RecordFile
from aiida_dismai.engine.structures import StructureSet, StructureStream, write_npz

N = 20
#: Places of structures that kill their process, by the length of their cell.
ONCE, ALWAYS = 5.206, 5.211


class Mortal(AmorphousMetrics):
    """Kills the process, never that of the tests, at certain structures: at one as long as there is no mark."""

    def __init__(self, parameters: DescribeParameters, marks: Path) -> None:
        super().__init__(parameters)
        self.marks, self.parent = marks, os.getpid()

    def describe(self, structure: StructureSet) -> Mapping[str, Any]:
        edge = round(float(structure.cells[0, 0, 0]), 3)
        mark = self.marks / f"{edge} {len(list(self.marks.iterdir()))}"
        if os.getpid() != self.parent and (edge == ALWAYS or (edge == ONCE and not any(self.marks.glob(f"{edge}*")))):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().describe(structure)


@pytest.fixture(autouse=True)
def few_are_worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiida_dismai.engine.metrics.collect.WORTH_A_PROCESS", 1)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Rattled silicon in cells of 5.200, 5.201 … Å."""
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3), axis=-1).reshape(-1, 3) / 2
    sets = []
    for i in range(N):
        edge = 5.2 + i / 1000
        positions = edge * grid + rng.normal(scale=0.1, size=grid.shape)
        sets.append(StructureSet.from_uniform([14] * 8, positions[None], edge * np.eye(3)))
    write_npz(StructureSet.concatenate(sets), tmp_path / "many.npz")
    return tmp_path / "many.npz"


def collected(many: Path, name: str, workers: Any, marks: Path | None = None, **more: Any) -> Collected:
    parameters = DescribeParameters(kind="amorphous", workers=workers)
    kind = AmorphousMetrics(parameters) if marks is None else Mortal(parameters, marks)
    file = RecordFile(many.with_name(f"{name}.bin"), kind.about())
    return describe_all(Context(many.parent, **more), name, StructureStream(many), kind, file, {"Si": 8})


def records(found: Collected) -> bytes:
    return b"".join(block.tobytes() for block in found.records.blocks())


@pytest.mark.parametrize("workers", [3, "auto"])
def test_any_number_of_workers_gives_the_same_records(many: Path, workers: Any):
    alone, together = collected(many, "alone", 1), collected(many, "together", workers, cores=2)
    assert alone.index.tolist() == together.index.tolist() == list(range(N))
    assert records(alone) == records(together)


def test_dead_workers_cost_what_killed_them(many: Path, tmp_path: Path):
    marks = tmp_path / "marks"
    marks.mkdir()
    found = collected(many, "killed", 2, marks)
    assert found.failures == [(11, "killed: its process died twice (signal SIGKILL)")]
    alone = collected(many, "alone", 1)
    others = [i for i in range(N) if i != 11]
    assert found.index.tolist() == others
    names = [name for name in alone.records.dtype.names if name]
    for name in names:
        np.testing.assert_array_equal(found.records.column(name), alone.records.column(name)[others])
    edges = [path.name.split()[0] for path in marks.iterdir()]
    assert edges.count(str(ONCE)) == 1
    assert edges.count(str(ALWAYS)) == 4  # twice in its batch, twice by itself


def test_processes_stop_at_the_wall_time_and_another_number_goes_on(many: Path):
    context = {"max_seconds": 0.0}
    with pytest.raises(Unfinished, match=f"of {N} structures; run again to resume"):
        collected(many, "cut", 2, **context)
    found = collected(many, "cut", 3)
    assert records(found) == records(collected(many, "alone", 1))


def test_more_workers_than_cores_are_warned_of(many: Path):
    context = Context(many.parent, cores=1)
    kind = AmorphousMetrics(DescribeParameters(kind="amorphous", workers=2))
    describe_all(context, "x", StructureStream(many), kind, RecordFile(many.with_name("x.bin"), kind.about()), {})
    describe_all(context, "x", StructureStream(many), kind, RecordFile(many.with_name("y.bin"), kind.about()), {})
    assert len(context.warnings) == 1
    assert "workers: 2 processes of 1 thread on 1 core: they wait for each other" in context.warnings[0]
