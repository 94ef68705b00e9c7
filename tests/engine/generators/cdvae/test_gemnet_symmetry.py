from __future__ import annotations

import pytest
import torch
from scipy.spatial.transform import Rotation

from aiida_dismai.engine.generators.cdvae.gemnet import GemNetT
from aiida_dismai.engine.generators.cdvae.gemnet_blocks import Widths

TINY = Widths(atom=12, edge=10, triplet=6, bilinear=5, radial=4, circular=3, n_spherical=7, n_radial=9)
CELLS = torch.tensor(
    [
        [[4.1, 0.2, -0.3], [1.0, 5.2, 0.4], [-0.5, 0.7, 6.3]],
        [[8.0, 0.0, 0.0], [2.0, 7.0, 0.0], [0.0, 1.0, 9.0]],
        [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]],
    ],
    dtype=torch.float64,
)
COUNTS = torch.tensor([6, 9, 1])


def network(cutoff=5.0, max_neighbours=20, num_blocks=2, **options):
    random = torch.Generator().manual_seed(3)
    return GemNetT(8, cutoff, max_neighbours, 9, num_blocks, widths=TINY, random=random, **options).double()


@pytest.fixture
def case():
    """Latents, fractional coordinates, numbers, counts and cells of three structures."""
    random = torch.Generator().manual_seed(0)
    n_atoms = int(COUNTS.sum())
    fractional = torch.rand(n_atoms, 3, generator=random, dtype=torch.float64)
    numbers = torch.randint(1, 10, (n_atoms,), generator=random)
    return torch.randn(3, 8, generator=random, dtype=torch.float64), fractional, numbers, COUNTS, CELLS


def close(first, second):
    return torch.allclose(first, second, rtol=1e-9, atol=1e-10)


@torch.no_grad()
def test_displacements_turn_with_the_structure_and_features_do_not(case):
    z, fractional, numbers, counts, cells = case
    net = network()
    features, displacements = net(*case)
    assert displacements[:15].norm(dim=1).min() > 1e-3
    for seed in range(3):
        turn = torch.tensor(Rotation.random(random_state=seed).as_matrix())
        if seed == 2:
            turn = -turn  # a mirror: nothing in GemNet-T knows left from right
        turned_features, turned = net(z, fractional, numbers, counts, cells @ turn.T)
        assert close(turned_features, features)
        assert close(turned, displacements @ turn.T)


@torch.no_grad()
def test_translations_change_nothing(case):
    z, fractional, numbers, counts, cells = case
    net = network()
    expected = net(*case)
    images = torch.randint(-3, 4, fractional.shape, generator=torch.Generator().manual_seed(1))
    shift = torch.tensor([0.123, -2.7, 0.77], dtype=torch.float64)
    for moved in (fractional + images, fractional + shift, (fractional + shift).remainder(1.0)):
        for result, value in zip(net(z, moved, numbers, counts, cells), expected, strict=True):
            assert close(result, value)


@torch.no_grad()
def test_another_cell_of_the_same_lattice_changes_nothing(case):
    z, fractional, numbers, counts, cells = case
    net = network()
    change = torch.tensor([[1, 1, 0], [0, 1, 0], [2, 0, 1]], dtype=torch.float64)
    other = (fractional @ torch.linalg.inv(change)).remainder(1.0)
    for result, value in zip(net(z, other, numbers, counts, change @ cells), net(*case), strict=True):
        assert close(result, value)


@torch.no_grad()
def test_results_follow_the_order_of_the_atoms(case):
    z, fractional, numbers, counts, cells = case
    # Where the limit of neighbours bites, the published rule of symmetry goes by the order: here it does not.
    net = network(cutoff=4.0, max_neighbours=500)
    features, displacements = net(*case)
    random = torch.Generator().manual_seed(5)
    starts = counts.cumsum(0) - counts
    order = torch.cat(
        [torch.randperm(int(n), generator=random) + start for n, start in zip(counts, starts, strict=True)]
    )
    permuted_features, permuted = net(z, fractional[order], numbers[order], counts, cells)
    assert close(permuted_features, features[order])
    assert close(permuted, displacements[order])
    # Structures in another order, too.
    back = torch.cat([torch.arange(int(start), int(start + n)) for n, start in zip(counts, starts, strict=True)][::-1])
    swapped_features, swapped = net(z.flip(0), fractional[back], numbers[back], counts.flip(0), cells.flip(0))
    assert close(swapped_features, features[back])
    assert close(swapped, displacements[back])


