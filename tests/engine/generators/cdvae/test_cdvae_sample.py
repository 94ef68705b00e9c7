"""Generation with CDVAE: compositions, Langevin dynamics with a known score, independence of the division of work."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.cdvae_scenes import CELL, crystals, scene
from torch import Tensor, nn

from aiida_dismai.engine.errors import BadWeights
from aiida_dismai.engine.generators.cdvae.sample import _generate, compose, langevin, load_network, sample
from aiida_dismai.engine.generators.contract import TrainedGenerator
from aiida_dismai.engine.generators.graphs.batch import structure_of
from aiida_dismai.engine.generators.graphs.lattice import lengths_and_angles, nearest_image
from aiida_dismai.engine.generators.seeds import stream
from aiida_dismai.engine.structures import StructureSet


def trained(structures: StructureSet | None = None, **changes: Any) -> TrainedGenerator:
    structures = crystals() if structures is None else structures
    network, _, parameters = scene(double=False, structures=structures, **changes)
    weights = {
        name: value
        for name, value in network.state_dict().items()
        if not name.startswith(("encoder.", "fc_mu.", "fc_var."))
    }
    config = {"max_atoms": network.limits.max_atoms, "max_atomic_number": network.limits.max_atomic_number}
    return TrainedGenerator("cdvae", 1, parameters, config, structures[0], weights, {})


def rows(structures: StructureSet) -> list[tuple]:
    return [(s.numbers.tobytes(), s.positions.tobytes(), s.cells.tobytes()) for s in structures]


@pytest.mark.parametrize("changes", [{}, {"denoise_species": True}, {"composition_head": "slots"}])
def test_a_structure_depends_on_seed_and_index_only(changes: dict) -> None:
    generator = trained(**changes)
    together = rows(sample(generator, [0, 1, 2, 3], 7, "cpu"))
    apart = rows(sample(generator, [3], 7, "cpu")) + rows(sample(generator, [1, 0], 7, "cpu"))
    assert apart == [together[3], together[1], together[0]]
    assert rows(sample(generator, [0], 8, "cpu"))[0] != together[0]
    assert len(set(together)) == 4


def test_structures_made_together_are_those_made_one_by_one() -> None:
    """As on a GPU, where all indices are one batch; in float64, so that rounding has no time to grow."""
    generator = trained()
    network = load_network(generator, "cpu").double()
    turn = np.eye(3)

    def make(indices: list[int]) -> StructureSet:
        with torch.no_grad():
            return _generate(network, generator.parameters, generator.template, [stream(5, i) for i in indices], turn)

    together = make([0, 1, 2])
    for place in range(3):
        alone = make([place])
        np.testing.assert_array_equal(together[place].numbers, alone.numbers)
        np.testing.assert_allclose(together[place].cells, alone.cells, atol=1e-9)
        shift = (together[place].positions - alone.positions) @ np.linalg.inv(alone.cells[0])
        np.testing.assert_allclose(shift, np.rint(shift), atol=1e-7)


def test_the_heads_say_what_there_is() -> None:
    generator = trained()
    with torch.no_grad():
        for name in ("fc_num_atoms", "fc_composition"):
            generator.weights[f"{name}.2.weight"].zero_()
            generator.weights[f"{name}.2.bias"].fill_(-20.0)
        generator.weights["fc_num_atoms.2.bias"][0] = 30.0  # no structure has no atoms
        generator.weights["fc_num_atoms.2.bias"][6] = 20.0
        generator.weights["fc_composition.2.bias"][2] = math.log(1.0)
        generator.weights["fc_composition.2.bias"][16] = math.log(2.0)
        generator.weights["fc_lattice.2.weight"].zero_()
        generator.weights["fc_lattice.2.bias"].zero_()
    made = sample(generator, range(4), 1, "cpu")
    assert made.n_atoms.tolist() == [6] * 4
    assert sorted(made.numbers[:6].tolist()) == [3, 3, 17, 17, 17, 17]
    lengths, angles = lengths_and_angles(torch.from_numpy(made.cells))
    mean = generator.weights["lattice_mean"].double()
    torch.testing.assert_close(lengths, (mean[:3] * 6 ** (1 / 3)).expand(4, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(angles, mean[3:].expand(4, 3), atol=1e-4, rtol=0)
    assert made.pbc.all()


def test_the_template_can_give_the_composition() -> None:
    structures = StructureSet.from_uniform(
        [17, 3, 17, 8], crystals((4,)).positions.reshape(1, 4, 3), crystals((4,)).cells[0]
    )
    made = sample(trained(structures, composition="template", denoise_species=True), range(3), 1, "cpu")
    # grouped by element in the template's order; species stay what they are
    assert made.numbers.tolist() == [17, 17, 3, 8] * 3


def test_generated_structures_lie_like_the_template() -> None:
    structures = crystals((4,))
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    for hand in (1.0, -1.0):  # a left-handed cell is given back right-handed: all vectors reversed
        cell = (structures.cells[0] @ turn) * np.array([1.0, 1.0, 1.0])[:, None]
        given = StructureSet.from_uniform(structures.numbers, (structures.positions @ turn)[None], cell * hand)
        generator = trained(given)
        generator.weights["fc_lattice.2.weight"].zero_()
        generator.weights["fc_lattice.2.bias"].zero_()
        generator.weights["lattice_mean"][:3] *= (4 ** (1 / 3)) / (4 ** (1 / 3))
        made = sample(generator, [0], 1, "cpu")
        scale = (made.n_atoms[0] / 4) ** (1 / 3)
        np.testing.assert_allclose(made.cells[0] / scale, cell, atol=2e-3)


class KnownScore(nn.Module):
    """The decoder of a model in which every atom has one place, x0: displacement = (x0 - x) / σ at the last σ."""

    def __init__(self, target: Tensor, sigma: float) -> None:
        super().__init__()
        self.target, self.sigma = target, sigma

    def forward(self, z: Tensor, fractional: Tensor, numbers: Tensor, counts: Tensor, cells: Tensor) -> tuple:
        back = nearest_image(self.target - fractional, cells, structure_of(counts))
        return back / self.sigma, None


def test_langevin_dynamics_reaches_the_distribution_of_a_known_score() -> None:
    """x' = x + ε (x0 - x)/σ² + √(2ε) ξ has the variance σ² / (1 - ε/2σ²): 2 σ² for the published ε = σ²."""
    n, sigma = 4000, 0.02
    random = np.random.default_rng(0)
    target = torch.from_numpy(random.random((n, 3)))
    for step_size, expected in ((sigma**2, math.sqrt(2.0)), (0.2 * sigma**2, math.sqrt(1 / 0.9))):
        parameters = SimpleNamespace(
            sigma_begin=0.0200001, sigma_end=sigma, noise_levels=2, step_size=step_size, langevin_steps=40,
            composition="head",
        )  # fmt: skip
        network = SimpleNamespace(decoder=KnownScore(target, sigma))
        cells = torch.from_numpy(CELL)[None]
        fractional, _ = langevin(
            network, parameters, torch.zeros(1, 1), torch.from_numpy(random.random((n, 3))),
            torch.ones(n, dtype=torch.int64), torch.tensor([n]), cells, [stream(1, 0)],
        )  # fmt: skip
        assert ((fractional >= 0) & (fractional < 1)).all()
        away = nearest_image(fractional - target, cells, torch.zeros(n, dtype=torch.int64))
        np.testing.assert_allclose(away.std(dim=0).numpy() / sigma, expected, rtol=0.05)
        assert away.mean(dim=0).abs().max() < 5 * sigma * expected / math.sqrt(n)


