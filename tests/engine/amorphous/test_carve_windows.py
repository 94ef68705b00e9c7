"""Atoms of windows and their costs, beside a search through all images."""

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.carving import A, crystal, gas, large, skewed

from aiida_dismai.engine.amorphous.bonds import bonds_within
from aiida_dismai.engine.amorphous.carve.windows import COST_OF_ATOM, around, costs, pick
from aiida_dismai.engine.structures import StructureSet


def all_images(cell, centre, rotation):
    """Return atoms and coordinates of a cube, by looking at all images around it."""
    found = {}
    for image in itertools.product(range(-3, 4), repeat=3):
        inside = (cell.positions + np.array(image) @ cell.frame - centre) @ rotation.T / cell.side + 0.5
        for atom in np.flatnonzero(((inside >= 0) & (inside < 1)).all(axis=1)):
            assert atom not in found, "an atom is in the window twice"
            found[int(atom)] = inside[atom]
    return found


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("make", [gas, skewed])
def test_atoms_of_a_window(make, turned):
    (cell,) = large(make(), n_atoms=64, rotate=turned)
    rng = np.random.default_rng(8)
    for seed in range(4):
        rotation = Rotation.random(random_state=seed).as_matrix() if turned else np.eye(3)
        centre = rng.uniform(-1, 2, 3) @ cell.frame
        expected = all_images(cell, centre, rotation)
        atoms, inside = pick(cell, centre, rotation)
        assert atoms.tolist() == sorted(expected)
        np.testing.assert_allclose(inside, [expected[atom] for atom in atoms], atol=1e-9)


def test_planes_on_the_faces_are_in_the_window_once():
    (cell,) = large(crystal(6), n_atoms=216)
    for corner in (0, A, 3 * A, -2 * A, A / 4, 1e-13, -1e-13):
        atoms, inside = pick(cell, np.full(3, corner + cell.side / 2), np.eye(3))
        assert len(atoms) == 216
        structure = StructureSet.from_uniform(np.full(216, 14), inside[None] * cell.side, np.eye(3) * cell.side)
        assert (bonds_within(structure, 2.85).coordination == 4).all()


def test_the_whole_cell_is_a_window():
    (cell,) = large(crystal(3, 0.1), n_atoms=216)
    for corner in (0.0, 1.234):
        assert len(pick(cell, np.full(3, corner), np.eye(3))[0]) == 216


@pytest.mark.parametrize("make", [lambda: crystal(6, 0.1), lambda: skewed((14, 13, 12))])
def test_costs_count_what_is_wrong(make):
    (cell,) = large(make(), n_atoms=100)
    rng = np.random.default_rng(5)
    # some together, some alone: far from each of these most atoms are left out at once
    centres = rng.uniform(-1, 2, (12, 3)) @ cell.frame
    turns = np.tile(np.eye(3), (6, 1, 1))
    parts = [costs(cell, centres[:6], turns, 100, 2.85, 2.0)]
    parts += [costs(cell, centre[None], turns[:1], 100, 2.85, 2.0) for centre in centres[6:]]
    found, atoms = (np.concatenate(part) for part in zip(*parts, strict=True))
    for cost, own, centre in zip(found, atoms, centres, strict=True):
        there, inside = pick(cell, centre, np.eye(3))
        assert own[own >= 0].tolist() == there.tolist()
        window = StructureSet.from_uniform(np.full(len(there), 14), inside[None] * cell.side, np.eye(3) * cell.side)
        wrong = np.abs(bonds_within(window, 2.85).coordination - cell.coordination[there]).sum()
        close = bonds_within(window, 2.0)
        across = close.image.any(axis=1).sum() // 2
        assert cost == wrong + COST_OF_ATOM * abs(len(there) - across - 100)
    assert len(set(found.tolist())) > 6


def test_what_is_far_from_a_box_is_left_out():
    (cell,) = large(skewed((14, 13, 12)), n_atoms=64)
    rng = np.random.default_rng(6)
    images = np.array(list(itertools.product(range(-4, 5), repeat=3))) @ cell.frame
    left_out = 0
    for _ in range(4):
        centre, half = rng.uniform(-1, 2, 3) @ cell.frame, rng.uniform(4, 10, 3)
        away = cell.positions[:, None] + images[None] - centre
        inside = (np.abs(away) < half).all(axis=2).any(axis=1)
        near = around(cell.frame, cell.positions, centre, half)
        assert set(np.flatnonzero(inside)) <= set(near.tolist())
        left_out += len(inside) - len(near)
    assert left_out > 0


def test_a_commensurate_window_costs_nothing():
    (cell,) = large(crystal(6), n_atoms=216)
    assert costs(cell, np.full((1, 3), 3.3), np.eye(3)[None], 216, 2.85, 2.0)[0] == [0]
