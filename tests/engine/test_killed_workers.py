"""A worker that is killed from outside while a task runs: nothing is lost, and the result is that of one process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.interfaces.parameters import InterfaceParameters
from aiida_dismai.engine.interfaces.protocol import lsc_lco
from aiida_dismai.engine.interfaces.run import run as build
from aiida_dismai.engine.metrics.parameters import PostprocessParameters
from aiida_dismai.engine.metrics.postprocess import run as postprocess
from aiida_dismai.engine.structures import StructureSet, write_npz


class Killer:
    """Watches the progress and kills one process at the first line."""

    def __init__(self) -> None:
        self.killed: list[int | None] = []

    def __call__(self, line: Mapping[str, Any]) -> None:
        if not self.killed and (children := multiprocessing.active_children()):
            children[0].kill()
            self.killed.append(children[0].pid)


def crowded(folder: Path) -> dict[str, Path]:
    rng = np.random.default_rng(1)
    positions = rng.uniform(0, 9, size=(40, 60, 3))
    write_npz(StructureSet.from_uniform([14] * 60, positions, 9 * np.eye(3)), folder / "crowded.npz")
    return {"structures": folder / "crowded.npz"}


def crystals(folder: Path) -> dict[str, Path]:
    write_npz(licoo2(), folder / "a.npz")
    write_npz(li3sccl6(), folder / "b.npz")
    return {"slab_a": folder / "a.npz", "slab_b": folder / "b.npz"}


@pytest.mark.parametrize("task", ["postprocess", "interfaces.build"])
def test_a_worker_killed_from_outside(task: str, tmp_path: Path):
    files = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        killer = Killer()
        context = Context(folder, seed=3, watch=killer if workers == 2 else None)
        if task == "postprocess":
            context.inputs = crowded(folder)
            results = postprocess(context, PostprocessParameters(workers=workers))
            assert results["n_changed"] > 0
        else:
            context.inputs = crystals(folder)
            results = build(context, InterfaceParameters.model_validate(lsc_lco(60) | {"workers": workers}))
        assert results["n_structures"] in (40, 60)
        assert len(killer.killed) == workers - 1
        files.append((folder / "structures.npz").read_bytes())
    assert files[0] == files[1]
