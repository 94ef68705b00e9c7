"""The network of CDVAE: sizes, lattices, compositions, published names."""

from __future__ import annotations

import pytest
import torch
from support.cdvae_scenes import crystals, scene, tiny

from aiida_dismai.engine.errors import BadInput, BadWeights
from aiida_dismai.engine.generators.cdvae import SPEC
from aiida_dismai.engine.generators.cdvae.config import CdvaeParameters
from aiida_dismai.engine.generators.cdvae.data import Limits
from aiida_dismai.engine.generators.cdvae.model import Cdvae, from_published, parameters_by_part, parts
from aiida_dismai.engine.generators.registry import hyperparameters
from aiida_dismai.engine.structures import StructureSet


def linear(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def interface() -> StructureSet:
    """Return a structure of the benchmark's interface: 264 atoms, highest element cobalt."""
    numbers = [3] * 72 + [21] * 12 + [27] * 36 + [17] * 72 + [8] * 72
    return StructureSet.from_uniform(numbers, torch.rand(1, 264, 3).numpy() * 12, torch.eye(3).numpy() * 12)


def test_the_published_model_has_the_published_numbers_of_parameters() -> None:
    found = parts(interface(), CdvaeParameters())
    assert found == {
        "encoder": 2_213_510,
        "latent": 2 * linear(256, 256),
        "decoder": 2_322_944,
        "head_atoms": linear(256, 256) + linear(256, 265),
        "head_lattice": linear(256, 256) + linear(256, 6),
        "head_composition": linear(256, 256) + linear(256, 27),
    }
    options = CdvaeParameters(denoise_species=True, composition_head="slots")
    more = parts(interface(), options)
    assert more["head_species"] == linear(128, 27)
    assert more["head_composition"] == linear(256, 256) + linear(256, 28 * 264)


def test_the_parts_are_all_of_the_network() -> None:
    network, _, _ = scene(denoise_species=True)
    assert sum(parameters_by_part(network).values()) == sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("double", [False, True])
def test_a_standardised_lattice_is_predicted_back(double: bool) -> None:
    from aiida_dismai.engine.generators.graphs.lattice import lengths_and_angles

    network, data, _ = scene(double)
    counts = data.counts.to(data.cells.dtype)
    lattice = network.standardised(*lengths_and_angles(data.cells), counts)
    torch.testing.assert_close(network.predicted_cells(lattice, counts), data.cells, atol=1e-4, rtol=0)
    assert lattice[:, :3].mean(dim=0).abs().max() < 1e-3
    assert network.lattice_std[0] == pytest.approx(
        float((data.cells[:, 0].norm(dim=1) / counts ** (1 / 3)).std(unbiased=False)) + 1e-5, rel=1e-4
    )


def test_what_an_untrained_head_says_of_a_lattice_is_still_a_cell() -> None:
    network, _, _ = scene(double=False)
    nonsense = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) * 1e3
    cells = network.predicted_cells(nonsense, torch.full((50,), 4.0))
    assert torch.isfinite(cells).all()
    assert (torch.linalg.det(cells) > 1e-3).all()


def test_shares_of_slots_count_what_the_slots_hold() -> None:
    network, _, _ = scene(composition_head="slots", max_atoms=4, max_atomic_number=17, structures=crystals((4, 2)))
    scores = torch.full((2, 4, 18), -5.0)
    for slot, kind in enumerate([2, 7, 7, 17]):  # Li, O, O, nothing
        scores[0, slot, kind] = 5.0
    scores[1, :, 17] = 5.0  # nothing at all: what is second decides
    scores[1, :, 2] = 4.0
    shares = network.fractions(scores)
    assert shares[0, 2] == pytest.approx(1 / 3)
    assert shares[0, 7] == pytest.approx(2 / 3)
    assert shares[1, 2] > 0.99
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2))


def test_published_weights_are_taken_over_by_name() -> None:
    network, data, parameters = scene(double=False, denoise_species=True)
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("lattice_")}
    published = {
        **state,
        "sigmas": torch.ones(5),
        "type_sigmas": torch.ones(5),
        "decoder.gemnet.radial_basis.rbf.offset": torch.ones(8),
        "decoder.gemnet.out_blocks.0.layers.0.linear.weight": torch.ones(8, 8),
    }
    ours = from_published(published)
    assert set(ours) == set(state)
    other = Cdvae(parameters, Limits(7, 17))
    missing, unexpected = other.load_state_dict(ours, strict=False)
    assert sorted(missing) == ["lattice_mean", "lattice_std"]
    assert not unexpected
    batch, edges = data.take([0])
    assert torch.equal(other.encode(batch, edges)[0], network.encode(batch, edges)[0])
    with pytest.raises(BadWeights, match="no published GemNet-T"):
        from_published({"something.weight": torch.ones(1)})


def test_latents_do_not_depend_on_the_orientation_of_a_structure() -> None:
    structures = crystals()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64))[0]
    turn = (turn * torch.linalg.det(turn)).numpy()
    turned = StructureSet(
        structures.numbers, structures.positions @ turn, structures.cells @ turn, structures.pbc, structures.offsets
    )
    for changes in ({}, {"encoder_graph": "crystalnn"}):
        network, data, _ = scene(**changes)
        _, other, _ = scene(structures=turned, **changes)
        first, second = network.encode(*data.take(range(3))), network.encode(*other.take(range(3)))
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)  # data is kept in float32
        assert (first[0][0] - first[0][1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sigma_end": 20.0}, "sigma_begin 10 must be above sigma_end 20"),
        ({"species_sigma_end": 20.0}, "species_sigma_begin"),
        ({"fit_scale_factors": False, "decoder_blocks": 4}, "published scale factors are for 3 blocks"),
        ({"max_neighbors": 3}, "did you mean 'max_neighbours'"),
        ({"cutoff": -1}, "cutoff"),
        ({"encoder_graph": "voronoi"}, "crystalnn"),
    ],
)
def test_wrong_hyper_parameters_are_refused(values: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        hyperparameters(SPEC, values)


def test_the_defaults_are_the_published_ones() -> None:
    parameters = CdvaeParameters()
    assert (parameters.epochs, parameters.batch_size, parameters.learning_rate) == (1000, 8, 1e-3)
    assert (parameters.plateau_factor, parameters.plateau_patience, parameters.min_learning_rate) == (0.6, 30, 1e-4)
    assert parameters.clip_value == 0.5
    assert not parameters.denoise_species
    assert tiny().cutoff == 4.0
