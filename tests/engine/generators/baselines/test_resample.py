"""The model ``resample``: every held-out structure as often as any other, whole, and only with held-out structures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aiida_dismai.engine.checkpoint import load_weights, save_weights
from aiida_dismai.engine.generators.registry import describe, registered
from aiida_dismai.engine.structures import StructureSet, read_npz
from aiida_dismai.engine.trained import sha256

MODEL = {"model": "resample"}


@pytest.fixture
def trained(run, toy, crystals):
    results = run("generator.train", "trained", MODEL, structures=toy, validation=crystals(7, seed=9))
    assert results["status"] == "finished", results["error"]
    return results


def sampled(run, trained, name, seed=1, **parameters) -> StructureSet:
    results = run("generator.sample", name, parameters, seed, generator=trained["folder"] / "generator")
    assert results["status"] == "finished", results["error"]
    return read_npz(results["folder"] / "structures.npz")


def test_held_out_structures_come_back_whole_and_each_once_before_any_twice(run, trained, crystals):
    held_out = crystals(7, seed=9)
    made = sampled(run, trained, "s", n_structures=21)
    source = made.values("source").reshape(3, 7)
    np.testing.assert_array_equal(np.sort(source, axis=1), np.tile(np.arange(7), (3, 1)))
    assert len({tuple(order) for order in source.tolist()}) == 3
    for one in made:
        assert one.without_properties() == held_out[int(one.values("source")[0])]
    assert (trained["n_held_out"], trained["n_validation"], trained["n_training"]) == (7, 7, 8)
    assert (trained["n_also_in_training"], trained["trainable_parameters"]) == (0, {})


def test_a_structure_depends_on_its_seed_and_index_only(run, trained):
    whole = sampled(run, trained, "whole", n_structures=17)
    assert sampled(run, trained, "batched", n_structures=17, batch_size=3) == whole
    assert sampled(run, trained, "part", n_structures=6, first=5) == whole[5:11]
    other = sampled(run, trained, "other", seed=2, n_structures=7)
    assert other.values("source").tolist() != whole.values("source")[:7].tolist()


def test_orders_are_fair_over_the_seeds(run, trained):
    from aiida_dismai.engine.generators.baselines.resample.sample import draw

    first = np.bincount([draw(5, [0], seed)[0] for seed in range(2000)], minlength=5)
    # χ² of four degrees of freedom, 1e-4
    assert ((first - 400) ** 2 / 400).sum() < 23.5


def test_structures_of_any_size_and_their_regions_come_back(run):
    rng = np.random.default_rng(0)
    sizes = [3, 1, 5, 2]

    def make(region):
        numbers = np.concatenate([np.r_[3, [8] * (size - 1)] for size in sizes])
        made = StructureSet(
            numbers,
            rng.random((11, 3)) * 9,
            np.stack([np.eye(3) * (5 + size) for size in sizes]),
            [[True, True, size > 2] for size in sizes],
            np.concatenate([[0], np.cumsum(sizes)]),
        ).with_property("energy", rng.random(4))
        return made.with_property("region", rng.integers(0, 3, 11)) if region else made

    for region in (True, False):
        training, held_out = make(region), make(region)
        results = run("generator.train", f"t{region}", MODEL, structures=training, validation=held_out)
        made = sampled(run, results, f"s{region}", n_structures=4)
        # energies are what the evaluation has to find out
        wanted = held_out[made.values("source")].without_properties("energy")
        assert made.without_properties("source", "sample") == (wanted if region else wanted.without_properties())


def test_it_needs_held_out_structures_and_says_so(run, toy):
    results = run("generator.train", "t", MODEL, structures=toy)
    assert results["error"]["kind"] == "bad_input"
    assert "as the input 'validation'" in results["error"]["message"]
    assert "not among them" in results["error"]["message"]


def test_training_structures_are_not_held_out(run, toy, crystals):
    results = run("generator.train", "all", MODEL, structures=toy, validation=toy[[3, 1]])
    assert results["error"]["kind"] == "bad_input"
    assert "all 2 are training structures too" in results["error"]["message"]
    mixed = StructureSet.concatenate([toy[[3, 1]], crystals(3, seed=9)])
    results = run("generator.train", "some", MODEL, structures=toy, validation=mixed)
    assert (results["status"], results["n_held_out"], results["n_also_in_training"]) == ("finished", 5, 2)


def test_structures_of_another_source_are_refused(run, toy):
    other = StructureSet.from_uniform([11, 35], [[[0, 0, 0], [2, 2, 2]]], np.eye(3) * 5)
    results = run("generator.train", "t", MODEL, structures=toy, validation=other)
    assert results["error"]["kind"] == "bad_input"
    assert "Br is in no training structure (Na, Cl)" in results["error"]["message"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda weights: weights.pop("cells"), "lack cells"),
        (lambda weights: weights.update(numbers=weights["numbers"][:5]), "do not fit each other"),
        (lambda weights: weights.update({n: weights[n][:0] for n in ("numbers", "positions", "cells", "pbc")}), "fit"),
    ],
)
def test_weights_that_are_not_whole_are_refused(run, trained, spoil, message):
    folder = trained["folder"] / "generator"
    weights = load_weights(folder / "weights.safetensors")
    spoil(weights)
    save_weights(folder / "weights.safetensors", weights)
    config = json.loads((folder / "config.json").read_text())
    config["sha256"]["weights.safetensors"] = sha256((folder / "weights.safetensors").read_bytes())
    (folder / "config.json").write_text(json.dumps(config))
    results = run("generator.sample", "s", {"n_structures": 1}, generator=folder)
    assert results["error"]["kind"] == "bad_weights"
    assert message in results["error"]["message"]


def test_both_baselines_are_registered_and_described():
    models = registered()
    for name in ("random", "resample"):
        assert models[name].name == name
        assert "baseline without learning" in models[name].summary
        with open(models[name].readme) as file:
            assert file.read().startswith(f"# {name}\n")
    assert describe("resample")["parameters"] == {}
