"""CryinGAN-comb, -max, -mix and the graph convolutional critic, by the options of one model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aiida_dismai.engine.checkpoint import load_weights
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Diverged
from aiida_dismai.engine.generators.cryingan.config import CryinganParameters
from aiida_dismai.engine.generators.cryingan.data import prepare
from aiida_dismai.engine.generators.cryingan.losses import critic_loss
from aiida_dismai.engine.generators.cryingan.model import Critic, initialise, parts
from aiida_dismai.engine.generators.cryingan.train import Adversaries, train
from aiida_dismai.engine.generators.cryingan.translations import Images
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.structures import StructureSet, read_npz

INTERFACE = [3] * 72 + [21] * 12 + [27] * 36 + [17] * 72 + [8] * 72
SMALL_GRAPHS = {"cgcnn_channels": 8, "cgcnn_head": 8, "cgcnn_convolutions": 2}
#: By name the hyper-parameters, and the critics that there are.
VARIANTS = {
    "both": ({}, ["coordinates", "distances"]),
    "coordinates": ({"critics": "coordinates"}, ["coordinates"]),
    "no weight": ({"lambda_distance": 0.0}, ["coordinates"]),
    "combined": ({"critics": "combined"}, ["combined"]),
    "max": ({"pooling": "max"}, ["coordinates", "distances"]),
    "mix": ({"pooling": "mix"}, ["coordinates", "distances"]),
    "combined, mix": ({"critics": "combined", "pooling": "mix"}, ["combined"]),
    "cgcnn": ({"critic": "cgcnn"} | SMALL_GRAPHS, ["graph"]),
    "cgcnn, two layers": ({"critic": "cgcnn", "cgcnn_head_layers": 2} | SMALL_GRAPHS, ["graph"]),
}
each_variant = pytest.mark.parametrize("variant", list(VARIANTS))


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


def critics_of(structures, tiny, variant):
    """Return the critics of a variant, initialised, and what they see of the structures."""
    parameters = CryinganParameters(**tiny | VARIANTS[variant][0])
    nets = Adversaries(structures[0], parameters, 1, "cpu")
    return nets.critics, prepare(structures, structures[0], parameters, "cpu", "")


# ---------------------------------------------------------------------- sizes
def pointnet(n_inputs, pooled):
    """Return the weights and biases of a published critic with so many numbers per atom, and rows after pooling."""
    sizes = [(n_inputs, 512), (512, 512), (512, 256), (256 * pooled, 1000), (1000, 200), (200, 10)]
    return sum(inputs * outputs + outputs for inputs, outputs in sizes)


def published_cgcnn(n_features):
    """Return the weights and biases of CGCNN: 64 channels, 3 convolutions, head of 128, 41 Gaussian functions."""
    convolution = (2 * 64 + 41) * 128 + 128 + 2 * 128 + 2 * 64  # the gated map, and two batch normalisations
    return n_features * 64 + 64 + 3 * convolution + (64 * 128 + 128) + (128 + 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"coordinates": 1_879_242, "distances": 1_880_778}),  # listed by the paper's authors
        ({"pooling": "mean"}, {"coordinates": pointnet(3, 5), "distances": pointnet(6, 5)}),
        ({"pooling": "max"}, {"coordinates": 1_879_242, "distances": 1_880_778}),
        ({"pooling": "mix"}, {"coordinates": pointnet(3, 10), "distances": pointnet(6, 10)}),
        ({"critics": "combined"}, {"combined": pointnet(3 + 6, 5)}),
        ({"critics": "combined", "n_neighbors": 4}, {"combined": pointnet(3 + 4, 5)}),
        ({"critics": "combined", "pooling": "mix"}, {"combined": pointnet(3 + 6, 10)}),
        ({"lambda_distance": 0.0}, {"coordinates": 1_879_242}),
        ({"critic": "cgcnn"}, {"graph": published_cgcnn(5)}),
        ({"critic": "cgcnn", "cgcnn_head_layers": 3}, {"graph": published_cgcnn(5) + 2 * (128 * 128 + 128)}),
    ],
)
def test_trainable_parameters_for_the_interface_cell(values, expected):
    template = StructureSet.from_uniform(INTERFACE, np.zeros((1, 264, 3)), np.eye(3))
    counts = {f"critic_{name}": count for name, count in expected.items()}
    assert parts(template, CryinganParameters(**values)) == {"generator": 2_560_257} | counts


def test_the_formula_of_cgcnn_is_that_of_its_published_defaults():
    assert published_cgcnn(92) == 80_833  # of the network of its repository, with its 92 features of the elements


# ---------------------------------------------------------------------- what a critic sees
@each_variant
def test_critics_are_blind_to_the_order_within_an_element_and_not_between_elements(toy, tiny, variant):
    critics, data = critics_of(toy, tiny, variant)
    assert list(critics) == VARIANTS[variant][1]
    for name, critic in critics.items():
        seen = data.views(torch.arange(8), [name])[name]
        torch.testing.assert_close(critic(seen[:, [2, 0, 3, 1, 7, 4, 6, 5]]), critic(seen), rtol=1e-4, atol=1e-6)
        assert not torch.allclose(critic(seen[:, [4, 1, 2, 3, 0, 5, 6, 7]]), critic(seen), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("pooling", "changed"), [("mean", True), ("max", False), ("mix", True)])
def test_only_the_mean_sees_how_often_an_atom_is_there(random, pooling, changed):
    few, many = Critic(3, [4], (8, 8, 8), (8, 8, 4), pooling), Critic(3, [7], (8, 8, 8), (8, 8, 4), pooling)
    initialise(few, random)
    many.load_state_dict(few.state_dict())
    atoms = torch.rand(5, 4, 3, generator=random)
    assert torch.allclose(few(atoms), many(atoms[:, [0, 1, 2, 3, 2, 2, 0]])) is not changed


def test_mixed_pooling_is_mean_and_maximum_side_by_side(random):
    mix = Critic(3, [4, 3], (8, 8, 6), (8, 8, 4), "mix")
    initialise(mix, random)
    atoms = torch.rand(5, 7, 3, generator=random)
    for pooling, half in (("mean", slice(0, 12)), ("max", slice(12, 24))):
        alone = Critic(3, [4, 3], (8, 8, 6), (8, 8, 4), pooling)
        state = dict(mix.state_dict())
        state["head1.weight"] = state["head1.weight"][:, half]
        alone.load_state_dict(state)
        masked = Critic(3, [4, 3], (8, 8, 6), (8, 8, 4), "mix")
        masked.load_state_dict(mix.state_dict())
        with torch.no_grad():
            masked.head1.weight[:, [i for i in range(24) if not half.start <= i < half.stop]] = 0.0
        torch.testing.assert_close(masked(atoms), alone(atoms))


def test_the_combined_critic_sees_coordinates_beside_distances(toy, tiny):
    parameters = CryinganParameters(**tiny | {"critics": "combined", "translations": [2, 1, 1]})
    data = prepare(toy, toy[0], parameters, "cpu", "")
    images = Images(data, toy[0], (2, 1, 1), "")
    seen = images.views(torch.tensor([6, 7]), ["combined"])["combined"]  # structure 3 and its image
    assert seen.shape == (2, 8, 9)
    torch.testing.assert_close(seen[0, :, :3], data.coordinates[3])
    torch.testing.assert_close(seen[1, :, :3], (data.coordinates[3] + torch.tensor([0.5, 0, 0])) % 1.0)
    torch.testing.assert_close(seen[:, :, 3:], data.distances[3].expand(2, 8, 6))
    generated = Adversaries(toy[0], parameters, 1, "cpu").views(data.coordinates)["combined"]
    torch.testing.assert_close(generated, data.views(torch.arange(8), ["combined"])["combined"])


# ---------------------------------------------------------------------- differentiated twice
@each_variant
def test_loss_with_penalty_has_the_gradient_of_finite_differences(toy, crystals, tiny, random, variant):
    """In float64, along a random direction for every tensor of weights of every critic."""
    critics, data = critics_of(toy, tiny, variant)
    others = prepare(crystals(8, 5, 0.4), toy[0], CryinganParameters(**tiny | VARIANTS[variant][0]), "cpu", "")
    mix = torch.rand(8, generator=random, dtype=torch.float64)
    for name, critic in critics.items():
        critic.double()
        real, generated = (each.views(torch.arange(8), [name])[name].double() for each in (data, others))

        def loss(critic=critic, real=real, generated=generated):
            return critic_loss(critic, real, generated, mix, 10.0)

        weights = dict(critic.named_parameters())
        assert loss().penalty > 1e-3
        gradients = torch.autograd.grad(loss().loss, list(weights.values()), allow_unused=True, materialize_grads=True)
        scale = max(float(gradient.norm()) for gradient in gradients)
        for (place, weight), gradient in zip(weights.items(), gradients, strict=True):
            direction = torch.randn(weight.shape, generator=random, dtype=torch.float64)
            values = []
            for step in (1e-6, -1e-6):
                with torch.no_grad():
                    weight += step * direction
                values.append(loss().loss.item())
                with torch.no_grad():
                    weight -= step * direction
            found = (values[0] - values[1]) / 2e-6
            assert found == pytest.approx(float((gradient * direction).sum()), rel=1e-5, abs=1e-6 * scale), place


def test_scores_of_graphs_have_the_gradient_of_finite_differences_in_the_coordinates(toy, tiny):
    """What the generator learns from; the second derivatives, too, which the gradient penalty needs."""
    critics, data = critics_of(toy, tiny, "cgcnn")
    critic, points = critics["graph"].double(), data.coordinates.double().requires_grad_()
    directions = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 8, 8, 3)))

    def slope(points):
        (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
        return (gradient * directions[0]).sum()

    step = 1e-6 * directions
    found = (critic(points + step[0]).sum() - critic(points - step[0]).sum()).item() / 2e-6
    assert slope(points).item() == pytest.approx(found, rel=1e-6)
    (second,) = torch.autograd.grad(slope(points), points)
    found = (slope(points + step[1]) - slope(points - step[1])).item() / 2e-6
    assert (second * directions[1]).sum().item() == pytest.approx(found, rel=1e-6)


# ---------------------------------------------------------------------- training
@each_variant
def test_every_variant_trains_and_samples(run, toy, crystals, tiny, variant):
    values, names = VARIANTS[variant]
    parameters = {"model": "cryingan", "threads": 1, "hyperparameters": tiny | values}
    results = run("generator.train", "train", parameters, structures=toy, validation=crystals(4, seed=7))
    assert results["status"] == "finished"
    assert list(results["trainable_parameters"]) == ["generator", *(f"critic_{name}" for name in names)]
    with np.load(results["folder"] / "curves.npz") as curves:
        for name in names:
            for kind in ("loss", "wasserstein", "penalty"):
                assert np.isfinite(curves[f"critic_{name}_{kind}"]).all()
        assert np.isfinite(curves["generator_loss"]).all()
    assert all(np.isfinite(results[f"critic_{name}_overfitting"]) for name in names)
    generator = results["folder"] / "generator"
    sampled = run("generator.sample", "sample", {"n_structures": 5, "threads": 1}, generator=generator)
    assert (sampled["status"], sampled["n_structures"]) == ("finished", 5)
    assert np.array_equal(read_npz(sampled["folder"] / "structures.npz").numbers, toy.numbers[: 5 * 8])


@pytest.mark.parametrize("variant", ["combined", "mix", "cgcnn"])
def test_a_run_cut_into_pieces_gives_the_same_bytes(run, toy, crystals, tiny, variant):
    hyper = tiny | VARIANTS[variant][0] | {"batch_size": 3, "epochs": 2, "generator_interval": 2}
    parameters = {"model": "cryingan", "threads": 1, "hyperparameters": hyper}
    sets = {"structures": toy, "validation": crystals(4, seed=7)}
    whole = run("generator.train", "whole", parameters, **sets)
    pieces = 0
    with pytest.MonkeyPatch.context() as patch:
        calls = iter([False, True] * 100)
        patch.setattr(Context, "out_of_time", lambda self: next(calls))
        piece = {"status": "failed"}
        while piece["status"] != "finished":
            piece = run("generator.train", "pieces", parameters, **sets)
            pieces += 1
            assert piece["status"] == "finished" or piece["error"]["kind"] == "unfinished"
    assert pieces == 6  # two epochs of three batches
    files = [each["folder"] / "generator" / "weights.safetensors" for each in (piece, whole)]
    assert files[0].read_bytes() == files[1].read_bytes()
    overfitting = [name for name in whole if name.endswith("_overfitting")]
    assert overfitting
    assert [piece[name] for name in overfitting] == [whole[name] for name in overfitting]
    with np.load(whole["folder"] / "curves.npz") as curves, np.load(piece["folder"] / "curves.npz") as again:
        assert all(np.array_equal(again[name], curves[name], equal_nan=True) for name in curves)


def test_without_weight_there_is_no_distance_critic(run, toy, tiny):
    weights = []
    for place, values in (("a", {"lambda_distance": 0}), ("b", {"critics": "coordinates"})):
        parameters = {"model": "cryingan", "threads": 1, "hyperparameters": tiny | values}
        results = run("generator.train", place, parameters, structures=toy)
        weights.append(load_weights(results["folder"] / "generator" / "weights.safetensors"))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
    results = run("generator.train", "c", parameters | {"hyperparameters": tiny}, structures=toy)
    both = load_weights(results["folder"] / "generator" / "weights.safetensors")
    assert not all(torch.equal(both[name], weights[1][name]) for name in both)


def test_structures_at_nan_end_the_run_with_a_graph_critic_too(toy, tiny):
    """No atom at NaN has neighbours: the graph by itself would not show it."""
    nets = Adversaries(toy[0], CryinganParameters(**tiny | VARIANTS["cgcnn"][0]), 1, "cpu")
    real = nets.views(torch.from_numpy((toy.positions.reshape(8, 8, 3) / 5.0 % 1.0).astype(np.float32)))
    with torch.no_grad():
        nets.generator.last.bias.fill_(float("nan"))
    with pytest.raises(Diverged, match="critic_graph_loss became nan"):
        nets.step(real, True)


# ---------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lambda_distance": -0.05}, r"lambda_distance: Input should be greater than or equal to 0 \(given: -0.05\)"),
        ({"poling": "max"}, "unknown parameter 'poling'; did you mean 'pooling'"),
        ({"crytic": "cgcnn"}, "unknown parameter 'crytic'; did you mean 'critic'"),
        ({"cgcnn_cutof": 6.0}, "unknown parameter 'cgcnn_cutof'; did you mean 'cgcnn_cutoff'"),
        ({"pooling": "average"}, r"pooling: Input should be 'mean', 'max' or 'mix' \(given: 'average'\)"),
        ({"critics": "comb"}, r"critics: Input should be 'both'.* or 'combined' \(given: 'comb'\)"),
        ({"critic": "cgcnn", "pooling": "max"}, "pooling 'max' is none of critic 'cgcnn'.*leave out pooling"),
        (
            {"critic": "cgcnn", "critics": "distances"},
            "critics 'distances' is none of critic 'cgcnn'.*leave out critics",
        ),
    ],
)
def test_wrong_options_are_refused(values, message):
    with pytest.raises(BadInput, match=message):
        validate(CryinganParameters, values, "model 'cryingan'")


def test_a_cutoff_without_neighbours_is_refused(toy, tiny, tmp_path):
    parameters = CryinganParameters(**tiny | {"critic": "cgcnn", "cgcnn_cutoff": 1.5})
    with pytest.raises(BadInput, match=r"no two atoms are within cgcnn_cutoff 1.5 Å.*nearest are 2\.\d* Å apart"):
        train(toy, None, parameters, Context(tmp_path, seed=1), "cpu")


def test_too_few_atoms_for_the_combined_critic(toy):
    small = StructureSet.from_uniform([11, 17], toy.positions.reshape(8, 8, 3)[:, [0, 4]], toy.cells[0])
    with pytest.raises(BadInput, match="lower n_neighbors to 1"):
        prepare(small, small[0], CryinganParameters(critics="combined"), "cpu", "")
