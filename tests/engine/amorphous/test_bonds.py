"""Bonds within a distance, beside ASE's neighbour list, in cells of any shape and size."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from aiida_dismai.engine.amorphous.bonds import bonds_within
from aiida_dismai.engine.errors import NotAnalysed
from aiida_dismai.engine.structures import from_ase


def random_atoms(n, cell, pbc, seed):
    rng = np.random.default_rng(seed)
    # also outside the cell, as molecular dynamics leaves them
    return Atoms(f"Si{n}", scaled_positions=rng.uniform(-1.5, 2.5, (n, 3)), cell=cell, pbc=pbc)


@pytest.mark.parametrize(
    ("n", "cell", "pbc", "cutoff"),
    [
        (60, np.eye(3) * 11, True, 2.85),
        (40, [[9, 0, 0], [4, 8, 0], [-3, 2, 10]], True, 3.2),
        (3, [[3, 0, 0], [2.5, 1, 0], [0.3, 0.4, 3]], True, 7.0),
        (30, np.eye(3) * 8, (True, False, True), 3.0),
        (30, np.eye(3) * 8, False, 3.0),
        (1, np.eye(3) * 2.5, True, 2.6),
    ],
)
def test_bonds_are_those_of_ase(n, cell, pbc, cutoff):
    atoms = random_atoms(n, cell, pbc, seed=n)
    bonds = bonds_within(from_ase([atoms]), cutoff)
    i, j, shift, vectors = neighbor_list("ijSD", atoms, cutoff)
    order = np.lexsort((*shift.T[::-1], j, i))
    assert np.array_equal(np.repeat(np.arange(n), bonds.coordination), i[order])
    assert np.array_equal(bonds.neighbour, j[order])
    assert np.array_equal(bonds.image, shift[order])
    np.testing.assert_allclose(bonds.vectors, vectors[order], atol=1e-9)
    np.testing.assert_allclose(bonds.lengths, np.linalg.norm(vectors[order], axis=1), atol=1e-9)
    assert bonds.start.dtype == bonds.neighbour.dtype == bonds.image.dtype == np.int64


def test_diamond_has_four_bonds_also_in_its_smallest_cell():
    for atoms in (bulk("Si", a=5.431), bulk("Si", a=5.431, cubic=True), bulk("Si", a=5.431, cubic=True) * 3):
        bonds = bonds_within(from_ase([atoms]), 2.85)
        assert (bonds.coordination == 4).all()
        np.testing.assert_allclose(bonds.lengths, 5.431 * 3**0.5 / 4)


def test_atoms_far_apart_have_no_bonds():
    bonds = bonds_within(from_ase([Atoms("Si2", [[0, 0, 0], [5, 0, 0]], cell=np.eye(3) * 10, pbc=True)]), 2.85)
    assert bonds.start.tolist() == [0, 0, 0]
    assert bonds.image.shape == bonds.vectors.shape == (0, 3)


def test_coordinates_that_mean_nothing_are_refused():
    atoms = bulk("Si", cubic=True)
    atoms.positions[2, 1] = np.nan
    with pytest.raises(NotAnalysed, match="NaN"):
        bonds_within(from_ase([atoms]), 2.85)