@pytest.mark.parametrize("max_neighbours", [5, 20])
@torch.no_grad()
def test_a_batch_is_its_structures_one_by_one(case, max_neighbours):
    z, fractional, numbers, counts, cells = case
    net = network(max_neighbours=max_neighbours)
    features, displacements = net(*case)
    for index, atoms in enumerate(torch.arange(int(counts.sum())).split(counts.tolist())):
        one = slice(index, index + 1)
        alone_features, alone = net(z[one], fractional[atoms], numbers[atoms], counts[one], cells[one])
        assert close(alone_features, features[atoms])
        assert close(alone, displacements[atoms])


@torch.no_grad()
def test_all_copies_in_a_supercell_move_alike(case):
    z, fractional, numbers, counts, cells = case
    net = network(cutoff=4.0, max_neighbours=500)
    features, displacements = net(*case)
    for axis, times in ((0, 2), (2, 3)):
        scale = torch.ones(3, dtype=torch.float64)
        scale[axis] = times
        copies = [
            (fractional + torch.eye(3, dtype=torch.float64)[axis] * k).split(counts.tolist()) for k in range(times)
        ]
        # Structure by structure: all atoms of one copy, then of the next.
        many = torch.cat([part / scale for parts in zip(*copies, strict=True) for part in parts])
        repeat = torch.cat([atoms.repeat(times) for atoms in torch.arange(len(numbers)).split(counts.tolist())])
        large_features, large = net(z, many, numbers[repeat], counts * times, cells * scale[:, None])
        assert close(large_features, features[repeat])
        assert close(large, displacements[repeat])


@torch.no_grad()
def test_latents_elements_and_positions_matter(case):
    z, fractional, numbers, counts, cells = case
    net = network()
    displacements = net(*case)[1][:15]
    moved = fractional + 0.01 * torch.randn(fractional.shape, generator=torch.Generator().manual_seed(1)).double()
    for other in (
        (z.flip(0), fractional, numbers, counts, cells),
        (z, moved, numbers, counts, cells),
        (z, fractional, numbers % 9 + 1, counts, cells),
        (z, fractional, numbers, counts, 1.02 * cells),
        (None, fractional, numbers, counts, cells),
    ):
        assert (net(*other)[1][:15] - displacements).norm(dim=1).max() > 1e-3


def gradients(net, arguments):
    features, displacements = net(*arguments)
    net.zero_grad()
    (features.square().mean() + displacements.square().mean()).backward()
    return {name: p.grad for name, p in net.named_parameters()}


def test_the_gradient_is_that_of_finite_differences(case):
    net = network()
    arguments = [value.clone().requires_grad_() if value.is_floating_point() else value for value in case]
    random = torch.Generator().manual_seed(7)

    def loss():
        features, displacements = net(*arguments)
        return features.square().mean() + displacements.square().mean()

    loss().backward()
    leaves = [p for p in net.parameters() if p.grad is not None] + [arguments[i] for i in (0, 1, 4)]
    step = 1e-6
    for leaf in leaves:
        direction = torch.randn(leaf.shape, generator=random, dtype=torch.float64)
        values = []
        with torch.no_grad():
            for sign in (1, -2, 1):
                leaf += sign * step * direction
                values.append(loss().item())
        slope = (values[0] - values[1]) / (2 * step)
        assert (leaf.grad * direction).sum().item() == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_only_the_energies_that_cdvae_throws_away_get_no_gradient(case):
    without = {name for name, gradient in gradients(network(), case).items() if gradient is None}
    energy = ("dense_rbf.", "seq_energy.", "out_energy.")
    blocks = [f"out_blocks.{block}.{part}" for block in range(3) for part in energy]
    assert without == {name for name, _ in network().named_parameters() if name.startswith(tuple(blocks))}


