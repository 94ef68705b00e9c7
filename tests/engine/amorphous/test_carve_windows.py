"""Atoms of windows and their costs, beside a search through all images."""

import itertools

import numpy as np
import pytest
from carving import A, crystal, gas, large, skewed
from scipy.spatial.transform import Rotation

from aiida_dismai.engine.amorphous.bonds import bonds_within
from aiida_dismai.engine.amorphous.carve.windows import COST_OF_ATOM, costs, pick
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


def test_costs_count_what_is_wrong():
    structures = crystal(6, 0.1)
    (cell,) = large(structures, n_atoms=100)
    rng = np.random.default_rng(5)
    centres = rng.uniform(0, 30, (12, 3))
    found, atoms = costs(cell, centres, np.tile(np.eye(3), (12, 1, 1)), 100, 2.85, 2.0)
    for cost, own, centre in zip(found, atoms, centres, strict=True):
        there, inside = pick(cell, centre, np.eye(3))
        assert own[own >= 0].tolist() == there.tolist()
        window = StructureSet.from_uniform(np.full(len(there), 14), inside[None] * cell.side, np.eye(3) * cell.side)
        wrong = np.abs(bonds_within(window, 2.85).coordination - cell.coordination[there]).sum()
        close = bonds_within(window, 2.0)
        across = close.image.any(axis=1).sum() // 2
        assert cost == wrong + COST_OF_ATOM * abs(len(there) - across - 100)
    assert len(set(found.tolist())) > 6


def test_a_commensurate_window_costs_nothing():
    (cell,) = large(crystal(6), n_atoms=216)
    assert costs(cell, np.full((1, 3), 3.3), np.eye(3)[None], 216, 2.85, 2.0)[0] == [0]
