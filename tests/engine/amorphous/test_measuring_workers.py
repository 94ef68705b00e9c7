"""The task amorphous.measure in several processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from aiida_dismai.engine.amorphous.measuring.parameters import MeasureTaskParameters
from aiida_dismai.engine.amorphous.measuring.run import run
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import Unfinished
from aiida_dismai.engine.structures import from_ase, write_npz

pytestmark = pytest.mark.engine

N = 12
#: A calculator that kills its process at the structure whose cell is 5.5 Å long, as long as there are files to remove.
MORTAL = """
import os, signal
from pathlib import Path
from ase.calculators.lj import LennardJones

class Mortal(LennardJones):
    def calculate(self, atoms=None, *args, **kwargs):
        if abs(atoms.cell[0, 0] - 5.5) < 1e-6:
            for life in sorted(Path(os.environ["LIVES"]).iterdir()):
                life.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        super().calculate(atoms, *args, **kwargs)
"""
EDIP = {"energies": {"calculator": "edip"}}


def measured(folder: Path, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    frames = []
    for i in range(N):
        atoms = bulk("Si", a=5.4 + i / 50, cubic=True)
        atoms.rattle(0.1, seed=i)
        frames.append(atoms)
    write_npz(from_ase(frames), folder / "given.npz")
    context = Context(folder, inputs={"structures": folder / "given.npz"}, **more)
    return run(context, MeasureTaskParameters.model_validate(parameters)) | {"warnings": context.warnings}


def test_any_number_of_workers_measures_the_same(tmp_path: Path):
    one = measured(tmp_path / "1", EDIP)
    two = measured(tmp_path / "2", {**EDIP, "workers": "auto"}, cores=2)
    assert one["per_structure"] == two["per_structure"]
    assert None not in one["per_structure"]["energy_per_atom"]
    assert (tmp_path / "1" / "measures.npz").read_bytes() == (tmp_path / "2" / "measures.npz").read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "2" / "progress.jsonl").read_text().splitlines()]
    assert [line["done"] for line in lines if line["stage"] == "measure"] == list(range(1, N + 1))


@pytest.mark.parametrize("lives", [1, 2])
def test_a_killed_worker_costs_its_structure_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: int):
    (tmp_path / "mortal_energies.py").write_text(MORTAL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LIVES", str(tmp_path / "lives"))
    monkeypatch.setenv("DISMAI_ALLOW_FACTORY", "mortal_energies:Mortal")
    (tmp_path / "lives").mkdir()
    for life in range(lives):
        (tmp_path / "lives" / str(life)).touch()
    given = {"energies": {"calculator": "mortal_energies:Mortal"}, "workers": 2, "gate": {"max_angle_sigma": 90}}
    results = measured(tmp_path / "run", given)
    assert not list((tmp_path / "lives").iterdir())
    with np.load(tmp_path / "run" / "measures.npz") as arrays:
        failures = arrays["failure"].tolist()
    assert failures == [""] * 5 + ["killed: its worker process died twice (signal SIGKILL)" * (lives == 2)] + [""] * 6
    assert results["rejected"] == ({} if lives == 1 else {"cannot be analysed": 1})


def test_a_stop_is_obeyed_and_another_number_goes_on(tmp_path: Path):
    with pytest.raises(Unfinished, match=f"0 of {N} structures are measured; run again to resume"):
        measured(tmp_path / "2", {"workers": 2}, max_seconds=0.0)
    one = measured(tmp_path / "1", {})
    two = measured(tmp_path / "2", {"workers": 2}, cores=1)
    assert one["per_structure"] == two["per_structure"]
    assert "workers: 2 processes of 1 thread on 1 core" in two["warnings"][0]
