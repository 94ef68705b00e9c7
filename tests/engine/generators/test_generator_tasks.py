from __future__ import annotations

import json

import numpy as np
import pytest

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.generators.registry import describe
from aiida_dismai.engine.store import PIECES
from aiida_dismai.engine.structures import read_npz, write_extxyz
from aiida_dismai.engine.tasks import find_task

pytestmark = pytest.mark.engine


@pytest.fixture
def trained(run, toy, tiny):
    labelled = toy.with_property("region", np.tile([0, 0, 1, 1, 2, 2, 3, 3], len(toy)))
    results = run(
        "generator.train", "trained", {"model": "cryingan", "threads": 1, "hyperparameters": tiny}, structures=labelled
    )
    assert results["status"] == "finished"
    return results["folder"] / "generator"


def positions(results):
    return read_npz(results["folder"] / "structures.npz").positions


def test_samples_have_the_templates_atoms_cell_and_regions(run, trained, toy):
    results = run("generator.sample", "s", {"n_structures": 5}, generator=trained)
    assert (results["n_requested"], results["n_structures"], results["n_nonfinite"]) == (5, 5, 0)
    assert results["seconds_per_structure"] > 0
    structures = read_npz(results["folder"] / "structures.npz")
    assert structures.formulas == ["Na4Cl4"] * 5
    np.testing.assert_array_equal(structures.cells, toy.cells[:5])
    assert structures.values("sample").tolist() == [0, 1, 2, 3, 4]
    assert structures.values("region").tolist() == [0, 0, 1, 1, 2, 2, 3, 3] * 5
    assert (structures.positions >= 0).all()
    assert (structures.positions <= 5.0).all()
    spread = structures.positions.reshape(5, -1)
    assert len(np.unique(spread.round(5), axis=0)) == 5


def test_batches_and_jobs_divide_the_work_without_changing_it(run, trained):
    whole = positions(run("generator.sample", "whole", {"n_structures": 7}, generator=trained))
    batched = positions(run("generator.sample", "batched", {"n_structures": 7, "batch_size": 2}, generator=trained))
    np.testing.assert_allclose(batched, whole, atol=1e-5)
    job = run("generator.sample", "job", {"n_structures": 4, "first": 3}, generator=trained)
    np.testing.assert_allclose(positions(job), whole[3 * 8 :], atol=1e-5)
    assert read_npz(job["folder"] / "structures.npz").values("sample").tolist() == [3, 4, 5, 6]
    other = run("generator.sample", "other", {"n_structures": 7}, seed=2, generator=trained)
    assert np.abs(positions(other) - whole).max() > 1e-3


def test_sampling_goes_on_after_its_time_is_up(run, trained):
    parameters = {"n_structures": 6, "batch_size": 2}
    whole = positions(run("generator.sample", "whole", parameters, generator=trained))
    with pytest.MonkeyPatch.context() as patch:
        answers = iter([False, True])
        patch.setattr(Context, "out_of_time", lambda self: next(answers))
        results = run("generator.sample", "pieces", parameters, generator=trained)
    assert results["status"] == "unfinished"
    assert "2 of 6 structures" in results["error"]["message"]
    kept = results["folder"] / "checkpoint" / PIECES
    written = kept.read_bytes()
    results = run("generator.sample", "pieces", parameters, generator=trained)
    assert results["status"] == "finished"
    assert kept.read_bytes().startswith(written)
    np.testing.assert_array_equal(positions(results), whole)
    # as after running out of memory, and when more are asked for
    results = run("generator.sample", "pieces", {"n_structures": 7, "batch_size": 1}, generator=trained)
    np.testing.assert_array_equal(positions(results)[: 6 * 8], whole)
    assert read_npz(results["folder"] / "structures.npz").values("sample").tolist() == list(range(7))
    results = run("generator.sample", "pieces", parameters | {"first": 1}, generator=trained)
    assert "checkpoint of another run (parameters.first differs)" in results["error"]["message"]


