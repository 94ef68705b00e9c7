from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.geometry import cellpar_to_cell
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.generators.cryingan.distances import NeighborDistances, candidate_images

INTERFACE = np.array(cellpar_to_cell([12.46997, 17.19967, 33.1969, 90, 90, 75.6674]))
SKEWED = np.array([[4.0, 0, 0], [7.1, 3.0, 0], [-5.3, 8.2, 6.0]])


def by_enumeration(fractional, cell, pbc, n_neighbors):
    """Return the sorted minimum-image distances of every atom, the minimum taken over all images in reach."""
    lengths = np.linalg.norm(cell, axis=1)
    reach = np.where(pbc, np.ceil(2 * lengths.sum() * np.linalg.norm(np.linalg.inv(cell), axis=0)), 0).astype(int)
    axes = [np.arange(-n, n + 1) for n in reach]
    images = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
    positions = fractional @ cell
    table = np.array(
        [[np.linalg.norm(b - a + images, axis=1).min() if a is not b else 0.0 for b in positions] for a in positions]
    )
    np.fill_diagonal(table, 0.0)
    return np.sort(table, axis=1)[:, 1 : n_neighbors + 1]


def test_images_that_can_be_nearest():
    periodic = np.ones(3, dtype=bool)
    assert candidate_images(np.diag([3.0, 5.0, 40.0]), periodic).tolist() == [[0, 0, 0]]
    assert candidate_images(INTERFACE, periodic).tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert len(candidate_images(SKEWED, periodic)) > 3


@pytest.mark.parametrize(
    "cell", [np.diag([3.0, 4.0, 9.0]), INTERFACE, SKEWED], ids=["rectangular", "interface", "skewed"]
)
@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False), (False, False, False)])
def test_distances_agree_with_enumeration(cell, pbc):
    random = np.random.default_rng(3)
    fractional = random.random((2, 8, 3))
    measure = NeighborDistances(cell, np.array(pbc), 6)
    ours = measure(torch.tensor(fractional, dtype=torch.float32)).numpy()
    for i in range(2):
        np.testing.assert_allclose(ours[i], by_enumeration(fractional[i], cell, pbc, 6), atol=3e-5)


@pytest.mark.parametrize("cell", [INTERFACE, SKEWED], ids=["interface", "skewed"])
def test_distances_agree_with_ase(cell):
    """All axes periodic: with fewer, ASE's minimum image is not always the nearest in a skewed cell."""
    fractional = np.random.default_rng(4).random((60, 3))
    table = Atoms(60 * ["H"], scaled_positions=fractional, cell=cell, pbc=True).get_all_distances(mic=True)
    ours = NeighborDistances(cell, np.ones(3, dtype=bool), 6)(torch.tensor(fractional, dtype=torch.float32)[None])
    np.testing.assert_allclose(ours[0].numpy(), np.sort(table, axis=1)[:, 1:7], atol=3e-5)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    st.lists(st.floats(-8, 8), min_size=9, max_size=9),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.integers(0, 1000),
)
def test_distances_agree_with_enumeration_in_any_cell(entries, pbc, seed):
    cell = np.array(entries).reshape(3, 3)
    if abs(np.linalg.det(cell)) < 10:
        cell = cell + 9 * np.eye(3) * (1 if np.linalg.det(cell) >= 0 else -1)
    if abs(np.linalg.det(cell)) < 10:
        return
    fractional = np.random.default_rng(seed).random((8, 3))
    ours = NeighborDistances(cell, np.array(pbc), 5)(torch.tensor(fractional, dtype=torch.float32)[None])
    np.testing.assert_allclose(ours[0].numpy(), by_enumeration(fractional, cell, pbc, 5), atol=2e-4)


def test_rounding_alone_would_miss_the_nearest_image_in_the_interface_cell():
    pair = torch.tensor([[[0.0, 0.0, 0.5], [0.49, 0.49, 0.5]]])
    (distance,) = NeighborDistances(INTERFACE, np.ones(3, dtype=bool), 1)(pair)[0, :1, 0]
    rounded = np.linalg.norm(np.array([0.49, 0.49, 0.0]) @ INTERFACE)
    expected = np.linalg.norm(np.array([-0.51, 0.49, 0.0]) @ INTERFACE)
    assert expected < rounded - 0.5
    assert float(distance) == pytest.approx(expected, abs=1e-5)


def test_neighbours_are_of_any_element_an_atom_is_none_of_its_own_and_each_counts_once():
    coordinates = torch.tensor([[[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.6]]])
    distances = NeighborDistances(np.eye(3) * 2.0, np.ones(3, dtype=bool), 2)(coordinates)
    np.testing.assert_allclose(distances[0, 0].numpy(), [np.sqrt(1 + 1 + 0.8**2), np.sqrt(3)], atol=1e-6)
    np.testing.assert_allclose(distances[0, 2].numpy(), [0.2, np.sqrt(1 + 1 + 0.8**2)], atol=1e-6)


@pytest.mark.parametrize("cell", [INTERFACE, SKEWED], ids=["interface", "skewed"])
def test_gradient_agrees_with_finite_differences(cell):
    measure = NeighborDistances(cell, np.ones(3, dtype=bool), 4)
    for name in ("cell", "periodic", "shifts", "projections", "lengths"):
        setattr(measure, name, getattr(measure, name).double())
    coordinates = torch.tensor(np.random.default_rng(5).random((2, 7, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(measure, coordinates, eps=1e-7, atol=1e-4)


def test_atoms_on_top_of_each_other_give_no_nan_gradient():
    coordinates = torch.full((1, 3, 3), 0.25, requires_grad=True)
    NeighborDistances(INTERFACE, np.ones(3, dtype=bool), 2)(coordinates).sum().backward()
    assert torch.isfinite(coordinates.grad).all()


def test_too_few_atoms_for_so_many_neighbours():
    with pytest.raises(BadInput, match="lower n_neighbors to 4"):
        NeighborDistances(INTERFACE, np.ones(3, dtype=bool), 6)(torch.zeros(1, 5, 3))


def test_chunks_give_the_same_as_all_at_once(monkeypatch):
    coordinates = torch.tensor(np.random.default_rng(5).random((7, 10, 3)), dtype=torch.float32)
    measure = NeighborDistances(SKEWED, np.ones(3, dtype=bool), 3)
    whole = measure(coordinates)
    monkeypatch.setattr("aiida_dismai.engine.generators.cryingan.distances.PAIRS_AT_ONCE", 250)
    assert torch.equal(measure(coordinates), whole)
