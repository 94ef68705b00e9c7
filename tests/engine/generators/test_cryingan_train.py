from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from support.killed import run_and_kill, write_task
from support.weights import same_weights, weights_of

from aiida_dismai.engine.checkpoint import load_checkpoint
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Diverged, OutOfMemory
from aiida_dismai.engine.generators.cryingan.config import CryinganParameters
from aiida_dismai.engine.generators.cryingan.data import prepare
from aiida_dismai.engine.generators.cryingan.train import EARLIER, Adversaries, train
from aiida_dismai.engine.generators.training.epochs import CHECKPOINT
from aiida_dismai.engine.structures import StructureSet, write_npz


def check(structures, **parameters):
    return prepare(structures, structures[0], CryinganParameters(**parameters), "cpu", "training structures")


def test_a_batch_that_does_not_fit_is_named(toy, tmp_path, monkeypatch):
    def step(self, real, train_generator):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(Adversaries, "step", step)
    parameters = CryinganParameters(batch_size=4, epochs=1)
    with pytest.raises(OutOfMemory, match=r"^epoch 1, step 1: 4 structures do not fit.*a smaller batch_size may help"):
        train(toy, None, parameters, Context(tmp_path, seed=1), "cpu")


# ---------------------------------------------------------------------- bad input
def test_structures_with_other_atoms_are_refused(toy, crystals):
    fewer = StructureSet.from_uniform([11] * 3 + [17] * 4, np.zeros((1, 7, 3)), toy.cells[0])
    with pytest.raises(BadInput, match=r"structure 8 \(Na3Cl4\) differs from structure 0 \(Na4Cl4\)"):
        check(StructureSet.concatenate([toy, fewer]))


def test_a_cell_that_is_not_the_templates_is_named_with_its_deviation(toy):
    cells = toy.cells.copy()
    cells[5, 2, 2] += 0.02
    other = StructureSet(toy.numbers, toy.positions, cells, toy.pbc, toy.offsets)
    with pytest.raises(BadInput, match=r"cell of structure 5 differs from the template's by 0\.02 Å"):
        check(other)
    cells[5, 2, 2] -= 0.0199
    assert len(check(StructureSet(toy.numbers, toy.positions, cells, toy.pbc, toy.offsets))) == 8


def test_elements_that_are_not_grouped_are_refused(toy):
    mixed = StructureSet(np.tile([11, 17] * 4, 8), toy.positions, toy.cells, toy.pbc, toy.offsets)
    with pytest.raises(BadInput, match="not grouped by element"):
        check(mixed)


def test_nan_and_overlapping_coordinates_are_refused(toy):
    positions = toy.positions.copy()
    positions[9] = np.nan
    with pytest.raises(BadInput, match="NaN or infinite coordinates in structure 1"):
        check(toy.with_positions(positions))
    positions[9] = positions[8] + [5.0, -5.0, 0.3]  # on top of each other through two faces of the cell
    with pytest.raises(BadInput, match=r"atom [01] of structure 1 is 0\.300 Å from another atom"):
        check(toy.with_positions(positions))


def test_too_few_atoms_for_the_distance_critic(toy):
    small = StructureSet.from_uniform([11, 17], toy.positions.reshape(8, 8, 3)[:, [0, 4]], toy.cells[0])
    with pytest.raises(BadInput, match="lower n_neighbors to 1"):
        check(small)
    assert check(small, critics="coordinates").distances is None


def test_atoms_outside_an_axis_that_is_no_period(toy):
    slab = StructureSet(
        toy.numbers, toy.positions + np.array([5.0, 0, 0]), toy.cells, np.tile([True, True, False], (8, 1)), toy.offsets
    )
    inside = check(slab).coordinates
    assert float(inside.min()) >= 0
    assert float(inside.max()) < 1
    with pytest.raises(BadInput, match="outside the cell along axis 2"):
        check(slab.with_positions(slab.positions + np.array([0, 0, 3.0])))


def test_coordinates_are_wrapped_into_the_cell(toy):
    moved = check(toy.with_positions(toy.positions + np.array([5.0, -10.0, 1.25])))
    expected = (toy.positions / 5.0 + [0, 0, 0.25]) % 1
    np.testing.assert_allclose(moved.coordinates.numpy().reshape(-1, 3), expected, atol=1e-6)
    torch.testing.assert_close(moved.distances, check(toy).distances, atol=1e-5, rtol=0)


def test_validation_structures_must_fit_the_training_structures(run, toy, crystals, tiny):
    other = StructureSet.from_uniform([19] * 4 + [17] * 4, crystals(2).positions.reshape(2, 8, 3), np.eye(3) * 5.0)
    results = run(
        "generator.train", "a", {"model": "cryingan", "hyperparameters": tiny}, structures=toy, validation=other
    )
    assert results["error"]["kind"] == "bad_input"
    assert "validation structures: K4Cl4 is not Na4Cl4" in results["error"]["message"]


