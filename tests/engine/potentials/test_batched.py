from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.optimize import FIRE

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.potentials.batched import Batch, Relaxing
from aiida_dismai.engine.potentials.contract import Energetics
from aiida_dismai.engine.potentials.evaluator import TrainedEvaluator
from aiida_dismai.engine.potentials.optimisers import OPTIMISERS
from aiida_dismai.engine.potentials.parameters import RelaxParameters
from aiida_dismai.engine.potentials.relaxation import relax_one
from aiida_dismai.engine.structures import StructureSet, from_ase, read_npz, to_ase

BATCHED = {"mode": "batched", "device": "cpu", "fmax": 0.05, "steps": 60}


def copper(n: int = 6, scale: float = 0.15) -> StructureSet:
    rng = np.random.default_rng(1)
    frames = []
    for i in range(n):
        atoms = bulk("Cu", cubic=True) * (1, 1, 1 + i % 3)
        atoms.positions += rng.normal(scale=scale, size=atoms.positions.shape)
        frames.append(atoms)
    return from_ase(frames)


class ByEMT:
    """EMT as an evaluator of batches, with accidents by structure: its place in the set is its number of atoms."""

    def __init__(self, room: float = np.inf, accidents: dict[int, tuple[int, float]] | None = None) -> None:
        self.room, self.accidents = room, accidents or {}
        self.sizes: list[int] = []

    def site(self, numbers: Any, pbc: Any) -> dict[str, Any]:
        return {"atoms": Atoms(numbers, pbc=pbc, calculator=EMT()), "calls": 0}

    def batch_atoms(self, site: Any, positions: Any, cell: Any) -> int:
        return 1000

    def evaluate(self, sites: Any, positions: Any, cells: Any, stress: bool = False) -> list[Energetics]:
        size = sum(map(len, positions))
        if size > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        self.sizes.append(size)
        found = []
        for site, place, cell in zip(sites, positions, cells, strict=True):
            site["atoms"].set_cell(cell)
            site["atoms"].positions = place
            site["calls"] += 1
            energy, forces = site["atoms"].get_potential_energy(), site["atoms"].get_forces()
            at, value = self.accidents.get(len(place), (0, 0.0))
            if site["calls"] == at:
                forces = forces + value
            found.append(Energetics(energy, forces))
        return found


def run(evaluator: Any, structures: StructureSet, **parameters: Any) -> tuple[list[Relaxing], Batch]:
    given = RelaxParameters(**{**BATCHED, **parameters})
    todo = [Relaxing.begin(i, one, given) for i, one in enumerate(structures)]
    batch = Batch(evaluator, given, todo)
    ended = sorted(batch.run(lambda: None), key=lambda one: one.index)
    return ended, batch


def test_fire_takes_the_steps_of_ase_s():
    structures = copper(1)
    atoms = to_ase(structures)[0]
    atoms.calc = EMT()
    theirs = FIRE(atoms, logfile=None)
    theirs.run(fmax=0.01, steps=200)
    (ours,), _ = run(ByEMT(), structures, optimizer="FIRE", fmax=0.01, steps=200)
    assert ours.outcome.steps == theirs.nsteps > 10
    np.testing.assert_allclose(ours.outcome.positions, atoms.positions, atol=1e-9)


@pytest.mark.parametrize("optimizer", sorted(OPTIMISERS))
def test_batches_end_in_the_minima_of_single_relaxations(optimizer: str):
    structures = copper()
    ended, batch = run(ByEMT(), structures, optimizer=optimizer, fmax=0.01, steps=300)
    evaluations = 0
    for one, atoms in zip(ended, to_ase(structures), strict=True):
        alone = relax_one(atoms, EMT(), RelaxParameters(calculator="edip", fmax=0.01))
        assert one.outcome.converged
        assert one.outcome.fmax < 0.01
        assert one.outcome.energy == pytest.approx(alone.energy, abs=1e-3)
        assert one.outcome.energy_initial == alone.energy_initial
        evaluations += alone.evaluations
        if optimizer == "SciPyFminCG":
            assert one.outcome.evaluations <= 2 * alone.evaluations
    assert batch.evaluations == max(one.outcome.evaluations for one in ended)