def test_a_checkpoint_of_another_run_is_refused(run, toy, tiny):
    run("generator.train", "a", {"model": "cryingan", "hyperparameters": tiny}, structures=toy)
    results = run("generator.train", "a", {"model": "cryingan", "hyperparameters": tiny}, seed=2, structures=toy)
    assert results["error"]["kind"] == "bad_input"
    assert "checkpoint of another run (seed differs)" in results["error"]["message"]


def test_how_often_a_checkpoint_is_written_may_change(run, toy, tiny):
    run("generator.train", "a", {"model": "cryingan", "hyperparameters": tiny}, structures=toy)
    often = tiny | {"checkpoint_seconds": 1.0}
    results = run("generator.train", "a", {"model": "cryingan", "hyperparameters": often}, structures=toy)
    assert results["status"] == "finished"
    other = tiny | {"gradient_penalty": 0.5}
    results = run("generator.train", "a", {"model": "cryingan", "hyperparameters": other}, structures=toy)
    assert "checkpoint of another run (hyperparameters.gradient_penalty differs)" in results["error"]["message"]
    assert "free to change: batch_size, checkpoint_epochs, checkpoint_seconds, device, epochs" in str(results)


def test_the_remedies_resume_from_the_checkpoint(run, toy, tiny):
    """A smaller batch where memory ran out, a lower learning rate after a divergence, more epochs; and no other run."""
    values = {"model": "cryingan", "hyperparameters": tiny}
    run("generator.train", "a", values, structures=toy)
    for remedy in ({"batch_size": 1}, {"learning_rate": 1e-7}, {"epochs": 5}):
        values["hyperparameters"] |= remedy
        path = f"hyperparameters.{next(iter(remedy))}"
        assert path in find_task("generator.train").validate(values).free()
        results = run("generator.train", "a", values, structures=toy)
        assert (results["status"], results["resumed_from_epoch"]) == ("finished", 3)
    assert results["epochs"] == 5
    assert results["steps_per_epoch"] == 8


def test_a_refused_run_does_not_keep_the_folder(run, toy, tiny):
    parameters = {"model": "cryingan", "hyperparameters": tiny}
    overlapping = toy.with_positions(np.zeros_like(toy.positions))
    assert "Å from another atom" in run("generator.train", "a", parameters, structures=overlapping)["error"]["message"]
    assert run("generator.train", "a", parameters, structures=toy)["status"] == "finished"


def test_weights_of_another_shape_are_refused(run, trained):
    record = json.loads((trained / "config.json").read_text())
    record["hyperparameters"]["latent_dim"] = 9
    (trained / "config.json").write_text(json.dumps(record))
    results = run("generator.sample", "s", {"n_structures": 1}, generator=trained)
    assert results["error"]["kind"] == "bad_weights"
    assert "do not fit its configuration" in results["error"]["message"]
    assert "\n" not in results["error"]["message"]


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("hyperparameters", [1], "'hyperparameters' is not what generator.train writes"),
        ("model_version", "a", "'model_version' is not what generator.train writes"),
    ],
)
def test_a_configuration_of_wrong_types_is_refused(run, trained, entry, value, message):
    record = json.loads((trained / "config.json").read_text())
    record[entry] = value
    (trained / "config.json").write_text(json.dumps(record))
    results = run("generator.sample", "s", {"n_structures": 1}, generator=trained)
    assert results["error"]["kind"] == "bad_weights"
    assert message in results["error"]["message"]


@pytest.mark.parametrize("task", ["generator.train", "generator.sample"])
def test_a_seed_is_required(run, task, toy, trained):
    inputs = {"structures": toy} if task == "generator.train" else {"generator": trained}
    parameters = {"model": "cryingan"} if task == "generator.train" else {}
    results = run(task, "s", parameters, seed=None, **inputs)
    assert "give it an integer 'seed'" in results["error"]["message"]


def test_an_empty_set_is_refused(run, toy, tiny):
    results = run("generator.train", "a", {"model": "cryingan", "hyperparameters": tiny}, structures=toy[0:0])
    assert "the set of structures is empty" in results["error"]["message"]