def test_lean_gives_the_same_numbers(case):
    plain, lean = network(), network(lean=True)
    for first, second in zip(plain(*case), lean(*case), strict=True):
        assert torch.equal(first, second)
    expected, found = gradients(plain, case), gradients(lean, case)
    assert all(expected[name] is None or torch.equal(expected[name], found[name]) for name in expected)

    def kept(net):
        """Bytes that wait for the backward pass."""
        seen = {}

        def pack(tensor):
            seen[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            net(*case)
        return sum(tensor.untyped_storage().nbytes() for tensor in seen.values())

    assert kept(lean) < kept(plain) / 3


def test_half_precision_stays_near(case):
    z, fractional, numbers, counts, cells = (v.float() if v.is_floating_point() else v for v in case)
    net = network().float()
    features, displacements = net(z, fractional, numbers, counts, cells)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded_features, rounded = net(z, fractional, numbers, counts, cells)
    assert rounded.dtype == torch.float32
    assert (rounded - displacements).norm() < 0.05 * displacements.norm()
    assert (rounded_features - features).norm() < 0.05 * features.norm()
    rounded.square().sum().backward()


def test_single_precision_is_good_to_five_digits(case):
    with torch.no_grad():
        exact = network()(*case)
        single = network().float()(*(v.float() if v.is_floating_point() else v for v in case))
    for rounded, value in zip(single, exact, strict=True):
        assert (rounded.double() - value).norm() < 2e-5 * value.norm()


@pytest.mark.parametrize("steered", [True, False])
@pytest.mark.parametrize("lean", [True, False])
def test_isolated_and_coincident_atoms_are_harmless(steered, lean):
    net = network(lean=lean).float()
    fractional = torch.tensor(
        [[0.0, 0, 0], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1 + 1e-6], [0.5, 0.5, 0.5], [0.5, 0.5, 0.45]]
    ).requires_grad_()
    counts = torch.tensor([1, 3, 2])
    cells = torch.eye(3).repeat(3, 1, 1) * torch.tensor([50.0, 4.0, 50.0])[:, None, None]
    cells.requires_grad_()
    z = torch.zeros(3, 8) if steered else None
    features, displacements = net(z, fractional, torch.tensor([1, 2, 2, 3, 4, 4]), counts, cells)
    assert torch.isfinite(features).all()
    assert torch.isfinite(displacements).all()
    # Nothing pushes an atom without neighbours; two equal atoms push each other apart or together.
    assert (displacements[0] == 0).all()
    assert torch.allclose(displacements[4], -displacements[5], atol=1e-5)
    assert displacements[4, 2].abs() > 1e-3
    (features.square().sum() + displacements.square().sum()).backward()
    for values in (fractional, cells, *(p for p in net.parameters() if p.grad is not None)):
        assert torch.isfinite(values.grad).all()


def test_a_batch_without_any_edge():
    net = network().float()
    arguments = (torch.zeros(2, 8), torch.zeros(2, 3), torch.tensor([1, 2]), torch.tensor([1, 1]))
    features, displacements = net(*arguments, torch.eye(3).repeat(2, 1, 1) * 50)
    assert torch.isfinite(features).all()
    assert (displacements == 0).all()
    features.sum().backward()
    assert torch.isfinite(net.atom_emb.embeddings.weight.grad).all()


def test_compiled_networks_give_the_same_numbers(case):
    # Without code generation, which takes minutes: what is tested is that the network can be traced, for any sizes.
    plain, compiled = network(num_blocks=1), network(num_blocks=1)
    traced = []
    compiled.compile(backend=lambda graph, inputs: traced.append(graph) or graph.forward)
    z, fractional, numbers, counts, cells = case
    for arguments in (case, (z[:2], fractional[:15], numbers[:15], counts[:2], cells[:2])):
        for first, second in zip(plain(*arguments), compiled(*arguments), strict=True):
            assert close(first, second)
        expected, found = gradients(plain, arguments), gradients(compiled, arguments)
        assert all(value is None or close(value, found[name]) for name, value in expected.items())
    assert 1 <= len(traced) <= 2  # once more for any sizes, not for each