def test_steps_grow_with_the_square_of_the_noise() -> None:
    """Without a score, each level adds a variance of 2 · steps · step_size (σ / σ_last)²."""
    n = 3000
    parameters = SimpleNamespace(
        sigma_begin=0.08, sigma_end=0.02, noise_levels=3, step_size=1e-4, langevin_steps=5, composition="head"
    )
    network = SimpleNamespace(decoder=lambda z, f, numbers, counts, cells: (torch.zeros_like(f), None))
    cells = torch.eye(3, dtype=torch.float64)[None] * 50
    start = torch.full((n, 3), 0.5, dtype=torch.float64)
    fractional, _ = langevin(
        network, parameters, torch.zeros(1, 1), start, torch.ones(n, dtype=torch.int64), torch.tensor([n]), cells,
        [stream(1, 0)],
    )  # fmt: skip
    expected = math.sqrt(2 * 5 * 1e-4 * (16 + 4 + 1))
    np.testing.assert_allclose(((fractional - 0.5) * 50).std(dim=0).numpy(), expected, rtol=0.05)


def test_denoised_species_follow_the_decoder() -> None:
    generator = trained(denoise_species=True)
    with torch.no_grad():
        generator.weights["decoder.fc_atom.weight"].zero_()
        generator.weights["decoder.fc_atom.bias"].copy_(torch.arange(17.0) == 7)
    assert set(sample(generator, range(3), 1, "cpu").numbers.tolist()) == {8}