# ---------------------------------------------------------------------- a model that is not ours
def test_a_foreign_model_is_described_trained_and_sampled_like_our_own(run, foreign, toy, crystals, tmp_path):
    write_extxyz(toy, tmp_path / "toy.extxyz")
    description = describe(foreign, tmp_path / "toy.extxyz")
    assert description["trainable_parameters"] == {"mean": 24}
    assert description["parameters"]["width"] == {
        "default": 0.1,
        "description": "standard deviation, Å",
        "type": "number",
        "bounds": {"minimum": 0, "maximum": 1},
    }
    results = run("generator.train", "t", {"model": foreign}, structures=toy, validation=crystals(3, seed=9))
    assert (results["status"], results["n_held_out"], results["n_training"]) == ("finished", 3, 8)
    sampled = run("generator.sample", "s", {"n_structures": 500}, generator=results["folder"] / "generator")
    noise = positions(sampled).reshape(500, 8, 3) - toy.positions.reshape(8, 8, 3).mean(axis=0)
    assert noise.std() == pytest.approx(0.1, rel=0.05)


def test_misspelt_hyperparameters_of_a_foreign_model_get_its_nearest_name(run, foreign, toy):
    results = run("generator.train", "t", {"model": foreign, "hyperparameters": {"widht": 1}}, structures=toy)
    assert results["error"]["message"] == "model 'meanfield': unknown parameter 'widht'; did you mean 'width'?"


def test_structures_that_are_not_finite_are_left_out_and_counted(run, foreign, toy):
    parameters = {"model": foreign, "hyperparameters": {"spoil": 2}}
    folder = run("generator.train", "t", parameters, structures=toy)["folder"] / "generator"
    results = run("generator.sample", "s", {"n_structures": 5, "batch_size": 3}, generator=folder)
    assert (results["n_requested"], results["n_structures"], results["n_nonfinite"]) == (5, 4, 1)
    assert read_npz(results["folder"] / "structures.npz").values("sample").tolist() == [0, 1, 3, 4]
    nothing = run("generator.sample", "n", {"n_structures": 1, "first": 2}, generator=folder)
    assert nothing["error"]["kind"] == "nothing_left"


def test_structures_that_a_model_rejects_are_left_out_and_counted(run, foreign, toy, monkeypatch):
    """The model rejects those with an odd index, and says how far it had moved the atoms of all."""
    import foreign_model

    parameters = {"model": foreign, "hyperparameters": {"spoil": 3}}
    folder = run("generator.train", "t", parameters, structures=toy)["folder"] / "generator"
    original = foreign_model.sample

    def sample(generator, indices, seed, device):
        found = original(generator, indices, seed, device)
        moved = np.array([float(i) for i in indices])
        return found.with_property("moved", moved, "structure", "Å").with_property(
            "rejected", moved % 2 == 1, "structure"
        )

    monkeypatch.setattr(foreign_model, "sample", sample)
    monkeypatch.setattr(
        foreign_model, "statistics", lambda all_of_them: {"moved": all_of_them.values("moved").sum()}, raising=False
    )
    object.__setattr__(foreign_model.SPEC, "statistics", "foreign_model:statistics")
    results = run("generator.sample", "s", {"n_structures": 6, "batch_size": 4}, generator=folder)
    counts = [results[name] for name in ("n_requested", "n_structures", "n_nonfinite", "n_rejected", "moved")]
    assert counts == [6, 3, 1, 2, 15.0]
    structures = read_npz(results["folder"] / "structures.npz")
    assert structures.values("sample").tolist() == structures.values("moved").tolist() == [0, 2, 4]
    assert "rejected" not in structures.properties
    nothing = run("generator.sample", "n", {"n_structures": 1, "first": 5}, generator=folder)
    assert nothing["error"]["kind"] == "nothing_left"
    assert "'meanfield' generated it rejected 1" in nothing["error"]["message"]