def test_conjugate_gradient_needs_about_one_evaluation_more_than_a_step_on_a_quadratic():
    rest = bulk("Cu", cubic=True).positions

    class Springs(ByEMT):
        def evaluate(self, sites: Any, positions: Any, cells: Any, stress: bool = False) -> list[Energetics]:
            stiffness = np.linspace(1, 40, positions[0].size).reshape(-1, 3)
            self.sizes.append(1)
            away = [place - rest for place in positions]
            return [Energetics(float((stiffness * p**2).sum() / 2), -stiffness * p) for p in away]

    (one,), batch = run(Springs(), copper(1), steps=100, fmax=1e-4)
    assert one.outcome.converged
    assert np.abs(one.outcome.positions - rest).max() < 1e-3
    assert batch.evaluations <= 2.2 * one.outcome.steps + 5


def test_waiting_structures_enter_as_soon_as_there_is_room():
    structures = copper(9)
    evaluator = ByEMT()
    ended, batch = run(evaluator, structures, batch_atoms=20)
    assert [one.index for one in ended] == list(range(9))
    assert all(one.outcome.converged for one in ended)
    assert max(evaluator.sizes) <= 20
    total = sum(one.outcome.evaluations * one.size for one in ended)
    assert total == sum(evaluator.sizes)
    assert batch.evaluations < total / 20 * 2


def test_results_do_not_depend_on_the_size_of_the_batch():
    structures = copper(7)
    first, _ = run(ByEMT(), structures)
    second, _ = run(ByEMT(), structures, batch_atoms=12)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.outcome.positions, other.outcome.positions)
        assert one.outcome.steps == other.outcome.steps


def test_out_of_memory_halves_the_batch_and_loses_nothing():
    structures = copper(9)
    evaluator, lines = ByEMT(room=30), list[str]()
    given = RelaxParameters(**BATCHED)
    batch = Batch(evaluator, given, [Relaxing.begin(i, one, given) for i, one in enumerate(structures)], lines.append)
    ended = sorted(batch.run(lambda: None), key=lambda one: one.index)
    whole, _ = run(ByEMT(), structures)
    for one, other in zip(ended, whole, strict=True):
        np.testing.assert_array_equal(one.outcome.positions, other.outcome.positions)
    assert max(evaluator.sizes) <= 30
    assert lines
    assert "out of memory: continuing with" in lines[0]


def test_no_memory_for_even_one():
    with pytest.raises(Exception, match=r"structure \d with 12 atoms does not fit by itself .CUDA out of memory"):
        run(ByEMT(room=10), copper(3))


def test_batch_smaller_than_a_structure():
    with pytest.raises(Exception, match="batch_atoms: 8 are fewer than the 12 atoms of structure 2; give at least 12"):
        run(ByEMT(), copper(3), batch_atoms=8)


@pytest.mark.parametrize(
    ("at", "value", "failure"), [(1, np.nan, "NaN or infinite forces"), (3, np.inf, "NaN"), (3, 1e12, "exploded")]
)
def test_nonsense_for_one_structure_fails_that_one(at: int, value: float, failure: str):
    structures = copper(3)
    whole, _ = run(ByEMT(), structures)
    ended, _ = run(ByEMT(accidents={8: (at, value)}), structures)
    assert failure in ended[1].outcome.failure
    assert not ended[1].outcome.converged
    assert np.isfinite(ended[1].outcome.positions).all()
    for i in (0, 2):
        np.testing.assert_array_equal(ended[i].outcome.positions, whole[i].outcome.positions)


def test_coincident_atoms_fail_before_they_are_evaluated():
    structures = copper(3)
    positions = structures.positions.copy()
    positions[1] = positions[0]
    ended, _ = run(ByEMT(), structures.with_positions(positions))
    assert "overlap: two atoms are 0.000 Å apart" in ended[0].outcome.failure
    assert all(one.outcome.converged for one in ended[1:])


