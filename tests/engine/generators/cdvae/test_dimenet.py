"""DimeNet++ against PyTorch Geometric's layers with the same weights, and its bases against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre, spherical_jn
from torch import nn
from torch_geometric.nn.models import dimenet as pyg

from aiida_dismai.engine.generators.cdvae.bessel import bessel_zeros, legendre, spherical_bessel
from aiida_dismai.engine.generators.cdvae.dimenet import DimeNetPlusPlus, Sizes, glorot_orthogonal
from aiida_dismai.engine.generators.graphs.edges import Edges, radius_edges
from aiida_dismai.engine.generators.graphs.triplets import triplets_chain

SMALL = Sizes(hidden=12, blocks=2, triplet=6, basis=4, output=10, n_spherical=4, n_radial=3)
CUTOFF = 4.0
CELL = torch.tensor([[5.0, 0.2, 0.0], [1.1, 5.3, 0.3], [-0.7, 0.4, 6.0]], dtype=torch.float64)


def scene(n: int = 9, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    numbers = torch.tensor([3, 17, 21])[torch.randint(3, (n,), generator=random)]
    return numbers, torch.rand(n, 3, generator=random, dtype=torch.float64) @ CELL, torch.tensor([n])


def network(seed: int = 0, sizes: Sizes = SMALL) -> DimeNetPlusPlus:
    torch.manual_seed(seed)
    net = DimeNetPlusPlus(5, CUTOFF, sizes)
    for block in net.output_blocks:
        nn.init.normal_(block.lin.weight)  # published as zero: then nothing would come out
    return net.double()


def evaluate(net: DimeNetPlusPlus, numbers: torch.Tensor, positions: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    counts = torch.tensor([len(numbers)])
    structure = torch.zeros(len(numbers), dtype=torch.int64)
    edges = radius_edges(positions, cell[None], counts, CUTOFF, 12)
    return net(numbers, edges.vectors(positions, cell[None], structure), edges, structure, 1)[0]


def test_the_published_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        net = DimeNetPlusPlus(256, 7.0)
    assert sum(parameter.numel() for parameter in net.parameters()) == 2_213_510


def test_spherical_bessel_functions_are_those_of_scipy() -> None:
    x = np.concatenate([[0.0], np.logspace(-12, 1.7, 3000), np.arange(2, 10.0)])
    ours = spherical_bessel(7, torch.from_numpy(x))
    for order in range(8):
        np.testing.assert_allclose(ours[order].numpy(), spherical_jn(order, x), rtol=1e-9, atol=2e-15)
    small = np.logspace(-6, 0, 50)  # where closed forms have no digit left
    np.testing.assert_allclose(
        spherical_bessel(6, torch.from_numpy(small))[6].numpy(), spherical_jn(6, small), rtol=1e-12
    )


def test_zeros_and_polynomials() -> None:
    zeros = bessel_zeros(6, 6)
    for order, row in enumerate(zeros):
        assert len(row) == 6
        np.testing.assert_allclose(spherical_jn(order, row), 0, atol=1e-13)
        # Asymptotically the zeros are π apart; none may be left out. (The first of j_1 is 4.4934.)
        assert np.all((np.diff(row) > 3.1) & (np.diff(row) < 3.7))
    assert zeros[1][0] == pytest.approx(4.493409457909064)
    assert zeros[6][0] == pytest.approx(10.512835408093998)
    cosine = torch.linspace(-1, 1, 31, dtype=torch.float64)
    for order, values in enumerate(legendre(6, cosine)):
        np.testing.assert_allclose(values.numpy(), eval_legendre(order, cosine.numpy()), atol=1e-14)


def test_the_radial_functions_are_orthonormal() -> None:
    """Without the envelope: ∫ x² f_ln f_lm dx = δ_nm over the unit ball."""
    net = network()
    x = torch.linspace(1e-4, 1, 20001, dtype=torch.float64)
    envelope = net.rbf(x)[:, 0] / (net.rbf.freq[0] * x).sin()
    radial = net.sbf.radial(x)[:-1] / envelope[:-1, None, None].detach()
    for order in range(4):
        overlap = torch.trapezoid(
            (x[:-1, None, None] ** 2) * radial[:, order, :, None] * radial[:, order, None], dx=5e-5, dim=0
        )
        torch.testing.assert_close(overlap, torch.eye(3, dtype=torch.float64), atol=2e-4, rtol=0)


def test_the_same_weights_give_the_numbers_of_pytorch_geometric() -> None:
    """Its own layers on our edges: the graph search of PyTorch Geometric needs compiled extensions."""
    numbers, positions, counts = scene()
    ours = network()
    theirs = pyg.DimeNetPlusPlus(
        hidden_channels=12,
        out_channels=5,
        num_blocks=2,
        int_emb_size=6,
        basis_emb_size=4,
        out_emb_channels=10,
        num_spherical=4,
        num_radial=3,
        cutoff=CUTOFF,
        envelope_exponent=5,
    )
    with torch.no_grad():
        for block in ours.output_blocks:
            block.lin_up.bias.zero_()  # CDVAE added it
    state = {key: value for key, value in ours.state_dict().items() if not key.endswith("lin_up.bias")}
    theirs.load_state_dict(state)
    theirs = theirs.double()
    structure = torch.zeros(len(numbers), dtype=torch.int64)
    edges = radius_edges(positions, CELL[None], counts, CUTOFF, 12)
    vectors = edges.vectors(positions, CELL[None], structure)
    incoming, outgoing = triplets_chain(edges, len(numbers))
    distance = vectors.norm(dim=1)
    # angle between the bonds i → j and j → k, as the published code takes it
    first, second = vectors[outgoing], vectors[incoming]
    angle = torch.atan2(torch.linalg.cross(first, second).norm(dim=1), (first * second).sum(dim=1))
    rbf, sbf = theirs.rbf(distance), theirs.sbf(distance, angle, incoming)
    x = theirs.emb(numbers, rbf, edges.target, edges.source)
    total = theirs.output_blocks[0](x, rbf, edges.target, num_nodes=len(numbers))
    for interaction, output in zip(theirs.interaction_blocks, theirs.output_blocks[1:], strict=True):
        x = interaction(x, rbf, sbf, incoming, outgoing)
        total = total + output(x, rbf, edges.target, num_nodes=len(numbers))
    expected = total.mean(dim=0)
    assert expected.abs().max() > 1e-2
    # They round the zeros of the Bessel functions to float32.
    torch.testing.assert_close(ours(numbers, vectors, edges, structure, 1)[0], expected, rtol=3e-7, atol=1e-9)


def test_initial_weights_are_those_of_pytorch_geometric() -> None:
    from torch_geometric.nn.inits import glorot_orthogonal as theirs

    ours, other = torch.empty(7, 13), torch.empty(7, 13)
    torch.manual_seed(3)
    glorot_orthogonal(ours)
    torch.manual_seed(3)
    theirs(other, scale=2.0)
    torch.testing.assert_close(ours, other)


def test_rotation_translation_permutation_images_and_supercells_change_nothing() -> None:
    net = network()
    numbers, positions, _ = scene()
    expected = evaluate(net, numbers, positions, CELL)
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]
    order = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(2))
    images = torch.randint(-2, 3, (len(numbers), 3), generator=torch.Generator().manual_seed(3)).double()
    torch.testing.assert_close(evaluate(net, numbers, positions @ rotation, CELL @ rotation), expected)
    torch.testing.assert_close(evaluate(net, numbers, positions + 1.234, CELL), expected)
    torch.testing.assert_close(evaluate(net, numbers[order], positions[order], CELL), expected)
    torch.testing.assert_close(evaluate(net, numbers, positions + images @ CELL, CELL), expected)


def test_a_batch_is_its_structures_one_by_one() -> None:
    net = network()
    scenes = [scene(n, seed=n) for n in (1, 9, 4)]
    counts = torch.tensor([1, 9, 4])
    cells = torch.stack([CELL * 1.5, CELL, CELL * 0.8])
    numbers = torch.cat([scene[0] for scene in scenes])
    positions = torch.cat([scene[1] for scene in scenes])
    structure = torch.repeat_interleave(counts)
    edges = radius_edges(positions, cells, counts, CUTOFF, 12)
    together = net(numbers, edges.vectors(positions, cells, structure), edges, structure, 3)
    for row, (own, cell) in enumerate(zip(scenes, cells, strict=True)):
        torch.testing.assert_close(together[row], evaluate(net, own[0], own[1], cell))


def test_straight_lines_coincident_atoms_and_isolated_ones_have_finite_gradients() -> None:
    net = network().float()
    structure = torch.zeros(6, dtype=torch.int64)
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 0, 1e-7], [2, 0, 0], [20, 20, 20]])
    positions.requires_grad_()
    cell = torch.eye(3)[None] * 40
    numbers = torch.tensor([3, 3, 17, 17, 17, 21])
    for smallest in (0.01, 0.0):  # also with the edges that a graph leaves out
        edges = radius_edges(positions, cell, torch.tensor([6]), CUTOFF, 12, smallest)
        result = net(numbers, edges.vectors(positions, cell, structure), edges, structure, 1)
        gradients = torch.autograd.grad(result.sum(), [positions, *net.parameters()], allow_unused=True)
        assert torch.isfinite(result).all()
        assert all(torch.isfinite(gradient).all() for gradient in gradients if gradient is not None)


def test_without_any_edge_the_result_is_the_bias_of_the_output_blocks() -> None:
    net = network()
    none = torch.zeros(0, dtype=torch.int64)
    edges = Edges(none, none, torch.zeros(0, 3, dtype=torch.int64))
    structure = torch.zeros(2, dtype=torch.int64)
    result = net(torch.tensor([3, 17]), torch.zeros(0, 3, dtype=torch.float64), edges, structure, 1)
    assert torch.isfinite(result).all()
    assert math.isfinite(float(result.sum()))


def test_an_edge_at_the_cutoff_adds_nothing() -> None:
    net = network()
    numbers = torch.tensor([3, 17])
    cell = torch.eye(3, dtype=torch.float64) * 30

    def at(distance: float) -> torch.Tensor:
        return evaluate(net, numbers, torch.tensor([[0.0, 0, 0], [distance, 0, 0]], dtype=torch.float64), cell)

    torch.testing.assert_close(at(CUTOFF * (1 - 1e-9)), at(CUTOFF * (1 + 1e-9)), rtol=1e-7, atol=1e-9)
    assert (at(2.0) - at(2.1)).abs().max() > 1e-6
