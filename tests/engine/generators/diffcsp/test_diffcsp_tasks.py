"""Losses, training and sampling of DiffCSP through its functions and through the tasks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.killed import run_and_kill, write_task
from support.weights import same_weights, weights_of

from aiida_dismai.engine.checkpoint import load_weights, save_weights
from aiida_dismai.engine.errors import BadInput, BadWeights
from aiida_dismai.engine.generators.diffcsp import sample as sampling
from aiida_dismai.engine.generators.diffcsp.config import DiffcspParameters
from aiida_dismai.engine.generators.diffcsp.losses import Diffusion
from aiida_dismai.engine.generators.diffcsp.noise import Schedule, wrapped_normal_score
from aiida_dismai.engine.generators.diffcsp.sample import sample
from aiida_dismai.engine.generators.graphs.batch import Batch
from aiida_dismai.engine.generators.graphs.lattice import standard_orientation
from aiida_dismai.engine.generators.seeds import stream
from aiida_dismai.engine.generators.training.epochs import CHECKPOINT
from aiida_dismai.engine.generators.weights import load_generator
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.structures import StructureSet, read_npz, write_npz
from aiida_dismai.engine.trained import GENERATOR

SMALL = {
    "hidden_dim": 16,
    "num_layers": 2,
    "num_frequencies": 6,
    "time_dim": 16,
    "timesteps": 20,
    "batch_size": 3,
    "epochs": 3,
}
JOINT = {"lattice": "joint"}


def mixed_sizes():
    """Structures of 5, 1 and 3 atoms in skewed cells, one a sixth of the others."""
    random = np.random.default_rng(1)
    cells = 5 * np.eye(3) + random.normal(0, 0.3, (3, 3, 3))
    cells[1] /= 6
    positions = np.concatenate([random.random((n, 3)) @ cell for n, cell in zip((5, 1, 3), cells, strict=True)])
    return StructureSet([3, 8, 8, 9, 3, 3, 8, 9, 9], positions, cells, np.ones((3, 3)), [0, 5, 6, 9])


def diffusion(structures, validation=None, **options):
    torch.manual_seed(0)
    return Diffusion(structures, validation, DiffcspParameters(**SMALL | options))


# ---------------------------------------------------------------------- noise and losses
def test_forward_noise_has_the_moments_of_the_schedule(crystals):
    """Displacements N(0, σ_t) modulo 1, lattices √ᾱ L + √(1 − ᾱ) ε, mean square target 1; five standard errors."""
    problem = diffusion(crystals(2), timesteps=4, sigma_begin=0.05, sigma_end=0.4)
    batch = Batch.from_set(crystals(1), np.zeros(1500, dtype=int), torch.float64)
    times, noisy, target, lattice_noise = problem.add_noise(batch, torch.Generator().manual_seed(2), True)
    moved = noisy.fractional - batch.fractional
    moved = moved - torch.round(moved)
    clean = standard_orientation(batch.cells[:1])
    for t in range(1, 5):
        atoms = times[batch.structure] == t
        n = 3 * int(atoms.sum())
        assert n > 3 * 8 * 300
        sigma = problem.schedule.sigmas[t].item()
        # the first moment of a wrapped normal on the circle is exp(−2 π² σ²)
        circle = torch.cos(2 * np.pi * moved[atoms])
        assert abs(circle.mean().item() - np.exp(-2 * np.pi**2 * sigma**2)) < 5 / np.sqrt(n)
        assert abs((target[atoms] ** 2).mean().item() - 1) < 5 * (target[atoms] ** 2).std().item() / np.sqrt(n)
        chosen = times == t
        kept = problem.schedule.kept[t].item()
        deviation = (noisy.cells[chosen] - kept**0.5 * clean) / (1 - kept) ** 0.5
        torch.testing.assert_close(deviation, lattice_noise[chosen])
        assert abs(deviation.mean().item()) < 5 / np.sqrt(deviation.numel())
        assert abs(deviation.std().item() - 1) < 5 / np.sqrt(2 * deviation.numel())
    expected = wrapped_normal_score(moved, problem.schedule.sigmas[times][batch.structure, None])
    expected /= torch.sqrt(problem.schedule.norms[times][batch.structure, None])
    torch.testing.assert_close(target, expected, atol=1e-9, rtol=1e-6)
    assert float(noisy.fractional.min()) >= 0
    assert float(noisy.fractional.max()) < 1


def test_the_given_lattice_is_the_structure_s_own(crystals):
    problem = diffusion(mixed_sizes())
    batch = Batch.from_set(mixed_sizes())
    _, noisy, _, _ = problem.add_noise(batch, torch.Generator().manual_seed(2), False)
    assert torch.equal(noisy.cells, batch.cells)


@pytest.mark.parametrize("options", [{}, JOINT])
def test_the_gradient_of_the_loss_by_finite_differences(options):
    problem = diffusion(mixed_sizes(), **options)
    network = problem.network.double()

    def loss():
        return problem.losses(network, [0, 1, 2], False, 0, torch.Generator().manual_seed(4))["loss"]

    loss().backward()
    random = np.random.default_rng(0)
    checked = 0
    for name, weight in network.named_parameters():
        if weight.grad is None:
            assert name == "lattice_out.weight"  # nothing asks for the lattice when it is given
            assert not options
            continue
        flat = weight.data.view(-1)
        for place in random.choice(len(flat), 2, replace=False):
            kept, step = flat[place].item(), 1e-6
            with torch.no_grad():
                flat[place] = kept + step
                above = loss().item()
                flat[place] = kept - step
                below = loss().item()
                flat[place] = kept
            assert weight.grad.view(-1)[place].item() == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-7)
            checked += 1
    assert checked > 30


def test_losses_are_means_over_atoms_then_structures():
    """A network that predicts zeros: the loss is the mean square of the targets, structure by structure."""
    problem = diffusion(mixed_sizes(), **JOINT)
    network = problem.network
    with torch.no_grad():
        network.coord_out.weight.zero_()
        network.lattice_out.weight.zero_()
        found = problem.losses(network, [2, 0, 1], False, 5, torch.Generator().manual_seed(3))
    batch = Batch.from_set(mixed_sizes(), [2, 0, 1])
    _, _, target, noise = problem.add_noise(batch, torch.Generator().manual_seed(3), True)
    expected = np.mean([float((part**2).mean()) for part in target.split([3, 5, 1])])
    assert found["coordinates"].item() == pytest.approx(expected, rel=1e-5)
    assert found["lattice"].item() == pytest.approx(float((noise**2).mean()), rel=1e-5)
    assert found["loss"].item() == pytest.approx(expected + float((noise**2).mean()), rel=1e-5)


def test_teacher_forcing_gives_the_true_lattice_in_training_only(crystals):
    problem = diffusion(crystals(3), crystals(3), **JOINT, teacher_forcing_epochs=2)
    seen = []

    class Spy(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, times, numbers, fractional, cells, counts):
            seen.append(cells)
            return self.inner(times, numbers, fractional, cells, counts)

    spy = Spy(problem.network)
    for validation, epoch, forced in ((False, 0, True), (False, 1, True), (False, 2, False), (True, 0, False)):
        losses = problem.losses(spy, [0, 1, 2], validation, epoch, torch.Generator().manual_seed(1))
        truth = standard_orientation(torch.from_numpy(crystals(3).cells)).float()
        assert torch.allclose(seen[-1], truth) is forced
        expected = losses["coordinates"] + (0 if forced else losses["lattice"])
        assert losses["loss"].item() == pytest.approx(expected.item())


# ---------------------------------------------------------------------- training
def train(run, name, structures, validation=None, seed=1, **options):
    parameters = {"model": "diffcsp", "threads": 1, "hyperparameters": SMALL | options}
    inputs = {} if validation is None else {"validation": validation}
    return run("generator.train", name, parameters, seed=seed, structures=structures, **inputs)


@pytest.mark.parametrize("options", [{}, JOINT, JOINT | {"teacher_forcing_epochs": 2}])
def test_what_training_leaves_behind(run, crystals, options):
    results = train(run, "a", crystals(8), crystals(4, seed=7), **options)
    assert results["status"] == "finished"
    names = ["coordinates", "loss"] + (["lattice"] if options else [])
    with np.load(results["folder"] / "curves.npz") as curves:
        for name in names:
            assert np.isfinite(curves[f"validation_{name}"]).all()
            assert results[f"final_train_{name}"] == curves[f"train_{name}"][-1]
        assert results["best_epoch"] == 1 + int(np.argmin(curves["validation_coordinates"]))
    shapes = {name: tuple(value.shape) for name, value in weights_of(results).items()}
    assert shapes["csp_layer_1.edge_mlp.0.weight"] == (16, 2 * 16 + 9 + 36)
    assert shapes["node_embedding.weight"] == (17, 16)  # chlorine is the heaviest
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    assert results["trainable_parameters"] == {"network": count}


def test_structures_of_different_sizes_and_compositions(run):
    assert train(run, "a", mixed_sizes())["status"] == "finished"


def test_seeds(run, toy):
    first, again = train(run, "a", toy, seed=5), train(run, "b", toy, seed=5)
    assert same_weights(weights_of(first), weights_of(again))
    assert not same_weights(weights_of(first), weights_of(train(run, "c", toy, seed=6)))


def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(run, toy, crystals, tmp_path):
    """SIGKILL of a real ``dismai run`` that writes a checkpoint at every step."""
    hyper = SMALL | {"epochs": 20, "checkpoint_seconds": 0.0}
    parameters = {"model": "diffcsp", "threads": 1, "hyperparameters": hyper}
    place = tmp_path / "killed"
    place.mkdir()
    write_npz(toy, place / "structures.npz")
    write_npz(crystals(3, seed=4), place / "validation.npz")
    inputs = {"structures": "structures.npz", "validation": "validation.npz"}
    write_task(place, "generator.train", parameters, **inputs)
    run_and_kill(place, (place / "checkpoint" / CHECKPOINT).is_file)
    resumed = run("generator.train", "killed", parameters, structures=toy, validation=crystals(3, seed=4))
    assert 0 < resumed["resumed_from_epoch"] < 20
    parameters["hyperparameters"] = hyper | {"checkpoint_seconds": 1e6}
    whole = run("generator.train", "whole", parameters, structures=toy, validation=crystals(3, seed=4))
    assert whole["resumed_from_epoch"] == 0
    assert same_weights(weights_of(resumed), weights_of(whole))


def test_two_processes_through_the_command_line(run, toy, tmp_path):
    """One writes; the weights are those of one process with the same batches."""
    parameters = {"model": "diffcsp", "hyperparameters": SMALL | {"devices": 2, "batch_size": 2, "epochs": 2}}
    place = tmp_path / "both"
    place.mkdir()
    write_npz(toy, place / "structures.npz")
    write_task(place, "generator.train", parameters, structures="structures.npz")
    subprocess.run([str(Path(sys.executable).with_name("dismai")), "run"], cwd=place, check=True, capture_output=True)
    results = json.loads((place / "results.json").read_text())
    assert (results["status"], results["devices"], results["structures_per_step"]) == ("finished", 2, 4)
    alone = train(run, "alone", toy, accumulate=2, batch_size=2, epochs=2)
    for name, value in weights_of(alone).items():
        torch.testing.assert_close(weights_of({"folder": place})[name], value, atol=1e-6, rtol=1e-4)


# ---------------------------------------------------------------------- sampling
@pytest.fixture
def generator(run, toy):
    return load_generator(train(run, "trained", toy)["folder"] / "generator")


def test_a_structure_depends_on_its_index_only(generator):
    together = sample(generator, [0, 1, 2, 3], 9, "cpu")
    apart = sample(generator, [3, 1], 9, "cpu")
    assert np.array_equal(together[3].positions, apart[0].positions)
    assert np.array_equal(together[1].positions, apart[1].positions)
    assert not np.array_equal(together[0].positions, together[1].positions)
    assert not np.array_equal(sample(generator, [1], 10, "cpu").positions, apart[1].positions)


def test_samples_have_the_atoms_the_cell_and_the_periods_of_the_template(generator, toy):
    found = sample(generator, [5, 6], 9, "cpu")
    assert found.formulas == ["Na4Cl4", "Na4Cl4"]
    assert np.array_equal(found.cells[1], toy.cells[0])
    fractional = found.positions @ np.linalg.inv(toy.cells[0])
    assert fractional.min() >= 0
    assert fractional.max() < 1


def test_a_lattice_that_diffuses(run, toy):
    generator = load_generator(train(run, "joint", toy, **JOINT)["folder"] / "generator")
    together = sample(generator, [0, 1, 2], 9, "cpu")
    assert not np.array_equal(together.cells[0], together.cells[1])
    assert np.array_equal(sample(generator, [2], 9, "cpu").cells[0], together.cells[2])
    assert np.isfinite(together.positions).all()


def test_sampling_is_the_published_predictor_and_corrector(generator, monkeypatch):
    """Two time steps written out for one structure, with a network that is known."""
    calls = []

    class Known(torch.nn.Module):
        def forward(self, times, numbers, fractional, cells, counts):
            calls.append(int(times[0]))
            return torch.zeros(1, 3, 3), torch.sin(2 * torch.pi * fractional) * times[0]

    parameters = DiffcspParameters(**SMALL | {"timesteps": 2, "corrector_step": 1e-3})
    object.__setattr__(generator, "parameters", parameters)
    monkeypatch.setattr(sampling, "load_network", lambda generator, device: Known())
    found = sample(generator, [7], 3, "cpu")
    assert calls == [2, 2, 1, 1]
    schedule, random = Schedule.build(2, 0.005, 0.1), stream(3, 7)
    x = random.random((8, 3), np.float32).astype(np.float64)
    for t in (2, 1):
        sigma, before = schedule.sigmas[t].item(), schedule.sigmas[t - 1].item()
        root = schedule.norms[t].item() ** 0.5
        step = 1e-3 * (sigma / 0.005) ** 2
        noise = random.standard_normal((8, 3), np.float32) if t > 1 else 0
        x = x - step * root * t * np.sin(2 * np.pi * x) + np.sqrt(2 * step) * noise
        step = sigma**2 - before**2
        noise = random.standard_normal((8, 3), np.float32) if t > 1 else 0
        x = x - step * root * t * np.sin(2 * np.pi * x) + np.sqrt(before**2 * step / sigma**2) * noise
        x = x % 1
    difference = found.positions / 5.0 - x
    np.testing.assert_allclose(difference - np.round(difference), 0, atol=2e-5)


def test_it_learns_a_crystal_anywhere_in_its_cell(run):
    """Three atoms of three elements, shifted together by any vector: distances from where they belong, Å."""
    place = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]])

    def crystals(n, seed):
        random = np.random.default_rng(seed)
        positions = 4 * (place + random.random((n, 1, 3))) + random.normal(0, 0.05, (n, 3, 3))
        return StructureSet.from_uniform([11, 17, 8], positions, 4 * np.eye(3))

    def errors(structures):
        fractional = structures.positions.reshape(-1, 3, 3) / 4
        pairs = ([1, 2, 2], [0, 0, 1])
        difference = (fractional[:, pairs[0]] - fractional[:, pairs[1]]) - (place[pairs[0]] - place[pairs[1]])
        return 4 * np.linalg.norm(difference - np.round(difference), axis=-1)

    options = {"hidden_dim": 32, "num_frequencies": 4, "timesteps": 40, "sigma_end": 0.3, "epochs": 400}
    options |= {"batch_size": 64, "learning_rate": 1e-2}
    results = train(run, "a", crystals(64, 1), crystals(16, 2), **options)
    found = sample(load_generator(results["folder"] / "generator"), range(10), 1, "cpu")
    uniform = found.with_positions(4 * np.random.default_rng(0).random(found.positions.shape))
    assert np.median(errors(crystals(64, 1))) < 0.15
    assert np.median(errors(uniform)) > 1.5
    assert np.median(errors(found)) < 0.3


# ---------------------------------------------------------------------- bad input
def test_validation_structures_with_other_elements_are_refused(run, toy, crystals):
    other = crystals(2)
    other = StructureSet(np.where(other.numbers == 11, 19, 17), other.positions, other.cells, other.pbc, other.offsets)
    results = train(run, "a", toy, other)
    assert results["error"]["kind"] == "bad_input"
    assert "K does not occur in the training structures (Na, Cl)" in results["error"]["message"]


def test_parameters_are_checked():
    for message, values in {
        "belongs to lattice 'joint'": {"teacher_forcing_epochs": 10},
        "sigma_begin 0.2 must be below sigma_end 0.1": {"sigma_begin": 0.2},
        "time_dim": {"time_dim": 7},
        "did you mean 'sigma_end'": {"sigma_ende": 0.1},
    }.items():
        with pytest.raises(BadInput, match=message):
            validate(DiffcspParameters, values, "diffcsp")


def test_weights_of_another_network_are_refused(generator):
    object.__setattr__(generator, "weights", {**generator.weights, "coord_out.weight": torch.zeros(3, 5)})
    with pytest.raises(BadWeights, match=r"(?s)do not fit the hyper-parameters .*coord_out"):
        sample(generator, [0], 1, "cpu")


def test_a_configuration_without_its_elements_is_refused(generator):
    object.__setattr__(generator, "config", {})
    with pytest.raises(BadWeights, match="lacks 'max_z'"):
        sample(generator, [0], 1, "cpu")


def test_a_template_with_an_element_that_was_not_trained_is_refused(generator):
    template = generator.template
    other = StructureSet(
        np.where(template.numbers == 11, 3, 17), template.positions, template.cells, template.pbc, template.offsets
    )
    object.__setattr__(generator, "template", other)
    with pytest.raises(BadWeights, match="has Li, but the network was trained with Na, Cl only"):
        sample(generator, [0], 1, "cpu")


def test_weights_that_make_nan_are_counted_by_the_frame(run, toy, tmp_path):
    """Weights so large that the scores overflow: not one structure is finite."""
    folder = train(run, "trained", toy)["folder"] / "generator"
    weights = load_weights(folder / "weights.safetensors")
    huge = weights | {"final_layer_norm.bias": torch.full((16,), 1e3), "coord_out.weight": torch.full((3, 16), 3e38)}
    save_weights(folder / "weights.safetensors", huge)
    config = json.loads((folder / "config.json").read_text())
    for key in ("format", "version", "sha256"):
        config.pop(key)
    GENERATOR.write_config(folder, config)
    results = run("generator.sample", "s", {"n_structures": 2}, generator=folder)
    assert results["error"]["kind"] == "nothing_left"


def test_the_sampling_task(run, toy):
    folder = train(run, "trained", toy)["folder"] / "generator"
    whole = run("generator.sample", "whole", {"n_structures": 5, "batch_size": 2}, generator=folder)
    assert whole["n_structures"] == 5
    part = run("generator.sample", "part", {"n_structures": 2, "first": 3}, generator=folder)
    last = read_npz(whole["folder"] / "structures.npz")[[3, 4]]
    assert np.array_equal(last.positions, read_npz(part["folder"] / "structures.npz").positions)
