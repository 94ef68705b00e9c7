"""The losses of CDVAE: symmetries, batches, gradients, the published formulas written out, and the noise."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from support.cdvae_scenes import scene
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from aiida_dismai.engine.generators.cdvae.data import CrystalData
from aiida_dismai.engine.generators.cdvae.losses import (
    Noise,
    add_noise,
    choose,
    composition_loss,
    coordinates_loss,
    levels,
    losses,
)
from aiida_dismai.engine.generators.graphs.batch import Batch
from aiida_dismai.engine.generators.graphs.edges import Edges, radius_edges

VARIANTS = [{}, {"denoise_species": True}, {"composition_head": "slots"}]


def drawn(data: CrystalData, parameters, seed: int = 1) -> Noise:
    return Noise.draw(data.counts, parameters, torch.Generator().manual_seed(seed))


def edges_of(batch: Batch, parameters) -> Edges:
    return radius_edges(batch.cartesian(), batch.cells, batch.counts, parameters.cutoff, parameters.max_neighbours)


@pytest.mark.parametrize("changes", VARIANTS)
def test_rotation_translation_images_and_permutation_change_no_loss(changes: dict) -> None:
    # All neighbours: which of the edges of a limited number the published rule keeps hangs on the order of the atoms.
    network, data, parameters = scene(**changes, max_neighbours=150)
    batch, edges = data.take(range(len(data)))
    noise = drawn(data, parameters)

    def evaluate(changed: Batch, changed_noise: Noise) -> dict[str, torch.Tensor]:
        return losses(network, changed, edges_of(changed, parameters), changed_noise, parameters, True)

    expected = losses(network, batch, edges, noise, parameters, True)
    random = torch.Generator().manual_seed(5)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=random))[0]
    rotated = replace(batch, cells=batch.cells @ turn)
    rotated_noise = replace(noise, coordinates=(noise.coordinates.double() @ turn))
    moved = replace(batch, fractional=batch.fractional + torch.tensor([0.3, -0.7, 2.1]).double())
    images = replace(
        batch, fractional=batch.fractional + torch.randint(-2, 3, batch.fractional.shape, generator=random)
    )
    cases = [(rotated, rotated_noise), (moved, noise), (images, noise)]
    if parameters.composition_head != "slots":  # slots have an order, as published
        order = torch.cat([start + torch.randperm(n, generator=random) for start, n in ((0, 5), (5, 7), (12, 2))])
        permuted = replace(batch, numbers=batch.numbers[order], fractional=batch.fractional[order])
        cases.append((permuted, replace(noise, coordinates=noise.coordinates[order], species=noise.species[order])))
    for changed, changed_noise in cases:
        for name, value in evaluate(changed, changed_noise).items():
            torch.testing.assert_close(value, expected[name], rtol=1e-8, atol=1e-10, msg=name)


@pytest.mark.parametrize("true_lattice", [True, False])
@pytest.mark.parametrize("changes", VARIANTS)
def test_a_batch_is_the_mean_of_its_structures(changes: dict, true_lattice: bool) -> None:
    network, data, parameters = scene(**changes)
    noise = drawn(data, parameters)
    together = losses(network, *data.take([2, 0, 1]), _of(noise, data, [2, 0, 1]), parameters, true_lattice)
    single = [
        losses(network, *data.take([i]), _of(noise, data, [i]), parameters, true_lattice) for i in range(len(data))
    ]
    for name, value in together.items():
        mean = torch.stack([own[name] for own in single]).mean()
        torch.testing.assert_close(value, mean, rtol=1e-9, atol=1e-12, msg=name)


def _of(noise: Noise, data: CrystalData, indices: list[int]) -> Noise:
    starts = (data.counts.cumsum(0) - data.counts).tolist()
    atoms = torch.cat([torch.arange(starts[i], starts[i] + int(data.counts[i])) for i in indices])
    return Noise(
        noise.latent[indices], noise.level[indices], noise.coordinates[atoms], noise.species_level[indices],
        noise.species[atoms],
    )  # fmt: skip


@pytest.mark.parametrize("true_lattice", [True, False])
def test_gradients_are_the_finite_differences(true_lattice: bool) -> None:
    """Along a random direction in each weight of every part, in float64."""
    network, data, parameters = scene(denoise_species=True)
    batch, edges = data.take(range(len(data)))
    noise = drawn(data, parameters)

    def total() -> torch.Tensor:
        # In the predicted lattice gradients leave out how the noisy structure depends on the lattice head, as
        # published: only weights behind it are compared then.
        return losses(network, batch, edges, noise, parameters, true_lattice)["loss"]

    total().backward()
    names = [
        name
        for name, weight in network.named_parameters()
        if weight.grad is not None and (true_lattice or name.startswith(("decoder", "fc_num", "fc_comp")))
    ]
    assert any(name.startswith("decoder.gemnet.int_blocks") for name in names)
    weights = dict(network.named_parameters())
    random = torch.Generator().manual_seed(3)
    step = 1e-5
    checked = 0
    with torch.no_grad():
        for name in names:
            weight = weights[name]
            direction = torch.randn(weight.shape, generator=random, dtype=torch.float64)
            expected = float((weight.grad * direction).sum())
            weight += step * direction
            upper = float(total())
            weight -= 2 * step * direction
            lower = float(total())
            weight += step * direction
            assert (upper - lower) / (2 * step) == pytest.approx(expected, rel=2e-4, abs=1e-6), name
            checked += 1
    assert checked > 20


def test_the_losses_are_the_published_formulas() -> None:
    network, data, parameters = scene(denoise_species=True)
    batch, edges = data.take(range(len(data)))
    noise = drawn(data, parameters)
    found = losses(network, batch, edges, noise, parameters, True)
    with torch.no_grad():
        mean, log_variance = network.encode(batch, edges)
        z = mean + noise.latent.double() * (0.5 * log_variance).exp()
        heads = network.heads(z)
    expected = {
        "atoms": functional.cross_entropy(heads.atoms, torch.tensor([5, 7, 2])),
        "kl": kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(dim=1).mean(),
    }
    per_atom = functional.cross_entropy(
        heads.composition.repeat_interleave(batch.counts, dim=0), batch.numbers - 1, reduction="none"
    )
    expected["composition"] = torch.stack([part.mean() for part in per_atom.split([5, 7, 2])]).mean()
    weighted = (
        10 * found["coordinates"] + found["species"] + found["atoms"] + 10 * found["lattice"] + found["composition"]
        + 0.01 * found["kl"]
    )  # fmt: skip
    expected["loss"] = weighted
    expected["denoising"] = 10 * found["coordinates"] + found["species"]
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_the_coordinates_loss_is_half_the_squared_error_of_the_score() -> None:
    _, data, _ = scene()
    batch, _ = data.take(range(len(data)))
    random = torch.Generator().manual_seed(0)
    noisy = torch.rand(batch.fractional.shape, generator=random, dtype=torch.float64)
    displacement = torch.randn(batch.fractional.shape, generator=random, dtype=torch.float64)
    sigma = torch.tensor([0.5, 2.0, 0.1], dtype=torch.float64)
    images = torch.tensor(list(itertools.product(range(-3, 4), repeat=3)), dtype=torch.float64)
    means = []
    for structure in range(3):
        own = batch.structure == structure
        ways = (batch.fractional[own] - noisy[own])[:, None] + images
        vectors = ways @ batch.cells[structure]
        shortest = vectors[torch.arange(own.sum()), vectors.norm(dim=2).argmin(dim=1)]
        target, predicted = shortest / sigma[structure] ** 2, displacement[own] / sigma[structure]
        means.append((0.5 * sigma[structure] ** 2 * ((target - predicted) ** 2).sum(dim=1)).mean())
    torch.testing.assert_close(coordinates_loss(displacement, noisy, batch, sigma), torch.stack(means).mean())


def test_the_noise_has_the_widths_of_its_levels_in_the_lattice_given() -> None:
    network, data, parameters = scene(noise_levels=4, sigma_begin=0.4)
    many = [0] * 2000
    batch, _ = data.take(many)
    noise = Noise.draw(batch.counts, parameters, torch.Generator().manual_seed(0))
    frequencies = torch.bincount(noise.level, minlength=4) / len(many)
    torch.testing.assert_close(frequencies, torch.full((4,), 0.25), atol=0.04, rtol=0)
    cells = batch.cells * 1.3
    zero = torch.zeros(len(many), 6, dtype=torch.float64)
    noisy = add_noise(network, batch, zero, zero, cells, noise.to(batch.fractional), parameters)
    assert ((noisy.fractional >= 0) & (noisy.fractional < 1)).all()
    moved = noisy.fractional - batch.fractional
    vectors = (moved - moved.round()) @ cells[0]
    for level, sigma in enumerate(torch.logspace(math.log10(0.4), -2, 4).tolist()):
        own = vectors[(noise.level == level)[batch.structure]]
        torch.testing.assert_close(own.std(dim=0), torch.full((3,), sigma, dtype=torch.float64), rtol=0.05, atol=0)
        assert (own.mean(dim=0).abs() < 5 * sigma / math.sqrt(len(own))).all()
    assert torch.equal(noisy.numbers, batch.numbers)  # species are left alone unless they are denoised


def test_levels_are_the_published_geometric_steps() -> None:
    sigmas = levels(10.0, 0.01, 50, torch.zeros(1))
    assert sigmas[0] == 10
    assert float(sigmas[-1]) == pytest.approx(0.01)
    torch.testing.assert_close(sigmas[1:] / sigmas[:-1], torch.full((49,), 1e-3 ** (1 / 49)))


def test_noisy_species_are_drawn_by_the_published_shares() -> None:
    network, data, parameters = scene(denoise_species=True, noise_levels=2, species_sigma_end=1.0)
    batch, _ = data.take([0] * 3000)
    noise = replace(
        Noise.draw(batch.counts, parameters, torch.Generator().manual_seed(0)),
        species_level=torch.zeros(3000, dtype=torch.int64),
    )
    scores = torch.linspace(-1, 1, 17, dtype=torch.float64).expand(3000, 17)
    noisy = add_noise(network, batch, scores, scores, batch.cells, noise.to(batch.fractional), parameters)
    shares = 5.0 * torch.softmax(scores[0], dim=0)
    shares[int(batch.numbers[0]) - 1] += 1
    counts = torch.bincount(noisy.numbers.view(3000, -1)[:, 0] - 1, minlength=17).double() / 3000
    torch.testing.assert_close(counts, shares / 6.0, atol=0.03, rtol=0)


def test_a_column_is_chosen_by_its_share() -> None:
    shares = torch.tensor([[0.0, 2.0, 0.0, 6.0]]).expand(4, 4)
    assert choose(shares, torch.tensor([0.01, 0.2, 0.26, 0.999999])).tolist() == [1, 1, 3, 3]
    assert choose(torch.tensor([[1.0, 0.0]]), torch.tensor([1.0])).tolist() == [0]


def test_the_loss_of_slots_counts_the_empty_ones_too() -> None:
    network, data, _ = scene(composition_head="slots")
    batch, _ = data.take(range(len(data)))
    scores = torch.randn(3, 7, 18, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    padded = torch.full((3, 7), 17)
    for row, part in enumerate(batch.numbers.split([5, 7, 2])):
        padded[row, : len(part)] = part - 1
    expected = functional.cross_entropy(scores.reshape(21, 18), padded.reshape(21))
    torch.testing.assert_close(composition_loss(network, scores, batch), expected)


def test_the_predicted_lattice_is_what_the_noise_lives_in() -> None:
    """Far from the true one, the decoder sees other distances and its loss changes; the other losses do not."""
    network, data, parameters = scene()
    noise = drawn(data, parameters)
    with torch.no_grad():
        network.fc_lattice[2].bias += torch.tensor([8.0, 8, 8, 0, 0, 0])
    true, predicted = (
        losses(network, *data.take(range(3)), noise, parameters, true_lattice) for true_lattice in (True, False)
    )
    for name in ("atoms", "lattice", "composition", "kl"):
        torch.testing.assert_close(true[name], predicted[name])
    assert abs(float(true["coordinates"] - predicted["coordinates"])) > 1e-4
    assert torch.isfinite(predicted["loss"])


def test_no_gradient_reaches_the_lattice_head_through_the_decoder() -> None:
    network, data, parameters = scene(weight_lattice=0.0)
    losses(network, *data.take(range(3)), drawn(data, parameters), parameters, False)["loss"].backward()
    assert all(float(weight.grad.abs().max()) == 0.0 for weight in network.fc_lattice.parameters())
    assert float(network.fc_mu.weight.grad.abs().max()) > 0


def test_bfloat16_stays_near_float32() -> None:
    network, data, parameters = scene(double=False, denoise_species=True)
    noise = drawn(data, parameters)
    exact = losses(network, *data.take(range(3)), noise, parameters, True)
    with torch.autocast("cpu", torch.bfloat16):
        rough = losses(network, *data.take(range(3)), noise, parameters, True)
    rough["loss"].backward()
    for name, value in exact.items():
        torch.testing.assert_close(rough[name].float(), value, rtol=0.03, atol=0.03, msg=name)
    assert all(torch.isfinite(w.grad).all() for w in network.parameters() if w.grad is not None)


def test_atoms_on_top_of_each_other_and_isolated_ones_give_finite_losses_and_gradients() -> None:
    network, data, parameters = scene(double=False)
    batch, edges = data.take(range(len(data)))
    together = batch.fractional.clone()
    together[1:5] = together[0]  # noise may do that
    together[1] += 1e-6
    large = replace(batch, fractional=together, cells=torch.cat([batch.cells[:2], torch.eye(3)[None] * 60]))
    noise = replace(drawn(data, parameters), coordinates=torch.zeros(14, 3))
    for true_lattice in (True, False):
        network.zero_grad()
        found = losses(network, large, edges_of(large, parameters), noise, parameters, true_lattice)
        found["loss"].backward()
        assert all(torch.isfinite(value) for value in found.values())
        assert all(torch.isfinite(w.grad).all() for w in network.parameters() if w.grad is not None)
    del edges
