"""Edges, triplets and lattices against ASE, pymatgen and plain loops."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from pymatgen.analysis.graphs import StructureGraph
from pymatgen.analysis.local_env import CrystalNN
from pymatgen.core import Lattice, Structure

from aiida_dismai.engine.generators.graphs.batch import Batch, to_cartesian, to_fractional
from aiida_dismai.engine.generators.graphs.bonds import crystalnn_edges
from aiida_dismai.engine.generators.graphs.edges import Edges, radius_edges, symmetrise
from aiida_dismai.engine.generators.graphs.lattice import cells_of, lengths_and_angles, nearest_image
from aiida_dismai.engine.generators.graphs.scatter import scatter_mean, scatter_sum
from aiida_dismai.engine.generators.graphs.triplets import triplets_chain, triplets_same_target
from aiida_dismai.engine.structures import StructureSet

CELLS = {
    "cubic": np.eye(3) * 9.0,
    "smaller than the cutoff": np.diag([2.6, 3.1, 4.0]),
    "triclinic": np.array([[6.0, 0.3, -0.2], [2.9, 5.5, 0.1], [-1.8, 2.4, 7.5]]),
    "very skewed": np.array([[4.0, 0.0, 0.0], [9.0, 4.0, 0.0], [-7.0, 5.0, 5.0]]),
    "slab": np.array([[5.0, 0.0, 0.0], [1.2, 6.0, 0.0], [0.0, 0.0, 40.0]]),
    "left-handed": np.diag([5.0, 6.0, -7.0]),
}
CUTOFF = 5.02  # not the length of a lattice vector: rounding would decide


def positions_in(cell: np.ndarray, n: int, seed: int = 0, spread: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).uniform(-spread, 1 + spread, (n, 3))) @ cell


def found(cell: np.ndarray, positions: np.ndarray, cutoff: float = CUTOFF, most: int = 10**6) -> Edges:
    return radius_edges(
        torch.from_numpy(positions), torch.from_numpy(cell)[None], torch.tensor([len(positions)]), cutoff, most
    )


def keys(edges: Edges) -> Counter:
    return Counter(zip(edges.target.tolist(), edges.source.tolist(), map(tuple, edges.image.tolist()), strict=True))


@pytest.mark.parametrize("name", CELLS)
def test_all_neighbours_are_those_of_ase(name: str) -> None:
    cell = CELLS[name]
    positions = positions_in(cell, 11)  # also outside the cell
    i, j, shift, vectors = neighbor_list("ijSD", Atoms("H11", positions, cell=cell, pbc=True), CUTOFF)
    edges = found(cell, positions)
    assert keys(edges) == Counter(zip(i.tolist(), j.tolist(), map(tuple, shift.tolist()), strict=True))
    ours = edges.vectors(torch.from_numpy(positions), torch.from_numpy(cell)[None], torch.zeros(11, dtype=torch.int64))
    order = np.lexsort([*shift.T, j, i])
    mine = np.lexsort([*edges.image.numpy().T, edges.source.numpy(), edges.target.numpy()])
    np.testing.assert_allclose(ours.numpy()[mine], vectors[order], atol=1e-12)


@pytest.mark.parametrize("name", ["triclinic", "smaller than the cutoff"])
@pytest.mark.parametrize("most", [1, 4, 20])
def test_the_nearest_neighbours_are_kept(name: str, most: int) -> None:
    cell = CELLS[name]
    positions = positions_in(cell, 6)
    i, d = neighbor_list("id", Atoms("H6", positions, cell=cell, pbc=True), CUTOFF)
    edges = found(cell, positions, most=most)
    vectors = edges.vectors(
        torch.from_numpy(positions), torch.from_numpy(cell)[None], torch.zeros(6, dtype=torch.int64)
    )
    lengths = vectors.norm(dim=1).numpy()
    assert (np.diff(edges.target.numpy()) >= 0).all()
    for atom in range(6):
        expected = np.sort(d[i == atom])[:most]
        np.testing.assert_allclose(lengths[edges.target.numpy() == atom], expected, atol=1e-10)


def test_structures_of_different_sizes_in_a_batch_do_not_see_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [CELLS[name] for name in CELLS]
    sizes = [3, 1, 7, 2, 5, 4]
    positions = [positions_in(cell, n, seed=n) for cell, n in zip(cells, sizes, strict=True)]
    arguments = (
        torch.from_numpy(np.concatenate(positions)),
        torch.from_numpy(np.stack(cells)),
        torch.tensor(sizes),
        CUTOFF,
        12,
    )
    expected: Counter = Counter()
    for place, (cell, own) in enumerate(zip(cells, positions, strict=True)):
        first = sum(sizes[:place])
        for (target, source, image), count in keys(found(cell, own, most=12)).items():
            expected[(target + first, source + first, image)] += count
    assert keys(radius_edges(*arguments)) == expected
    for pairs in (1, 2000):  # one structure at a time, a few at a time
        monkeypatch.setattr("aiida_dismai.engine.generators.graphs.edges.PAIRS_AT_ONCE", {"cpu": pairs})
        assert keys(radius_edges(*arguments)) == expected


def test_moving_atoms_by_lattice_vectors_changes_images_only() -> None:
    cell = CELLS["triclinic"]
    positions = positions_in(cell, 8, spread=0)
    shifts = np.random.default_rng(3).integers(-3, 4, (8, 3))
    before, after = found(cell, positions, most=9), found(cell, positions + shifts @ cell, most=9)
    assert torch.equal(before.source, after.source)
    assert torch.equal(before.target, after.target)
    moved = torch.from_numpy(shifts)
    assert torch.equal(after.image, before.image - moved[before.source] + moved[before.target])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ties_of_a_perfect_lattice_do_not_hang_on_rounding(dtype: torch.dtype) -> None:
    """20 neighbours end inside the third shell (24 atoms) of fcc, wherever the crystal lies in the cell."""
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    corners = np.array(list(itertools.product(range(3), repeat=3)))
    fractional = (basis[None] + corners[:, None]).reshape(-1, 3) / 3
    cells = torch.eye(3, dtype=dtype)[None] * 10.8
    results = []
    for shift in (0.0, 0.0123, 0.3333, 0.77):
        positions = torch.from_numpy(fractional + shift).to(dtype) @ cells[0]
        results.append(radius_edges(positions, cells, torch.tensor([108]), 5.0, 20))
    assert len(results[0]) == 108 * 20
    lengths = results[0].vectors(
        torch.from_numpy(fractional).to(dtype) @ cells[0], cells, torch.zeros(108, dtype=torch.int64)
    )
    values, counts = np.unique(lengths.norm(dim=1).numpy().round(3), return_counts=True)
    np.testing.assert_allclose(values, 3.6 * np.sqrt([0.5, 1.0, 1.5]), atol=2e-3)
    assert counts.tolist() == [108 * 12, 108 * 6, 108 * 2]
    for other in results[1:]:
        assert torch.equal(other.source, results[0].source)


def test_atoms_without_neighbours_and_atoms_in_one_place() -> None:
    cell = np.eye(3) * 30.0
    positions = np.array([[1.0, 1, 1], [1.0, 1, 1], [1.0, 1, 1.005], [2.0, 1, 1], [15.0, 15, 15]])
    edges = found(cell, positions)
    assert set(keys(edges)) == {(i, j, (0, 0, 0)) for i, j in [(0, 3), (1, 3), (2, 3), (3, 0), (3, 1), (3, 2)]}
    everything = radius_edges(
        torch.from_numpy(positions), torch.from_numpy(cell)[None], torch.tensor([5]), 0.1, 9, smallest=0.0
    )
    assert set(keys(everything)) == {(i, j, (0, 0, 0)) for i in range(3) for j in range(3) if i != j}
    assert len(found(cell, positions[4:])) == 0
    assert len(triplets_chain(found(cell, positions[4:]), 1)[0]) == 0


def test_what_is_not_finite_has_no_edges() -> None:
    cells = torch.stack([torch.eye(3) * 6, torch.full((3, 3), torch.nan), torch.zeros(3, 3), torch.eye(3) * 6])
    positions = torch.from_numpy(positions_in(np.eye(3) * 6, 12, spread=0)).float()
    positions[1] = torch.nan
    positions[2, 0] = torch.inf
    edges = radius_edges(positions, cells, torch.tensor([3, 3, 3, 3]), 6.5, 99)
    assert set(edges.target.tolist()) <= {0, 6, 7, 8, 9, 10, 11}
    assert {0, 9, 10, 11} <= set(edges.target.tolist())
    alone = radius_edges(positions[9:], cells[3:], torch.tensor([3]), 6.5, 99)
    assert torch.equal(edges.image[edges.target >= 9], alone.image)


def test_an_empty_batch() -> None:
    edges = radius_edges(torch.zeros(0, 3), torch.zeros(0, 3, 3), torch.zeros(0, dtype=torch.int64), 5.0, 3)
    assert len(edges) == 0


@pytest.mark.parametrize("name", CELLS)
def test_symmetric_edges_follow_the_published_rule(name: str) -> None:
    cell = CELLS[name]
    positions = positions_in(cell, 9, seed=1)
    edges = found(cell, positions, most=7)
    kept = [
        (i, j, s)
        for i, j, s in zip(edges.target.tolist(), edges.source.tolist(), map(tuple, edges.image.tolist()), strict=True)
        if j < i or (i == j and s < (0, 0, 0))
    ]
    expected = Counter(kept) + Counter((j, i, tuple(-x for x in s)) for i, j, s in kept)
    both = symmetrise(edges)
    assert keys(both) == expected
    assert both.reverse is not None
    assert torch.equal(both.source[both.reverse], both.target)
    assert torch.equal(both.image[both.reverse], -both.image)
    assert torch.equal(both.reverse[both.reverse], torch.arange(len(both)))
    assert (both.target.diff() >= 0).all()


@pytest.mark.parametrize("name", ["triclinic", "smaller than the cutoff"])
def test_triplets_are_all_pairs_of_edges_that_meet(name: str) -> None:
    cell = CELLS[name]
    edges = found(cell, positions_in(cell, 5, seed=2), most=6)
    shuffled = torch.randperm(len(edges), generator=torch.Generator().manual_seed(0))
    for own in (edges, Edges(edges.source[shuffled], edges.target[shuffled], edges.image[shuffled])):
        source, target = own.source.tolist(), own.target.tolist()
        pairs = list(itertools.product(range(len(own)), repeat=2))
        chain = {(a, b) for a, b in pairs if target[a] == source[b] and source[a] != target[b]}
        meet = {(a, b) for a, b in pairs if target[a] == target[b] and a != b}
        for given, expected in ((triplets_chain(own, 5), chain), (triplets_same_target(own, 5), meet)):
            assert len(given[0]) == len(expected)
            assert set(zip(given[0].tolist(), given[1].tolist(), strict=True)) == expected
            assert (given[1].diff() >= 0).all()


def test_sums_and_means_over_groups() -> None:
    values = torch.arange(12.0).reshape(4, 3)
    index = torch.tensor([2, 0, 2, 2])
    expected = torch.stack([values[1], torch.zeros(3), values[0] + values[2] + values[3]])
    assert torch.equal(scatter_sum(values, index, 3), expected)
    torch.testing.assert_close(scatter_mean(values, index, 3), expected / torch.tensor([[1.0], [1.0], [3.0]]))
    assert torch.equal(scatter_mean(values[:, 0], index, 3), torch.tensor([3.0, 0.0, 5.0]))


@pytest.mark.parametrize("name", ["cubic", "triclinic", "slab"])
def test_bonds_are_those_of_pymatgen(name: str) -> None:
    rng = np.random.default_rng(4)
    cell = CELLS[name]
    n = 10
    points = positions_in(cell, n, seed=5)
    structures = StructureSet.from_uniform(rng.choice([14, 8], n), points[None], cell)
    strategy = CrystalNN(distance_cutoffs=None, x_diff_weight=-1, porous_adjustment=False)
    crystal = Structure(cell, structures.numbers.tolist(), points, coords_are_cartesian=True)
    graph = StructureGraph.from_local_env_strategy(crystal, strategy)
    expected: Counter = Counter()
    for i, j, image in graph.graph.edges(data="to_jimage"):
        expected[(i, j, tuple(int(x) for x in image))] += 1
        expected[(j, i, tuple(-int(x) for x in image))] += 1
    source, target, image = crystalnn_edges(structures)
    assert Counter(zip(target.tolist(), source.tolist(), map(tuple, image.tolist()), strict=True)) == expected


def test_cells_have_the_orientation_of_pymatgen() -> None:
    parameters = np.array([[4.0, 5.0, 6.0, 80.0, 95.0, 110.0], [3.0, 3.0, 9.0, 90.0, 90.0, 120.0]])
    cells = cells_of(torch.from_numpy(parameters[:, :3]), torch.from_numpy(parameters[:, 3:]))
    for cell, row in zip(cells, parameters, strict=True):
        np.testing.assert_allclose(cell.numpy(), Lattice.from_parameters(*row).matrix, atol=1e-12)
    lengths, angles = lengths_and_angles(cells)
    np.testing.assert_allclose(torch.cat([lengths, angles], dim=1).numpy(), parameters, atol=1e-10)


def test_impossible_angles_give_a_cell_with_a_volume() -> None:
    cells = cells_of(torch.full((2, 3), 5.0), torch.tensor([[40.0, 40.0, 120.0], [150.0, 150.0, 150.0]]))
    assert torch.isfinite(cells).all()
    assert (torch.linalg.det(cells) > 0.1).all()


@pytest.mark.parametrize("name", CELLS)
def test_the_nearest_image_is_the_nearest_of_all(name: str) -> None:
    cell = CELLS[name]
    difference = np.random.default_rng(6).uniform(-3, 3, (40, 3))
    reach = range(-12, 13)
    images = np.array(list(itertools.product(reach, repeat=3)))
    expected = np.linalg.norm((difference[:, None] + images) @ cell, axis=2).min(axis=1)
    vectors = nearest_image(
        torch.from_numpy(difference), torch.from_numpy(cell)[None], torch.zeros(40, dtype=torch.int64)
    )
    np.testing.assert_allclose(vectors.norm(dim=1).numpy(), expected, atol=1e-10)
    whole = (vectors.numpy() @ np.linalg.inv(cell)) - difference
    np.testing.assert_allclose(whole, whole.round(), atol=1e-9)


def test_a_batch_holds_the_structures_of_a_set() -> None:
    cell = CELLS["triclinic"]
    structures = StructureSet.concatenate(
        [
            StructureSet.from_uniform([3, 8], positions_in(cell, 2)[None], cell),
            StructureSet.from_uniform([14, 14, 1], positions_in(cell, 3)[None], cell * 1.1),
        ]
    )
    batch = Batch.from_set(structures, [1, 0, 1], torch.float64)
    assert batch.numbers.tolist() == [14, 14, 1, 3, 8, 14, 14, 1]
    assert batch.structure.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert ((batch.fractional >= 0) & (batch.fractional < 1)).all()
    shift = (batch.cartesian().numpy()[:3] - structures.positions[2:]) @ np.linalg.inv(cell * 1.1)
    np.testing.assert_allclose(shift, shift.round(), atol=1e-9)
    again = to_fractional(batch.cartesian(), batch.cells, batch.structure)
    torch.testing.assert_close(again, batch.fractional)
    torch.testing.assert_close(to_cartesian(again, batch.cells, batch.structure), batch.cartesian())


def test_coordinates_just_below_zero_stay_below_one() -> None:
    structures = StructureSet.from_uniform([1], np.array([[[-1e-9, -1e-18, 0.0]]]), np.eye(3) * 5)
    assert (Batch.from_set(structures).fractional < 1).all()
