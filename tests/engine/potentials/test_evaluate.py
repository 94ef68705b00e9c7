from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.potentials.dft_check import find_pairs, table
from aiida_dismai.engine.structures import StructureSet


def m_opt(frames: StructureSet) -> StructureSet:
    """The first frame of every trajectory, as a potential's relaxation would leave it."""
    first = frames[np.flatnonzero(frames.values("step") == 0)]
    return first.without_properties("forces", "stress", "step")


def test_errors_are_those_that_training_reported(folder, trained, frames: StructureSet):
    path, results = trained
    test = frames[np.flatnonzero(np.isin(frames.values("trajectory"), results["split"]["test"]))]
    found = folder.run("potential.evaluate", {"device": "cpu"}, {"structures": test, "potential": path / "potential"})
    for name in ("mae_energy", "mae_forces", "mae_stress", "rmse_forces"):
        assert found[name] == pytest.approx(results[f"test_{name}"], rel=1e-3)
    with np.load(folder.path / "parity.npz") as parity:
        assert parity["forces_predicted"].shape == (24, 3)
        assert "split" not in parity


def test_unknown_element(folder, trained, frames: StructureSet):
    numbers = frames.numbers.copy()
    numbers[5] = 47
    other = StructureSet(numbers, frames.positions, frames.cells, frames.pbc, frames.offsets, frames.properties)
    inputs = {"structures": other, "potential": trained[0] / "potential"}
    message = folder.refused("potential.evaluate", {}, inputs)
    assert "does not know Ag; it was trained on Al, Cu" in message


def test_unlabelled_structures(folder, trained, frames: StructureSet):
    inputs = {"structures": frames.without_properties("forces"), "potential": trained[0] / "potential"}
    assert "no 'forces'" in folder.refused("potential.evaluate", {}, inputs)


def test_out_of_time_goes_on(folder, trained, frames: StructureSet):
    inputs = {"structures": frames[:3], "potential": trained[0] / "potential"}
    file = folder.prepare("potential.evaluate", {"micro_batch_size": 2}, inputs, max_seconds=0)
    assert "2 of 3 structures predicted" in folder.again(file)["error"]["message"]
    assert folder.again(file)["status"] == "finished"


def test_predictions_of_another_set_are_refused(folder, trained, frames: StructureSet):
    """They were thrown away in silence."""
    path = trained[0] / "potential"
    given = {"structures": frames[:6], "potential": path}
    stopped = folder.prepare("potential.evaluate", {"micro_batch_size": 4}, given, max_seconds=0)
    assert folder.again(stopped)["status"] == "unfinished"
    shifted = frames.with_positions(frames.positions + 0.01)[:6]
    message = folder.refused("potential.evaluate", {"micro_batch_size": 4}, {"structures": shifted, "potential": path})
    assert "checkpoint of another run (structures differs)" in message
    # what is in memory at once may change
    assert folder.run("potential.evaluate", {"micro_batch_size": 2}, given)["status"] == "finished"


def test_table5_of_the_task_equals_sums_by_hand(folder, trained, frames: StructureSet):
    path: Path = trained[0] / "potential"
    relaxed = m_opt(frames).with_property("interface_energy", [-0.1, 0.0, 0.3, 0.2, 0.1, -0.4])
    shuffled = frames[np.random.default_rng(0).permutation(18)]
    results: dict[str, Any] = folder.run(
        "potential.evaluate", {}, {"structures": shuffled, "potential": path, "relaxed": relaxed}
    )
    assert (results["n_pairs"], results["without_dft"], results["not_matching"]) == (6, [], [])
    with np.load(folder.path / "parity.npz") as parity:
        error = 1000 * np.abs(parity["energy_predicted"] - parity["energy_reference"])
    by = {
        (trajectory, step): value
        for trajectory, step, value in zip(
            shuffled.values("trajectory").tolist(), shuffled.values("step").tolist(), error, strict=True
        )
    }
    groups = {"low": [0, 1, 5], "high": [2, 3, 4], "all": range(6)}
    for group, members in groups.items():
        found = results["table5"][group]
        assert (found["n"], found["n_steps_mean"], found["n_steps_std"]) == (len(members), 3, 0)
        first, last = [by[i, 0] for i in members], [by[i, 2] for i in members]
        assert found["m_opt_mean"] == pytest.approx(np.mean(first), rel=1e-6)
        assert found["m_opt_std"] == pytest.approx(np.std(first), rel=1e-6)
        assert found["d_opt_mean"] == pytest.approx(np.mean(last), rel=1e-6)
        assert found["d_opt_std"] == pytest.approx(np.std(last), rel=1e-6)


def test_trajectories_that_do_not_fit_are_named(frames: StructureSet):
    relaxed = m_opt(frames)
    positions = relaxed.positions.copy()
    positions[8] += [0.2, 0, 0]  # the second structure is another one
    positions[16] += relaxed.cells[2][1]  # the third one by a whole lattice vector: the same
    names = relaxed.values("trajectory").copy()
    names[5] = 77
    changed = relaxed.with_positions(positions).with_property("trajectory", names)
    pairs = find_pairs(changed, frames, 0.05, "here")
    assert (pairs.not_matching, pairs.without_dft) == ([1], [77])
    assert pairs.relaxed.tolist() == [0, 2, 3, 4]
    assert pairs.first.tolist() == [0, 6, 9, 12]
    assert pairs.last.tolist() == [2, 8, 11, 14]


def test_stages_come_one_after_the_other(frames: StructureSet):
    three = frames[:3].with_property("step", [0, 0, 1]).with_property("stage", [2, 1, 1])
    pairs = find_pairs(three[[1]], three, 0.05, "here")
    assert (pairs.first.tolist(), pairs.last.tolist(), pairs.n_steps.tolist()) == ([1], [0], [3])


def test_without_interface_energies_there_is_only_one_group(frames: StructureSet):
    pairs = find_pairs(m_opt(frames), frames, 0.05, "here")
    found = table(pairs, frames, frames.values("energy") + 0.008, None)
    assert list(found) == ["all"]
    assert found["all"]["m_opt_mean"] == pytest.approx(1.0)
    assert list(table(pairs, frames, frames.values("energy"), np.full(6, 0.5))) == ["high", "all"]


def test_relaxed_structures_of_another_run(frames: StructureSet):
    relaxed = m_opt(frames)
    with pytest.raises(BadInput, match="no DFT trajectory begins with one of the 6 relaxed structures"):
        find_pairs(relaxed.with_property("trajectory", np.arange(6) + 100), frames, 0.05, "here")
    with pytest.raises(BadInput, match="trajectory 3 more than once"):
        find_pairs(relaxed.with_property("trajectory", [0, 1, 2, 3, 3, 5]), frames, 0.05, "here")
    with pytest.raises(BadInput, match="no 'trajectory'"):
        find_pairs(relaxed.without_properties("trajectory"), frames, 0.05, "here")
    with pytest.raises(BadInput, match="no 'step'"):
        find_pairs(relaxed, frames.without_properties("step"), 0.05, "here")


def test_another_composition_never_matches(frames: StructureSet):
    from aiida_dismai.engine.structures import from_ase

    other = from_ase([bulk("Cu", cubic=True)]).with_property("trajectory", [0])
    with pytest.raises(BadInput, match="1 begin with another structure"):
        find_pairs(other, frames, 0.05, "here")