def test_the_task_in_batches(folder, lively: Path, frames: StructureSet, tmp_path: Path):
    given = frames[:6].without_properties("forces", "stress")
    results = folder.run("relax", BATCHED, {"structures": given, "potential": lively})
    assert results["status"] == "finished", results
    assert (results["mode"], results["workers"], results["n_structures"]) == ("batched", 1, 6)
    relaxed = read_npz(folder.path / "structures.npz")
    assert results["force_evaluations"] > relaxed.values("steps").sum()
    assert results["structures_per_minute"] > 0
    assert results["n_converged"] + results["n_failed"] + results["n_not_converged"] == 6
    other = type(folder)(tmp_path / "other")
    sequential = {**BATCHED, "mode": "sequential"}
    alone = other.run("relax", sequential, {"structures": given, "potential": lively})
    assert (alone["mode"], alone["status"]) == ("sequential", "finished")
    single = read_npz(other.path / "structures.npz")
    assert set(single.properties) == set(relaxed.properties)
    np.testing.assert_allclose(single.values("energy_initial"), relaxed.values("energy_initial"), atol=1e-5)


@pytest.mark.parametrize("optimizer", sorted(OPTIMISERS))
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_batch_that_is_cut_goes_on_exactly(
    folder, lively: Path, frames: StructureSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, optimizer, precision
):
    parameters = {**BATCHED, "optimizer": optimizer, "precision": precision, "batch_atoms": 24, "steps": 15}
    inputs = {"structures": frames[:5], "potential": lively}
    other = type(folder)(tmp_path / "uninterrupted")
    whole = other.run("relax", parameters, inputs)
    assert whole["status"] == "finished", whole
    file = folder.prepare("relax", parameters, inputs)
    runs, lines, results = 0, [0], {"status": "unfinished"}
    while results["status"] == "unfinished" and runs < 60:
        left = iter(range(4))
        monkeypatch.setattr(Context, "out_of_time", lambda self, left=left: next(left, None) is None)
        results = folder.again(file)
        runs += 1
        lines.append(len((folder.path / "progress.jsonl").read_text().splitlines()))
    assert results["status"] == "finished", results
    assert runs > 3
    assert all(later > earlier for earlier, later in pairwise(lines))
    assert (other.path / "structures.npz").read_bytes() == (folder.path / "structures.npz").read_bytes()
    if precision == "float64":
        assert 0 < whole["precision_difference"] < 1e-4


def test_mates_change_nothing_in_a_whole_relaxation(lively: Path, frames: StructureSet):
    from aiida_dismai.engine.potentials.folder import load_potential

    evaluator = TrainedEvaluator(load_potential(lively), "float64")
    together, _ = run(evaluator, frames[:6], steps=20)
    for i in (0, 5):
        (alone,), _ = run(evaluator, frames[[i]], steps=20)
        np.testing.assert_array_equal(alone.outcome.positions, together[i].outcome.positions)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"optimizer": "BFGS"}, "'BFGS' is not written for batches; give SciPyFminCG or FIRE"),
        ({"relax_cell": True}, "batches are relaxed at a fixed cell; give the mode 'sequential'"),
        ({"workers": 2}, "a batch is computed by one process"),
        ({"batch_atoms": 0}, "batch_atoms"),
        ({"calculator": "edip"}, "calculator 'edip' computes structures one by one; give 'sequential', with workers"),
        ({"calculator": "a.b:c"}, "calculator 'a.b:c' computes structures one by one"),
        ({"mode": "sequential", "batch_atoms": 100}, "batch_atoms is of the mode 'batched'"),
        ({"mode": "bached"}, "sequential"),
        ({"mode": "sequential", "calculator": "edip", "precision": "bf16"}, "are of the calculator 'm3gnet'"),
    ],
)
def test_parameters_that_do_not_fit_together(folder, parameters: dict[str, Any], message: str):
    assert message in folder.refused("relax", {**BATCHED, **parameters}, {"structures": copper(1)})


def test_element_that_the_potential_does_not_know(folder, lively: Path):
    salt = from_ase([bulk("NaCl", "rocksalt", a=5.6, cubic=True)])
    message = folder.refused("relax", BATCHED, {"structures": salt, "potential": lively})
    assert "does not know Na, Cl; it was trained on Al, Cu" in message


def test_cells_smaller_than_the_cutoff(folder, lively: Path):
    small = bulk("Cu", a=3.7)  # one atom, 2.6 Å: with a cutoff of 4 Å it meets only itself
    pair = bulk("Cu", a=3.6) * (2, 1, 1)
    pair.positions[0] += 0.1
    results = folder.run("relax", BATCHED, {"structures": from_ase([small, pair]), "potential": lively})
    assert results["n_failed"] == 0, results
    assert read_npz(folder.path / "structures.npz").values("converged")[0]
