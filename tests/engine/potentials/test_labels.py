from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.potentials.labels import load_labelled, split_by_trajectory
from aiida_dismai.engine.structures import StructureSet, write_npz

FRACTIONS = (0.9, 0.05, 0.05)


def with_trajectories(frames: StructureSet, values: list[int]) -> StructureSet:
    return frames[: len(values)].with_property("trajectory", np.array(values))


def test_no_trajectory_is_in_two_sets_and_every_frame_in_one(frames: StructureSet):
    names = [5, 5, 9, 1, 9, 2, 2, 2, 7, 8, 3, 4, 6, 0, 10, 11, 12, 13]
    split = split_by_trajectory(with_trajectories(frames, names), (0.6, 0.2, 0.2), 0, "here")
    parts = [split.train, split.validation, split.test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(18))
    sets = [set(np.array(names)[part]) for part in parts]
    assert sum(len(part) for part in sets) == len(set(names))
    assert [len(part) for part in sets] == [8, 3, 3]
    assert split.labels(18)[split.test].tolist() == [2] * len(split.test)


def test_atoms_on_top_of_each_other_are_refused(frames: StructureSet, tmp_path: Path):
    positions = frames.positions.copy()
    first = frames.atoms_of(2).start
    # across the boundary of the cell, where a plain distance would not see it
    positions[first + 1] = positions[first] + frames.cells[2, 0] + [0.1, 0, 0]
    write_npz(frames.with_positions(positions), tmp_path / "labelled.npz")
    with pytest.raises(BadInput, match=r"here: atoms 0 and 1 of frame 2 are closer than 0.5 Å"):
        load_labelled(tmp_path / "labelled.npz", "here")


def test_split_follows_from_the_seed(frames: StructureSet):
    def train(seed: int) -> list[int]:
        return split_by_trajectory(frames, (0.5, 0.25, 0.25), seed, "here").train.tolist()

    assert train(1) == train(1)
    assert len({tuple(train(seed)) for seed in range(8)}) > 1


def test_three_trajectories_give_one_to_each_set(frames: StructureSet):
    split = split_by_trajectory(frames[:9], FRACTIONS, 0, "here")
    assert [len(split.train), len(split.validation), len(split.test)] == [3, 3, 3]


def test_high_fractions_leave_something_to_train_on(frames: StructureSet):
    split = split_by_trajectory(frames[:9], (0.02, 0.49, 0.49), 0, "here")
    assert len(split.train) == 3


def test_too_few_trajectories(frames: StructureSet):
    with pytest.raises(BadInput, match=r"2 trajectories cannot be split into 3 sets.*test_fraction to 0"):
        split_by_trajectory(frames[:6], FRACTIONS, 0, "here")
    assert len(split_by_trajectory(frames[:3], (1.0, 0.0, 0.0), 0, "here").train) == 3


def test_trajectory_is_needed(frames: StructureSet):
    with pytest.raises(BadInput, match="no 'trajectory'"):
        split_by_trajectory(frames.without_properties("trajectory"), FRACTIONS, 0, "here")


@pytest.mark.parametrize("name", ["energy", "forces", "stress"])
def test_labels_that_are_nan_or_missing_are_named(tmp_path: Path, frames: StructureSet, name: str):
    values = frames.values(name).copy()
    values[-1] = np.nan
    write_npz(frames.with_property(name, values), tmp_path / "nan.npz")
    with pytest.raises(BadInput, match=f"'{name}' is NaN or infinite in frame 17"):
        load_labelled(tmp_path / "nan.npz", "here")
    write_npz(frames.without_properties(name), tmp_path / "missing.npz")
    with pytest.raises(BadInput, match=f"no '{name}'"):
        load_labelled(tmp_path / "missing.npz", "here")


def test_stress_in_voigt_order_is_refused(tmp_path: Path, frames: StructureSet):
    write_npz(frames, tmp_path / "labelled.npz")
    with np.load(tmp_path / "labelled.npz") as archive:
        arrays = dict(archive) | {"property.stress": np.zeros((18, 6))}
    np.savez(tmp_path / "voigt.npz", **arrays)
    with pytest.raises(BadInput, match=r"'stress'.*shape \(6,\)"):
        load_labelled(tmp_path / "voigt.npz", "here")


def test_empty_set(tmp_path: Path, frames: StructureSet):
    write_npz(frames[:0], tmp_path / "empty.npz")
    with pytest.raises(BadInput, match="empty"):
        load_labelled(tmp_path / "empty.npz", "here")
