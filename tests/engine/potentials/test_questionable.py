"""Labels that are more likely an error than physics are named, and used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.potentials.labels import load_labelled
from aiida_dismai.engine.potentials.predictions import Predictions
from aiida_dismai.engine.potentials.questionable import FEWEST, NAMED, WORST, energy_off, questionable, worst_frames
from aiida_dismai.engine.structures import Property, StructureSet, load_structures, write_npz

CASES = Path(__file__).parents[2] / "data" / "cases" / "labelled"


def changed(frames: StructureSet, name: str, row: int, value: float) -> StructureSet:
    values = frames.values(name).copy()
    values[row] = value
    return frames.with_property(name, values)


def test_nothing_is_said_of_good_labels(frames: StructureSet):
    found = questionable(frames)
    assert found == {"n_questionable": 0, "questionable_frames": [], "warnings": []}


def test_one_energy_that_is_far_off_is_named():
    structures = load_structures(CASES / "outlier.extxyz")
    found = questionable(structures)
    assert found["n_questionable"] == 1
    item = found["questionable_frames"][0]
    energies = structures.values("energy") / structures.n_atoms
    assert (item["frame"], item["trajectory"]) == (2, 2)
    assert item["energy_off"] == pytest.approx(energies[2] - np.median(np.delete(energies, 2)), abs=0.01)
    assert item["reason"] == "energy off by +68.7 eV/atom"
    assert "frame 2 most" in found["warnings"][0]


def test_other_compositions_are_not_off_and_an_outlier_among_them_is():
    """Energies of two elements that differ by 1000 eV/atom."""
    rng = np.random.default_rng(0)
    numbers = [rng.choice([3, 79], size=8) for _ in range(30)]
    energies = np.array([(-5.0 * (own == 3) - 1005.0 * (own == 79)).sum() for own in numbers])
    energies += rng.normal(scale=0.05, size=30)
    energies[7] -= 8 * 3.0
    structures = StructureSet(
        np.concatenate(numbers),
        rng.uniform(0, 9, size=(240, 3)),
        np.tile(9.0 * np.eye(3), (30, 1, 1)),
        np.ones((30, 3)),
        np.arange(31) * 8,
        {
            "energy": Property(energies, "structure", "eV"),
            "forces": Property(np.zeros((240, 3)), "atom"),
            "stress": Property(np.zeros((30, 3, 3)), "structure"),
        },
    )
    off = energy_off(structures)
    assert off[7] == pytest.approx(-3.0, abs=0.05)
    assert np.abs(np.delete(off, 7)).max() < 0.05
    assert [item["frame"] for item in questionable(structures)["questionable_frames"]] == [7]


def test_huge_forces_and_stresses_are_questioned(frames: StructureSet):
    structures = changed(changed(frames, "forces", 20, 80.0), "stress", 5, 320.0)
    found = questionable(structures)
    assert [item["frame"] for item in found["questionable_frames"]] == [5, 2]
    assert "139 eV/Å" in found["questionable_frames"][1]["reason"]
    assert "10 kbar = 1 GPa" in found["warnings"][1]


def test_all_are_counted_where_not_all_are_named(frames: StructureSet):
    many = StructureSet.concatenate([frames] * 2)
    many = many.with_property("stress", many.values("stress") + 500.0)
    found = questionable(many)
    assert (found["n_questionable"], len(found["questionable_frames"])) == (len(many), NAMED)


def test_few_frames_are_no_evidence(frames: StructureSet):
    few = changed(frames[: FEWEST - 1], "energy", 1, 1e4)
    assert questionable(few)["n_questionable"] == 0


def test_the_worst_frames_are_named(frames: StructureSet):
    forces, energy = frames.values("forces").copy(), frames.values("energy").copy()
    energy[3] += 8.0
    forces[8 * 11] += [0.0, 3.0, 4.0]
    found = worst_frames(Predictions(energy, forces, frames.values("stress")), frames)
    by_frame = {item["frame"]: item for item in found}
    assert by_frame[3]["error_energy"] == pytest.approx(1000.0)
    assert by_frame[11]["error_forces"] == pytest.approx(5000.0)
    assert (by_frame[3]["trajectory"], by_frame[11]["trajectory"]) == (1, 3)
    assert WORST <= len(found) <= 3 * WORST


def test_training_and_evaluation_name_them(folder, train_parameters, frames: StructureSet):
    structures = changed(frames, "energy", 4, 500.0)
    results = folder.run("potential.train", train_parameters | {"max_epochs": 1}, {"structures": structures}, seed=1)
    assert results["status"] == "finished"
    assert [item["frame"] for item in results["questionable_frames"]] == [4]
    assert any(item["frame"] == 4 and "energy" in item["largest_in"] for item in results["worst_frames"])
    assert {item["set"] for item in results["worst_frames"]} <= {"train", "validation", "test"}
    evaluated = folder.run("potential.evaluate", {}, {"structures": structures, "potential": folder.path / "potential"})
    assert evaluated["n_questionable"] == 1
    assert any(item["frame"] == 4 for item in evaluated["worst_frames"])


@pytest.mark.parametrize(
    ("missing", "other", "said"),
    [
        ("energy", "free_energy", "'free_energy' is there.*give it as 'energy'"),
        ("stress", "virial", "'virial' is there: give stress = −virial / volume"),
        ("forces", "REF_forces", "is 'REF_forces' meant"),
        ("stress", None, "the properties that are there: energy, forces"),
    ],
)
def test_a_missing_label_is_named_with_what_is_there(frames: StructureSet, tmp_path, missing, other, said):
    known = frames.properties[missing]
    structures = frames.without_properties(missing)
    if other:
        structures = structures.with_properties({other: known})
    write_npz(structures, tmp_path / "labelled.npz")
    with pytest.raises(BadInput, match=f"here: the structures have no '{missing}'.*{said}"):
        load_labelled(tmp_path / "labelled.npz", "here")


def test_labels_that_are_no_numbers_or_of_the_wrong_level(frames: StructureSet, tmp_path):
    words = frames.with_property("energy", np.full(len(frames), "low"))
    write_npz(words, tmp_path / "words.npz")
    with pytest.raises(BadInput, match="'energy' holds str"):
        load_labelled(tmp_path / "words.npz", "here")
    cluster = StructureSet(
        frames.numbers, frames.positions, frames.cells, np.zeros((len(frames), 3)), frames.offsets, frames.properties
    )
    write_npz(cluster, tmp_path / "cluster.npz")
    with pytest.raises(BadInput, match=r'not periodic.*pbc="F F F"'):
        load_labelled(tmp_path / "cluster.npz", "here")
