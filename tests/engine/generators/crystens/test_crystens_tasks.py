"""Training and sampling of CrysTens through the tasks; what it refuses; killed jobs."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from support.killed import run_and_kill, write_task

from aiida_dismai.engine.checkpoint import load_checkpoint, load_weights, save_weights
from aiida_dismai.engine.generators.crystens.config import CrystensParameters
from aiida_dismai.engine.generators.crystens.data import prepare
from aiida_dismai.engine.generators.crystens.sample import sample
from aiida_dismai.engine.generators.training import steps
from aiida_dismai.engine.generators.training.epochs import CHECKPOINT
from aiida_dismai.engine.generators.weights import load_generator
from aiida_dismai.engine.structures import Property, StructureSet, read_npz, write_npz
from aiida_dismai.engine.trained import GENERATOR

SMALL = {"width": 8, "small_side": 8, "steps": 4, "validation_steps": 2, "batch_size": 4, "sampling_steps": 3}


def train(run, name, structures, validation=None, seed=1, **options):
    parameters = {"model": "crystens", "threads": 1, "device": "cpu", "hyperparameters": SMALL | options}
    inputs = {} if validation is None else {"validation": validation}
    return run("generator.train", name, parameters, seed=seed, structures=structures, **inputs)


def weights_of(results):
    return load_weights(results["folder"] / "generator" / "weights.safetensors")


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def with_regions(structures):
    """Every second atom in the random region."""
    region = np.tile([0, 1], len(structures.numbers) // 2)
    properties = {"region": Property(region, "atom", "")}
    return StructureSet(
        structures.numbers, structures.positions, structures.cells, structures.pbc, structures.offsets, properties
    )


@pytest.fixture(scope="module")
def parameters():
    return CrystensParameters(**SMALL)


@pytest.fixture(scope="module")
def whole(run_once, toy):
    """A training that ran without interruption."""
    return train(run_once, "whole", toy)


@pytest.fixture(scope="module")
def trained(run_once, toy):
    """A generator with a random region."""
    return train(run_once, "trained", with_regions(toy), steps=2)


# ---------------------------------------------------------------------- training


def test_what_training_leaves_behind(run, crystals):
    results = train(run, "a", crystals(8), crystals(3, seed=7))
    assert results["status"] == "finished"
    assert (results["side"], results["shuffled_atoms"]) == (24, 0)
    with np.load(results["folder"] / "curves.npz") as curves:
        for name in ("small", "large"):
            assert curves[f"{name}_step"].tolist() == [3, 4]
            losses = curves[f"{name}_validation_loss"]
            assert results[f"{name}_best_step"] == [3, 4][int(np.argmin(losses))]
            assert results[f"{name}_final_train_loss"] == curves[f"{name}_train_loss"][-1]
            assert 0.2 < results[f"{name}_final_train_loss"] < 3  # of noise predicted as nothing, weighted
    counts = {}
    for name, value in weights_of(results).items():
        counts[name[:8]] = counts.get(name[:8], 0) + value.numel()
    assert results["trainable_parameters"] == {"small": counts["unets.0."], "large": counts["unets.1."]}
    config = json.loads((results["folder"] / "generator" / "config.json").read_text())["model_config"]
    assert config["padding"] == 5
    assert config["maximum"]["species"] == 17
    assert config["minimum"]["dx"] == -config["maximum"]["dx"]


def test_seeds(run, toy, trained):
    again = train(run, "a", with_regions(toy), steps=2)
    assert same(weights_of(trained), weights_of(again))
    assert not same(weights_of(trained), weights_of(train(run, "b", with_regions(toy), seed=6, steps=2)))


def test_shuffles_of_the_random_region_only(toy, parameters):
    """Sodium atoms 0, 2 and chlorine atoms 4, 6 may change places."""
    images, pictures = prepare(with_regions(toy), with_regions(toy), parameters)
    assert pictures.shuffles.most() == 4
    assert pictures.shuffles.probability == pytest.approx(49 / 50)
    plain = images.decode(images.encode(pictures.coordinates[False][:1]))[0][0]
    seen = set()
    for i in range(20):
        shown = pictures.clean([0], False, torch.Generator().manual_seed(i), torch.device("cpu"))
        found = images.decode((shown + 1) / 2)[0][0]
        for atom in (1, 3, 5, 7):
            torch.testing.assert_close(found[atom], plain[atom])
        where = [int((plain - found[atom]).abs().sum(dim=1).argmin()) for atom in (0, 2, 4, 6)]
        assert (sorted(where[:2]), sorted(where[2:])) == ([0, 2], [4, 6])
        seen.add(tuple(where))
    assert len(seen) == 4
    assert prepare(toy, None, parameters)[1].shuffles is None
    everything = CrystensParameters(**SMALL, shuffle="all")
    assert prepare(toy, None, everything)[1].shuffles.most() == 8


def test_two_processes_are_one_with_the_same_batches(run, toy):
    """Both networks are trained, in spawned processes that are sent the images."""
    both = train(run, "both", toy, devices=2, batch_size=2, steps=1)
    assert both["status"] == "finished"
    alone = weights_of(train(run, "alone", toy, accumulate=2, batch_size=2, steps=1))
    assert weights_of(both).keys() == alone.keys()
    for name, value in weights_of(both).items():
        torch.testing.assert_close(value, alone[name], atol=1e-5, rtol=1e-3)


def test_bfloat16_and_a_batch_size_by_a_dry_run(run, toy):
    results = train(run, "a", toy, precision="bf16", batch_size="auto", steps=1)
    assert results["status"] == "finished"
    assert results["small_batch_size"] == results["large_batch_size"] == len(toy)


# ---------------------------------------------------------------------- killed jobs
def progress(place):
    """Return network and steps of all networks of the last line of progress."""
    path = place / "progress.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return (lines[-1]["network"], lines[-1]["done"]) if lines else (0, 0)


def test_a_job_killed_in_the_middle_of_either_network_ends_as_if_it_had_not_been(run, toy, tmp_path, whole):
    place = tmp_path / "killed"
    place.mkdir()
    write_npz(toy, place / "structures.npz")
    hyper = SMALL | {"checkpoint_seconds": 0.0}
    parameters = {"model": "crystens", "threads": 1, "device": "cpu", "hyperparameters": hyper}
    write_task(place, "generator.train", parameters, structures="structures.npz")
    path = place / "checkpoint" / CHECKPOINT
    run_and_kill(place, path.is_file)
    first = load_checkpoint(path)["networks"]
    assert list(first) == ["small"]
    assert 0 < first["small"]["count"] < 4

    written = []

    def second_has_begun():
        """Progress was of the second network, and a checkpoint has been written since."""
        if progress(place)[0] == 2:
            written.append(path.stat().st_mtime_ns)
        return len(set(written)) > 1

    run_and_kill(place, second_has_begun)
    resumed = train(run, "killed", toy, checkpoint_seconds=1e6)
    assert resumed["status"] == "finished"
    assert resumed["small_resumed_from_step"] == 4
    assert 0 < resumed["large_resumed_from_step"] < 4
    assert same(weights_of(resumed), weights_of(whole))


def test_a_job_that_ends_between_the_networks(run, toy, monkeypatch, tmp_path, whole):
    """Its checkpoint has the first network alone, at its last step."""

    class Killed(BaseException):
        pass

    real, calls = steps.AveragedDescent, []

    def second_is_killed(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise Killed
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "AveragedDescent", second_is_killed)
        with pytest.raises(Killed):
            train(run, "killed", toy)
    state = load_checkpoint(tmp_path / "killed" / "checkpoint" / CHECKPOINT)["networks"]
    assert list(state) == ["small"]
    assert state["small"]["count"] == 4
    resumed = train(run, "killed", toy)
    assert (resumed["small_resumed_from_step"], resumed["large_resumed_from_step"]) == (4, 0)
    assert "small_seconds_per_step" not in resumed
    assert same(weights_of(resumed), weights_of(whole))


# ---------------------------------------------------------------------- sampling
def test_a_structure_depends_on_its_index_only(trained):
    generator = load_generator(trained["folder"] / "generator")
    together = sample(generator, [0, 1, 2], 9, "cpu")
    apart = sample(generator, [2, 1], 9, "cpu")
    assert np.array_equal(together[2].positions, apart[0].positions)
    assert np.array_equal(together[1].positions, apart[1].positions)
    assert not np.array_equal(together[0].positions, together[1].positions)
    assert not np.array_equal(sample(generator, [1], 10, "cpu").positions, apart[1].positions)


def test_samples_have_the_atoms_and_the_cell_of_the_template_and_statistics(run, trained, toy):
    results = run(
        "generator.sample", "sample", {"n_structures": 4, "device": "cpu"}, generator=trained["folder"] / "generator"
    )
    assert (results["n_structures"], results["n_rejected"]) == (4, 0)
    found = read_npz(results["folder"] / "structures.npz")
    assert set(found.formulas) == {"Na4Cl4"}
    assert np.array_equal(found.cells[3], toy.cells[0])
    assert found.values("region").tolist() == [0, 1] * 16
    for name in ("species_accuracy", "cell_lengths", "cell_angles", "space_group", "coordinates", "pair_distances"):
        assert results[f"reconstruction_{name}"] == pytest.approx(found.values(f"reconstruction_{name}").mean())
    assert 0 <= results["reconstruction_species_accuracy"] <= 1
    assert results["reconstruction_coordinates"] > 0  # the networks have learned nothing yet


# ---------------------------------------------------------------------- bad input
def refused(run, structures, message, validation=None, **options):
    results = train(run, "bad", structures, validation, **options)
    assert results["error"]["kind"] == "bad_input"
    assert message in results["error"]["message"]


def test_species_that_are_not_sorted_by_element(run, toy):
    mixed = StructureSet.from_uniform([11, 17] * 4, toy.positions.reshape(-1, 8, 3), toy.cells[0])
    refused(run, mixed, "sort them by element first")


def test_one_structure_only(run, crystals):
    refused(run, crystals(1), "CrysTens cannot learn from one structure; give at least two")


def test_a_padding_that_does_not_divide(run, toy):
    refused(run, toy, "give 'auto' or 5, 13, …", padding=1)


@pytest.mark.parametrize("side", [10, 2])
def test_a_side_of_the_small_images_that_does_not_divide(run, toy, side):
    refused(run, toy, "small_side", small_side=side)


def test_other_compositions_and_cells(run, toy, crystals):
    numbers = np.where(toy.numbers == 11, 19, toy.numbers)
    potassium = StructureSet(numbers, toy.positions, toy.cells, toy.pbc, toy.offsets)
    refused(run, toy, "validation structures: K4Cl4 is not Na4Cl4", validation=potassium)
    cells = toy.cells.copy()
    cells[3] *= 1.1
    refused(run, StructureSet(toy.numbers, toy.positions, cells, toy.pbc, toy.offsets), "CrysTens learns one cell only")
    refused(run, StructureSet.concatenate([toy, potassium]), "training structures")


def test_the_weights_of_a_network_are_missing(run, trained, tmp_path):
    folder = shutil.copytree(trained["folder"] / "generator", tmp_path / "generator")
    weights = {name: value for name, value in weights_of(trained).items() if name.startswith("unets.0.")}
    save_weights(folder / "weights.safetensors", weights)
    config = json.loads((folder / "config.json").read_text())
    GENERATOR.write_config(folder, {k: v for k, v in config.items() if k not in ("format", "version", "sha256")})
    results = run("generator.sample", "sample", {"n_structures": 1, "device": "cpu"}, generator=folder)
    assert "no weights of the network of large images" in results["error"]["message"]
