from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice
from support.plain_cspnet import PlainCSPNet

from aiida_dismai.engine.errors import BadWeights
from aiida_dismai.engine.generators.diffcsp import messages
from aiida_dismai.engine.generators.diffcsp.config import DiffcspParameters
from aiida_dismai.engine.generators.diffcsp.losses import Diffusion
from aiida_dismai.engine.generators.diffcsp.model import CSPNet, from_published, parts, time_embedding
from aiida_dismai.engine.generators.graphs.lattice import standard_orientation
from aiida_dismai.engine.generators.trainable import count_parameters
from aiida_dismai.engine.structures import StructureSet

SMALL = {"hidden_dim": 16, "num_layers": 3, "num_frequencies": 5, "time_dim": 8}


def networks(dtype=torch.float64, max_z=9, **options):
    """Return the network and the plain one with the same weights."""
    torch.manual_seed(0)
    settings = SMALL | options
    net = CSPNet(max_z, DiffcspParameters(**settings)).to(dtype)
    plain = PlainCSPNet(
        max_z, settings["hidden_dim"], settings["num_layers"], settings["num_frequencies"], settings["time_dim"]
    ).to(dtype)
    plain.load_state_dict(net.state_dict())  # also shows that the names are the published ones
    return net, plain


def structures(*counts, dtype=torch.float64, seed=1):
    """Return the arguments of the networks for random structures."""
    random = torch.Generator().manual_seed(seed)
    n = sum(counts)
    cells = 6 * torch.eye(3, dtype=dtype) + torch.rand(len(counts), 3, 3, generator=random, dtype=dtype)
    return (
        torch.randint(1, 1001, (len(counts),), generator=random),
        torch.randint(1, 10, (n,), generator=random),
        torch.rand(n, 3, generator=random, dtype=dtype),
        cells,
        torch.tensor(counts),
    )


def gradients(net, arguments):
    net.zero_grad()
    lattice, score = net(*arguments)
    ((lattice**2).sum() + (score.sin() * torch.arange(len(score))[:, None]).sum()).backward()
    return lattice, score, {name: weight.grad.clone() for name, weight in net.named_parameters()}


# ---------------------------------------------------------------------- the published numbers
def test_the_paper_s_number_of_parameters():
    template = StructureSet.from_uniform([3, 27, 8], np.zeros((1, 3, 3)), np.eye(3))
    assert parts(template, DiffcspParameters()) == {"network": 2_516_480}
    assert count_parameters(CSPNet(27, DiffcspParameters())) == 2_516_480


@pytest.mark.parametrize("prefix", ["", "decoder."])
def test_published_weights_are_taken_over_by_name(prefix):
    net, _ = networks()
    wide, _ = networks(max_z=100)
    published = {prefix + name: value for name, value in wide.state_dict().items()}
    published |= {"beta_scheduler.betas": torch.ones(5), "sigma_scheduler.sigmas": torch.ones(5)}
    net.load_state_dict(from_published(published, 9))
    arguments = structures(4, 7)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(net(*arguments), wide(*arguments), strict=True))
    with pytest.raises(BadWeights, match="end at atomic number 100, before 101"):
        from_published(published, 101)
    with pytest.raises(BadWeights, match="no published CSPNet"):
        from_published({"decoder.conv.weight": torch.ones(1)}, 9)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("chunk", [3, 1024])
def test_outputs_and_gradients_are_those_of_the_plain_network(monkeypatch, recompute, chunk):
    """Sizes 1 to 13 in one batch, chunks that divide structures; float64."""
    monkeypatch.setitem(messages.CHUNK, "cpu", chunk)
    net, plain = networks(recompute=recompute)
    arguments = structures(5, 1, 13, 2)
    found, expected = gradients(net, arguments), gradients(plain, arguments)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-10, atol=1e-11)
    for name, gradient in expected[2].items():
        torch.testing.assert_close(found[2][name], gradient, rtol=1e-9, atol=1e-10, msg=name)