# ---------------------------------------------------------------------- training
def test_what_training_leaves_behind(run, toy, crystals, tiny):
    parameters = {"model": "cryingan", "threads": 1, "hyperparameters": tiny | {"batch_size": 3}}
    results = run("generator.train", "a", parameters, structures=toy, validation=crystals(4, seed=7))
    assert results["status"] == "finished"
    assert (results["n_training"], results["n_validation"], results["epochs"]) == (8, 4, 3)
    assert (results["steps_per_epoch"], results["generator_steps_per_epoch"]) == (3, 1)  # batches of 3, 3 and 2
    assert set(results["trainable_parameters"]) == {"generator", "critic_coordinates", "critic_distances"}
    assert results["seconds_per_epoch"] == pytest.approx(3 * results["seconds_per_step"])
    assert "critic_distances_overfitting" in results
    with np.load(results["folder"] / "curves.npz") as curves:
        assert curves["epoch"].tolist() == [1, 2, 3]
        for name in ("generator_loss", "critic_coordinates_wasserstein", "critic_distances_penalty"):
            assert np.isfinite(curves[name]).all()
            assert results[f"final_{name}"] == pytest.approx(curves[name][-1])
        np.testing.assert_allclose(
            curves["critic_distances_loss"],
            10 * curves["critic_distances_penalty"] - curves["critic_distances_wasserstein"],
            rtol=1e-4,
        )
    last = json.loads((results["folder"] / "progress.jsonl").read_text().splitlines()[-1])
    assert (last["stage"], last["done"], last["total"]) == ("train", 3, 3)


@pytest.mark.parametrize("critics", ["coordinates", "distances"])
def test_one_critic_alone(run, toy, tiny, critics):
    results = run(
        "generator.train", "a", {"model": "cryingan", "hyperparameters": tiny | {"critics": critics}}, structures=toy
    )
    assert set(results["trainable_parameters"]) == {"generator", f"critic_{critics}"}
    assert np.isfinite(results["final_generator_loss"])


def test_the_generator_is_trained_on_batches_0_5_10(toy, tiny):
    parameters = CryinganParameters(**tiny | {"batch_size": 1})
    nets = Adversaries(toy[0], parameters, 1, "cpu")
    data = prepare(toy, toy[0], parameters, "cpu", "")
    view = {"coordinates": data.coordinates[:1], "distances": data.distances[:1]}
    before = {name: [p.detach().clone() for p in net.parameters()] for name, net in nets.networks().items()}

    def changed():
        return {
            name: any(not torch.equal(a, b) for a, b in zip(before[name], net.parameters(), strict=True))
            for name, net in nets.networks().items()
        }

    assert np.isnan(nets.step(view, train_generator=False)[-1])
    assert changed() == {"generator": False, "critic_coordinates": True, "critic_distances": True}
    assert np.isfinite(nets.step(view, train_generator=True)[-1])
    assert changed()["generator"]


def test_lambda_weighs_the_distance_critic_in_the_generators_loss(toy, tiny):
    losses = {}
    for weight in (0.05, 2.05):
        parameters = CryinganParameters(**tiny | {"lambda_distance": weight, "learning_rate": 1e-12})
        data = prepare(toy, toy[0], parameters, "cpu", "")
        nets = Adversaries(toy[0], parameters, 1, "cpu")
        losses[weight] = nets.step({"coordinates": data.coordinates, "distances": data.distances}, True)[-1]
    random = torch.Generator().manual_seed(1)
    nets = Adversaries(toy[0], parameters, 1, "cpu")
    random.set_state(nets.random.get_state())
    with torch.no_grad():
        generated = nets.generator(torch.randn(8, parameters.latent_dim, generator=random))
        score = nets.critics["distances"](nets.distances(generated)).mean().item()
    assert losses[2.05] - losses[0.05] == pytest.approx(-2 * score, rel=1e-3)


def test_seeds(run, toy, tiny):
    parameters = {"model": "cryingan", "threads": 1, "hyperparameters": tiny}
    first = run("generator.train", "a", parameters, seed=5, structures=toy)
    again = run("generator.train", "b", parameters, seed=5, structures=toy)
    other = run("generator.train", "c", parameters, seed=6, structures=toy)
    assert same_weights(weights_of(first), weights_of(again))
    assert not same_weights(weights_of(first), weights_of(other))


