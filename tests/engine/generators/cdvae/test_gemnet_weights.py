from __future__ import annotations

import pytest
import torch

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.generators.cdvae.gemnet import GemNetT, initialise
from aiida_dismai.engine.generators.cdvae.gemnet_layers import Dense, ResidualLayer, he_orthogonal_
from aiida_dismai.engine.generators.cdvae.scale_factor import PUBLISHED, set_factors
from aiida_dismai.engine.generators.cdvae.scale_fitting import factors


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


def test_the_parameters_are_as_many_as_in_the_paper():
    with torch.device("meta"):
        interface, default = GemNetT(256, max_z=27), GemNetT(256)
    assert sum(p.numel() for p in interface.parameters() if p.requires_grad) == 2_322_944
    # Only the table of elements depends on their number.
    assert sum(p.numel() for p in default.parameters()) == 2_322_944 + (100 - 27) * 128


@pytest.mark.parametrize("shape", [(128, 128), (16, 128), (128, 16), (1, 128)])
def test_rows_are_normalised_and_not_correlated(shape, random):
    outputs, inputs = shape
    weight = he_orthogonal_(torch.empty(shape, dtype=torch.float64), random)
    assert weight.mean(dim=1).abs().max() < 1e-12
    assert weight.var(dim=1) == pytest.approx(torch.full((outputs,), 1 / inputs), rel=2e-3)
    if 1 < outputs < inputs:
        correlations = torch.corrcoef(weight) - torch.eye(outputs)
        # Independent normal numbers would have 1/√128 = 0.09 on average and 0.25 at most.
        assert correlations.abs().max() < 0.1
        assert correlations.abs().mean() < 0.02


@pytest.mark.parametrize("shape", [(7, 128, 16), (64, 16, 64)])
def test_the_last_of_three_axes_is_the_output(shape, random):
    weight = he_orthogonal_(torch.empty(shape, dtype=torch.float64), random)
    inputs = shape[0] * shape[1]
    assert weight.mean(dim=(0, 1)).abs().max() < 1e-12
    assert weight.var(dim=(0, 1)) == pytest.approx(torch.full((shape[2],), 1 / inputs), rel=5e-3)


def test_a_square_matrix_is_orthogonal_before_it_is_normalised(random):
    drawn = torch.nn.init.orthogonal_(torch.empty(64, 64, dtype=torch.float64), generator=random)
    weight = he_orthogonal_(torch.empty(64, 64, dtype=torch.float64), torch.Generator().manual_seed(0))
    centred = drawn - drawn.mean(dim=1, keepdim=True)
    assert torch.allclose(drawn @ drawn.T, torch.eye(64, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(weight / weight.norm(dim=1, keepdim=True), centred / centred.norm(dim=1, keepdim=True))


def test_layers_keep_the_variance_of_normal_numbers(random):
    values = torch.randn(4000, 128, generator=random)
    dense, residual = Dense(128, 128), ResidualLayer(128)
    for layer in (dense, *residual.dense_mlp):
        he_orthogonal_(layer.linear.weight, random)
    with torch.no_grad():
        assert dense(values).square().mean().item() == pytest.approx(1, abs=0.05)
        assert residual(values).square().mean().item() == pytest.approx(1, abs=0.1)


def test_all_initial_weights_come_from_the_given_stream():
    first, second, other = (GemNetT(8, num_blocks=1, random=torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    for (name, a), b, c in zip(first.named_parameters(), second.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        assert not torch.equal(a, c), name
    state = torch.get_rng_state()
    initialise(first, torch.Generator().manual_seed(2))
    assert torch.equal(state, torch.get_rng_state())


def test_tables_and_the_mixing_layer_start_as_published(random):
    network = GemNetT(256, num_blocks=1, random=random)
    table, mix = network.atom_emb.embeddings.weight, network.atom_latent_emb
    assert table.abs().max() <= 3**0.5
    assert table.square().mean().item() == pytest.approx(1, abs=0.03)
    assert mix.weight.shape == (128, 384)
    for values in (mix.weight, mix.bias):
        assert values.abs().max() <= 384**-0.5
        assert values.square().mean().item() * 3 * 384 == pytest.approx(1, abs=0.25)


def test_published_factors_are_the_default_and_go_with_the_weights():
    network = GemNetT(8)
    assert factors(network) == pytest.approx(PUBLISHED)
    assert set(factors(network)) == set(PUBLISHED)
    state = network.state_dict()
    assert state["int_blocks.1.trip_interaction.scale_cbf_sum.scale_factor"].item() == pytest.approx(7.614634037)
    assert state["out_blocks.3.scale_rbf_F.scale_factor"].item() == pytest.approx(13.484951973)
    plain = GemNetT(8, scale_factors=None)
    assert set(factors(plain).values()) == {1.0}
    plain.load_state_dict(state)
    assert factors(plain) == factors(network)
    # Constants of the data: not for the optimiser.
    assert not any("scale_factor" in name for name, _ in network.named_parameters())


def test_factors_must_be_complete_and_positive():
    with pytest.raises(BadInput, match=r"'TripInteraction_4_had_rbf' among those given: fit"):
        GemNetT(8, num_blocks=4)
    network = GemNetT(8, num_blocks=2)
    assert factors(network)["OutBlock_2_had"] == pytest.approx(PUBLISHED["OutBlock_2_had"])
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(BadInput, match=r"'AtomUpdate_2_sum' is .*: it must be positive"):
            set_factors(network.scales(), {**PUBLISHED, "AtomUpdate_2_sum": wrong})