def test_the_paper_s_network_in_single_precision():
    """Both round: up to 127 periods in single precision. Neither may be further from double precision than 1e-5."""
    net, plain = networks(torch.float32, 27, hidden_dim=256, num_layers=4, num_frequencies=128, time_dim=256)
    arguments = structures(24, 16, dtype=torch.float32)
    found, expected = gradients(net, arguments), gradients(plain, arguments)
    exact = [value.double() if value.is_floating_point() else value for value in arguments]
    truth = gradients(plain.double(), exact)

    def error(result):
        pairs = [*zip(result[:2], truth[:2], strict=True)] + [(result[2][name], truth[2][name]) for name in truth[2]]
        return max(((mine - other).norm() / other.norm()).item() for mine, other in pairs)

    assert error(expected) < 1e-5
    assert error(found) < 1e-5


def test_without_gradients_the_numbers_are_the_same():
    net, _ = networks()
    arguments = structures(4, 7)
    with torch.no_grad():
        quiet = net(*arguments)
    for one, other in zip(quiet, net(*arguments), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_smaller_lattice_weights_are_a_smaller_lattice():
    """Dividing the weights of L Lᵀ by 36 Å² is what a cell a sixth as large does, but for the lattice's own output."""
    net, _ = networks()
    times, numbers, fractional, cells, counts = structures(4, 3)
    _, small_cells = net(times, numbers, fractional, cells / 6, counts)
    _, published = net(times, numbers, fractional, cells, counts)
    net.shrink_lattice_weights(36.0)
    _, scores = net(times, numbers, fractional, cells, counts)
    torch.testing.assert_close(scores, small_cells)
    assert not torch.allclose(scores, published, rtol=1e-3)


def test_initial_weights_of_the_lattice_are_divided_by_its_square_if_asked():
    crystals = StructureSet.from_uniform(
        [3, 8], np.zeros((2, 2, 3)), np.array([np.diag([4, 5, 6]), np.diag([7, 8, 9])])
    )
    torch.manual_seed(0)
    published = Diffusion(crystals, None, DiffcspParameters(**SMALL)).network.state_dict()
    torch.manual_seed(0)
    normalised = Diffusion(crystals, None, DiffcspParameters(**SMALL, normalise_lattice=True)).network.state_dict()
    square = float((crystals.cells**2).sum(axis=2).mean())
    lattice = slice(2 * SMALL["hidden_dim"], 2 * SMALL["hidden_dim"] + 9)
    for name, value in published.items():
        if name.endswith("edge_mlp.0.weight"):
            value[:, lattice] /= square
        torch.testing.assert_close(normalised[name], value)


def test_gradients_by_finite_differences():
    net, _ = networks(hidden_dim=6, num_layers=2, num_frequencies=3)
    arguments = structures(3, 4)
    _, _, found = gradients(net, arguments)

    def value():
        with torch.no_grad():
            lattice, score = net(*arguments)
            return float((lattice**2).sum() + (score.sin() * torch.arange(len(score))[:, None]).sum())

    random = np.random.default_rng(0)
    for name, weight in net.named_parameters():
        flat = weight.data.view(-1)
        for place in random.choice(len(flat), min(4, len(flat)), replace=False):
            step, kept = 1e-6, flat[place].item()
            flat[place] = kept + step
            above = value()
            flat[place] = kept - step
            below = value()
            flat[place] = kept
            expected = (above - below) / (2 * step)
            assert found[name].view(-1)[place].item() == pytest.approx(expected, rel=1e-5, abs=1e-6), name


def test_the_time_embedding():
    """sin, then cos, of t · 10000^(−k/127)."""
    found = time_embedding(torch.tensor([1, 700]), 256, torch.float64)
    k = np.arange(128)
    for row, t in zip(found.numpy(), (1, 700), strict=True):
        angles = t * 10000.0 ** (-k / 127)
        np.testing.assert_allclose(row, np.concatenate([np.sin(angles), np.cos(angles)]), atol=1e-10)


# ---------------------------------------------------------------------- symmetries
def test_a_batch_is_its_structures_one_by_one():
    net, _ = networks()
    times, numbers, fractional, cells, counts = structures(6, 1, 9)
    lattice, score = net(times, numbers, fractional, cells, counts)
    start = 0
    for b, n in enumerate(counts.tolist()):
        atoms = slice(start, start + n)
        alone = net(times[b : b + 1], numbers[atoms], fractional[atoms], cells[b : b + 1], counts[b : b + 1])
        torch.testing.assert_close(alone[0], lattice[b : b + 1], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(alone[1], score[atoms], rtol=1e-10, atol=1e-12)
        start += n


def test_permuted_atoms_give_permuted_scores():
    net, _ = networks()
    times, numbers, fractional, cells, counts = structures(8)
    lattice, score = net(times, numbers, fractional, cells, counts)
    order = torch.tensor([3, 0, 7, 1, 6, 2, 5, 4])
    other = net(times, numbers[order], fractional[order], cells, counts)
    torch.testing.assert_close(other[0], lattice, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(other[1], score[order], rtol=1e-10, atol=1e-12)


def test_translations_and_periods_change_nothing():
    net, _ = networks()
    times, numbers, fractional, cells, counts = structures(7)
    lattice, score = net(times, numbers, fractional, cells, counts)
    moved = (fractional + torch.tensor([0.31, -0.7, 0.05])) % 1
    moved[2] += torch.tensor([1.0, -2.0, 0.0])
    other = net(times, numbers, moved, cells, counts)
    torch.testing.assert_close(other[0], lattice, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(other[1], score, rtol=1e-9, atol=1e-10)


def test_a_rotated_cell_gives_the_same_scores_and_a_rotated_lattice():
    net, _ = networks()
    times, numbers, fractional, cells, counts = structures(7)
    lattice, score = net(times, numbers, fractional, cells, counts)
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    other = net(times, numbers, fractional, cells @ rotation, counts)
    torch.testing.assert_close(other[0], lattice @ rotation, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(other[1], score, rtol=1e-9, atol=1e-10)


def test_atoms_on_top_of_each_other_and_tiny_cells_are_finite():
    net, _ = networks(torch.float32)
    times, numbers, fractional, cells, counts = structures(4, dtype=torch.float32)
    fractional[1] = fractional[0]
    fractional[2] = fractional[3] + 1e-9
    lattice, score, found = gradients(net, (times, numbers, fractional, cells * 0.2, counts))
    assert bool(torch.isfinite(lattice).all())
    assert bool(torch.isfinite(score).all())
    assert all(bool(torch.isfinite(gradient).all()) for gradient in found.values())


# ---------------------------------------------------------------------- options
def test_bfloat16_is_near_float32():
    """Products of 8 bits: scores agree to some hundredths of their size, gradients to a tenth in norm."""
    net, _ = networks(torch.float32, hidden_dim=64)
    arguments = structures(6, 10, dtype=torch.float32)
    exact = gradients(net, arguments)
    net.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        lattice, score = net(*arguments)
        loss = (lattice**2).sum() + (score.sin() * torch.arange(len(score))[:, None]).sum()
    loss.backward()
    assert score.dtype == torch.float32
    assert not torch.equal(score, exact[1])
    assert (score - exact[1]).norm() < 0.03 * exact[1].norm()
    mine = torch.cat([weight.grad.flatten() for weight in net.parameters()])
    other = torch.cat([gradient.flatten() for gradient in exact[2].values()])
    assert mine.dtype == torch.float32
    assert (mine - other).norm() < 0.1 * other.norm()


def test_a_compiled_network_gives_the_same():
    """Traced forwards and backwards, without generating code: that is done, and tested, in the training loop."""
    net, _ = networks(num_layers=1, hidden_dim=8)
    arguments = structures(5, 3)
    expected = gradients(net, arguments)
    net.compile(backend="aot_eager")
    found = gradients(net, arguments)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-9, atol=1e-10)
    for name, gradient in expected[2].items():
        torch.testing.assert_close(found[2][name], gradient, rtol=1e-8, atol=1e-9, msg=name)


# ---------------------------------------------------------------------- lattices
def test_the_orientation_in_which_lattices_diffuse_is_pymatgen_s():
    random = np.random.default_rng(4)
    cells = random.normal(0, 1, (20, 3, 3)) + 5 * np.eye(3)
    cells[3] = cells[3][[1, 0, 2]]  # left-handed
    found = standard_orientation(torch.from_numpy(cells)).numpy()
    for cell, standard in zip(cells, found, strict=True):
        expected = Lattice.from_parameters(*Lattice(cell).parameters).matrix
        np.testing.assert_allclose(standard, expected, atol=1e-9)
        assert np.linalg.det(standard) == pytest.approx(abs(np.linalg.det(cell)))
    assert math.isclose(found[0, 2, 0], 0)