@pytest.mark.parametrize("pooling", ["mean", "max", "mix"])
def test_a_gan_learns_where_the_atoms_of_a_crystal_are(crystals, tmp_path, pooling):
    """Random points are 1.3 Å from the nearest site of their element on average, the data 0.08 Å."""
    structures = crystals(64)
    parameters = CryinganParameters(
        latent_dim=8,
        generator_channels=(32, 64, 64, 32),
        critic_channels=(64, 64, 64),
        critic_head=(64, 32, 10),
        batch_size=16,
        epochs=60,
        learning_rate=3e-3,
        gradient_penalty=1.0,
        generator_interval=2,
        pooling=pooling,
    )

    def mean_distance(generator):
        with torch.no_grad():
            points = generator.eval()(torch.randn(64, 8, generator=torch.Generator().manual_seed(3)))
        distances = []
        sites = structures.positions.reshape(64, 8, 3).mean(axis=0) / 5.0
        for element in (slice(0, 4), slice(4, 8)):
            difference = points.numpy()[:, element, None] - sites[None, None, element]
            difference -= np.round(difference)
            distances.append(np.linalg.norm(5.0 * difference, axis=-1).min(axis=-1))
        return float(np.mean(distances))

    nets = Adversaries(structures[0], parameters, 1, "cpu")
    untrained = mean_distance(nets.generator)
    trained = train(structures, None, parameters, Context(tmp_path, seed=1), "cpu")
    nets.generator.load_state_dict(trained.weights)
    assert untrained > 1.3
    assert mean_distance(nets.generator) < 0.7


def test_a_loss_that_is_nan_stops_the_run_and_keeps_the_last_good_checkpoint(toy, tiny, tmp_path, monkeypatch):
    parameters = CryinganParameters(**tiny | {"epochs": 5, "checkpoint_epochs": 1})
    step = Adversaries.step

    def spoil(self, real, train_generator):
        if len(list(tmp_path.glob(f"checkpoint/{CHECKPOINT}"))) and self.spoiled:
            real = {name: view * float("nan") for name, view in real.items()}
        self.spoiled = True
        return step(self, real, train_generator)

    monkeypatch.setattr(Adversaries, "spoiled", False, raising=False)
    monkeypatch.setattr(Adversaries, "step", spoil)
    with pytest.raises(Diverged, match=r"epoch 2, step 1: critic_coordinates_loss became nan.*learning_rate.*kept$"):
        train(toy, None, parameters, Context(tmp_path, seed=1), "cpu")
    state = load_checkpoint(tmp_path / "checkpoint" / CHECKPOINT)
    assert state["epoch"] == 1
    assert all(bool(torch.isfinite(value).all()) for value in state["networks"]["generator"].values())


def test_weights_that_are_nan_never_replace_a_checkpoint(toy, tiny):
    nets = Adversaries(toy[0], CryinganParameters(**tiny), 1, "cpu")
    with torch.no_grad():
        nets.critics["distances"].map1.weight[0, 0] = float("nan")
    with pytest.raises(Diverged, match="weights of critic_distances"):
        nets.state()


# ---------------------------------------------------------------------- resuming
def test_a_checkpoint_of_an_earlier_version_is_refused(toy, tiny, tmp_path):
    context = Context(tmp_path, seed=1)
    (context.checkpoint / EARLIER).write_bytes(b"")
    with pytest.raises(BadInput, match="checkpoint of an earlier version; remove its folder"):
        train(toy, None, CryinganParameters(**tiny), context, "cpu")


def test_a_run_cut_into_pieces_gives_the_same_weights(run, toy, tiny):
    """The time limit strikes in the middle of an epoch; each piece makes one step at least."""
    hyper = tiny | {"batch_size": 3, "epochs": 2}
    parameters = {"model": "cryingan", "threads": 1, "hyperparameters": hyper}
    whole = run("generator.train", "whole", parameters, structures=toy)
    pieces = 0
    with pytest.MonkeyPatch.context() as patch:
        calls = iter([False, True] * 100)
        patch.setattr(Context, "out_of_time", lambda self: next(calls))
        while True:
            piece = run("generator.train", "pieces", parameters, structures=toy)
            pieces += 1
            if piece["status"] == "finished":
                break
            assert piece["error"]["kind"] == "unfinished"
    assert pieces == 6  # two epochs of three batches
    assert same_weights(weights_of(piece), weights_of(whole))
    for name, values in np.load(whole["folder"] / "curves.npz").items():
        np.testing.assert_array_equal(np.load(piece["folder"] / "curves.npz")[name], values)


def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(run, toy, tiny, tmp_path):
    """SIGKILL of a real ``dismai run`` that writes a checkpoint at every step."""
    hyper = tiny | {"epochs": 12, "checkpoint_seconds": 0.0}
    parameters = {"model": "cryingan", "threads": 1, "hyperparameters": hyper}
    place = tmp_path / "killed"
    place.mkdir()
    write_npz(toy, place / "structures.npz")
    write_task(place, "generator.train", parameters, structures="structures.npz")
    run_and_kill(place, (place / "checkpoint" / CHECKPOINT).is_file)
    resumed = run("generator.train", "killed", parameters, structures=toy)
    assert 0 < resumed["resumed_from_epoch"] < 12
    parameters["hyperparameters"] = hyper | {"checkpoint_seconds": 1e6}
    whole = run("generator.train", "whole", parameters, structures=toy)
    assert whole["resumed_from_epoch"] == 0
    assert same_weights(weights_of(resumed), weights_of(whole))
