from __future__ import annotations

import math

import pytest
import torch

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.generators.cdvae.gemnet import GemNetT
from aiida_dismai.engine.generators.cdvae.gemnet_blocks import Widths
from aiida_dismai.engine.generators.cdvae.scale_factor import Variances
from aiida_dismai.engine.generators.cdvae.scale_fitting import factors, fit, rounds
from aiida_dismai.engine.generators.graphs.edges import Edges
from aiida_dismai.engine.generators.graphs.triplets import triplets_same_target

SMALL = Widths(atom=24, edge=20, triplet=12, bilinear=12, radial=6, circular=5, n_spherical=5, n_radial=16)


def network(seed=0, num_blocks=2):
    random = torch.Generator().manual_seed(seed)
    return GemNetT(8, 5.0, 12, max_z=9, num_blocks=num_blocks, widths=SMALL, scale_factors=None, random=random).double()


def batch(seed, counts=(12, 20)):
    random = torch.Generator().manual_seed(seed)
    n_atoms = sum(counts)
    cells = torch.eye(3, dtype=torch.float64) * torch.tensor([6.0, 8.0][: len(counts)])[:, None, None]
    return (
        torch.randn(len(counts), 8, generator=random, dtype=torch.float64),
        torch.rand(n_atoms, 3, generator=random, dtype=torch.float64),
        torch.randint(1, 10, (n_atoms,), generator=random),
        torch.tensor(counts),
        cells,
    )


def record(net, arguments):
    """Return what goes into and comes out of every layer, by name."""
    seen = {}

    def hook(name):
        return lambda module, inputs, output: seen.__setitem__(name, (inputs[0].detach(), output))

    handles = [module.register_forward_hook(hook(name)) for name, module in net.named_modules() if name]
    with torch.no_grad():
        net(*arguments)
    for handle in handles:
        handle.remove()
    return seen


def variance(values):
    return values.var(dim=0).mean().item()


def test_fitted_factors_keep_the_variance_everywhere():
    net, arguments = network(), batch(1)
    fitted = fit(net, [arguments])
    assert fitted == factors(net)
    assert set(fitted) == set(net.scales())
    seen = record(net, arguments)
    near = net.neighbourhoods(arguments[1], arguments[3], arguments[4])
    edges = Edges(near.source, near.target, torch.zeros(len(near.source), 3, dtype=torch.int64))
    into, _ = triplets_same_target(edges, len(near.degrees))
    ratios = {}
    for block in range(2):
        trip, atoms = f"int_blocks.{block}.trip_interaction", f"int_blocks.{block}.atom_update"
        before, after = variance(seen[f"{trip}.dense_ba"][1]), variance(seen[f"{trip}.scale_rbf"][1])
        ratios[f"had {block}"] = after / before
        # Over triplets, not edges.
        before, after = variance(seen[f"{trip}.down_projection"][1][into]), variance(seen[f"{trip}.scale_cbf_sum"][1])
        ratios[f"sum_cbf {block}"] = after / before
        before = variance(seen[f"int_blocks.{block}.layers_after_skip"][1])
        ratios[f"atoms {block}"] = variance(seen[f"{atoms}.scale_sum"][1]) / before
    for block in range(3):
        name = f"out_blocks.{block}"
        before, after = variance(seen[f"{name}.seq_forces"][1]), variance(seen[f"{name}.scale_rbf_F"][1])
        ratios[f"out had {block}"] = after / before
        # The energy branch is not run: its sum by hand.
        messages, basis = seen[f"{name}.seq_forces"][0], seen["mlp_rbf_out"][1]
        dense = getattr(net.out_blocks, str(block)).dense_rbf
        summed = torch.zeros(32, 20, dtype=torch.float64).index_add(0, near.target, messages * dense(basis).detach())
        ratios[f"out sum {block}"] = fitted[f"OutBlock_{block}_sum"] ** 2 * variance(summed) / variance(messages)
    # The factors are kept in single precision.
    assert ratios == {name: pytest.approx(1, rel=1e-6) for name in ratios}
    assert len(ratios) == len(fitted)


def test_several_batches_count_by_their_rows():
    first = fit(network(num_blocks=1), [batch(1)])
    second = fit(network(num_blocks=1), [batch(2, (7, 5))])
    both = fit(network(num_blocks=1), [batch(1), batch(2, (7, 5))])
    doubled = fit(network(num_blocks=1), [batch(1), batch(1)])
    # Of the first round, which sees nothing of the others' factors.
    for name in rounds(1)[0]:
        assert min(first[name], second[name]) < both[name] < max(first[name], second[name])
    assert doubled == pytest.approx(first, rel=1e-6)


def test_the_same_batches_give_the_same_factors_and_nothing_is_left():
    net = network()
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items() if "scale_factor" not in name}
    expected = fit(network(), [batch(1)])
    state = torch.get_rng_state()
    assert fit(net, [batch(1)]) == expected
    assert fit(net, [batch(1)]) == expected  # whatever the factors were before
    assert torch.equal(state, torch.get_rng_state())
    assert net.training
    assert all(module.watch is None for module in net.scales().values())
    assert not any(module._forward_hooks for module in net.modules())
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())


def test_each_factor_is_fitted_once_and_behind_those_before_it():
    order = [name for names in rounds(3) for name in names]
    assert sorted(order) == sorted(network(num_blocks=3).scales())
    assert len(rounds(3)) == 10
    place = {name: number for number, names in enumerate(rounds(3)) for name in names}
    for block in (1, 2, 3):
        assert place[f"TripInteraction_{block}_had_rbf"] < place[f"TripInteraction_{block}_sum_cbf"]
        assert place[f"TripInteraction_{block}_sum_cbf"] < place[f"AtomUpdate_{block}_sum"]
        assert place[f"AtomUpdate_{block}_sum"] < place[f"OutBlock_{block}_had"]
    assert place["TripInteraction_2_had_rbf"] > place["AtomUpdate_1_sum"]


def test_without_variance_the_fit_says_so_and_changes_nothing():
    net = network()
    fit(net, [batch(1)])
    before = factors(net)
    z, _, numbers, _, _ = batch(1)
    alone = (z, torch.zeros(2, 3, dtype=torch.float64), numbers[:2], torch.tensor([1, 1]))
    far = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1) * 90
    for batches in ([(*alone, far)], []):
        with pytest.raises(BadInput, match=r"cannot be fitted: 0 rows .* neighbours within the cutoff"):
            fit(net, batches)
        assert factors(net) == before
        assert all(module.watch is None for module in net.scales().values())


def test_not_finite_activations_are_refused():
    net = network()
    z, *rest = batch(1)
    with pytest.raises(BadInput, match="cannot be fitted"):
        fit(net, [(z * math.nan, *rest)])


def test_variances_are_of_columns_and_single_rows_have_none():
    watch = Variances()
    random = torch.Generator().manual_seed(0)
    before, after = torch.randn(50, 3, generator=random) * 2, torch.randn(20, 4, generator=random) + torch.arange(4)
    watch.add(before, after)
    watch.add(before[:1], after[:1])
    expected = before.var(dim=0).mean().sqrt() / after.var(dim=0).mean().sqrt()
    assert watch.factor == pytest.approx(expected.item(), rel=1e-6)
    assert watch.samples == 20
    assert math.isnan(Variances().factor)