def test_what_becomes_nan_is_handed_over_and_does_not_spread() -> None:
    generator = trained(structures=crystals((4, 4)))
    network = load_network(generator, "cpu")
    decoder = network.decoder

    class Spoiled(nn.Module):
        def forward(self, z: Tensor, fractional: Tensor, *rest: Tensor) -> tuple:
            displacement, scores = decoder(z, fractional, *rest)
            displacement[0] = torch.nan
            return displacement, scores

    network.decoder = Spoiled()
    with torch.no_grad():
        made = _generate(network, generator.parameters, generator.template, [stream(5, 0), stream(5, 1)], np.eye(3))
    assert not np.isfinite(made[0].positions).all()
    assert np.isfinite(made[1].positions).all()


@pytest.mark.parametrize("size", [1, 7, 264])
def test_compositions_are_rounded_to_whole_atoms(size: int) -> None:
    shares = np.array([0.5, 0.0, 0.3, 0.2])
    for index in range(20):
        species = compose(shares, size, stream(0, index))
        assert len(species) == size
        counts = np.bincount(species, minlength=5)[1:]
        assert counts[1] == 0
        assert np.abs(counts - shares * size).max() <= 1 + 1e-9


def test_exact_compositions_are_kept() -> None:
    shares = np.array([72, 12, 36, 72, 72]) / 264
    assert np.bincount(compose(shares, 264, stream(0, 0)))[1:].tolist() == [72, 12, 36, 72, 72]


def test_many_small_shares_still_fill_the_structure() -> None:
    shares = np.full(10, 0.1)  # three atoms: every share rounds to none
    drawn = np.concatenate([compose(shares, 3, stream(0, index)) for index in range(400)])
    counts = np.bincount(drawn, minlength=11)[1:]
    assert counts.sum() == 1200
    assert np.abs(counts - 120).max() < 45


def test_weights_of_another_model_are_refused() -> None:
    generator = trained()
    lacking = {name: value for name, value in generator.weights.items() if not name.startswith("fc_lattice")}
    wider = {**generator.weights, "fc_num_atoms.2.bias": torch.zeros(99)}
    for weights, message in (
        (lacking, "Missing key.*fc_lattice"),
        (wider, "size mismatch.*fc_num_atoms"),
        ({}, "Missing"),
    ):
        with pytest.raises(BadWeights, match=message):
            sample(replace(generator, weights=weights), [0], 1, "cpu")
    with pytest.raises(BadWeights, match="max_atomic_number"):
        sample(replace(generator, config={"max_atoms": 3}), [0], 1, "cpu")


def test_a_template_with_an_unknown_element_is_refused() -> None:
    generator = trained(composition="template", structures=crystals((4,)))
    other = StructureSet.from_uniform([79] * 4, generator.template.positions[None], generator.template.cells[0])
    with pytest.raises(BadWeights, match="Au4 has elements above atomic number 17"):
        sample(replace(generator, template=other), [0], 1, "cpu")
