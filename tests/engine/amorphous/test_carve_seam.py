"""Seams: the right number of atoms, none too close, the inside as it was."""

import numpy as np
import pytest
from support.carving import crystal, gas, large, skewed

from aiida_dismai.engine.amorphous.bonds import bonds_within
from aiida_dismai.engine.amorphous.carve.seam import Rules, close
from aiida_dismai.engine.amorphous.carve.windows import pick
from aiida_dismai.engine.structures import StructureSet


def rules(cell, n_atoms, heal=True, min_distance=2.0):
    return Rules(n_atoms, cell.side, 2.85, min_distance, cell.bond_length, cell.typical, heal)


def periodic(positions, side):
    return StructureSet.from_uniform(np.full(len(positions), 14), positions[None], np.eye(3) * side)


def window(cell, centre):
    atoms, inside = pick(cell, np.asarray(centre, dtype=float), np.eye(3))
    return inside, cell.coordination[atoms]


def test_a_commensurate_window_is_left_as_it_is():
    (cell,) = large(crystal(6, 0.02), n_atoms=216)
    inside, wanted = window(cell, [1, 2, 3])
    closed = close(inside, wanted, rules(cell, 216), 10)
    assert (closed.n_removed, closed.n_added, closed.n_moved, closed.defects) == (0, 0, 0, 0)
    np.testing.assert_allclose(closed.positions, inside * cell.side % cell.side, atol=1e-9)


@pytest.mark.parametrize("n_atoms", [150, 256])
def test_windows_that_do_not_fit_are_made_to(n_atoms):
    (cell,) = large(skewed((12, 12, 12)), n_atoms=n_atoms)
    inside, wanted = window(cell, np.random.default_rng(n_atoms).uniform(0, 30, 3))
    before = inside * cell.side
    deep = (np.minimum(before, cell.side - before) > 2 * 2.85).all(axis=1)
    edits = {}
    for heal in (False, True):
        closed = close(inside, wanted, rules(cell, n_atoms, heal), n_atoms)
        assert len(closed.positions) == n_atoms == len(inside) - closed.n_removed + closed.n_added
        pairs = bonds_within(periodic(closed.positions, cell.side), 6)
        # at the seam; atoms that were neighbours before may be nearer
        assert pairs.lengths[pairs.image.any(axis=1)].min() >= 2.0
        assert pairs.lengths.min() > 1.9
        # atoms away from the faces are where they were
        after = closed.positions[:, None] - before[deep][None]
        after -= cell.side * np.rint(after / cell.side)
        assert deep.sum() > 0
        assert (np.linalg.norm(after, axis=2).min(axis=0) < 1e-9).all()
        assert (closed.n_moved > 0) == heal
        edits[heal] = closed.n_removed + closed.n_added
    # atoms that healing can push apart need not be exchanged
    assert edits[True] < 0.7 * edits[False]


def test_the_atom_that_meets_most_others_is_dropped():
    """One atom too many sits between two others beyond a face: without it all is as it was."""
    (cell,) = large(crystal(6), n_atoms=216)
    inside, wanted = window(cell, [1, 2, 3])
    bonds = bonds_within(periodic(inside * cell.side, cell.side), 2.85)
    across = int(np.flatnonzero(bonds.image.any(axis=1))[0])
    atom = int(np.searchsorted(bonds.start, across, side="right") - 1)
    # in the middle of a bond across the seam, just on the atom's side
    between = inside[atom] + 0.5 * bonds.vectors[across] / cell.side
    crowded = np.vstack([inside, np.clip(between, 0, 1 - 1e-9)])
    closed = close(crowded, np.append(wanted, 4), rules(cell, 216, heal=False), 5)
    assert (closed.n_removed, closed.n_added, closed.defects) == (1, 0, 0)
    np.testing.assert_allclose(np.sort(closed.positions, axis=0), np.sort(inside * cell.side, axis=0))


def test_a_missing_atom_is_put_where_it_was():
    (cell,) = large(crystal(6), n_atoms=216)
    inside, wanted = window(cell, [1, 2, 3])
    missing = int(np.argmin(inside.min(axis=1)))
    closed = close(np.delete(inside, missing, axis=0), np.delete(wanted, missing), rules(cell, 216), 5)
    assert (closed.n_added, closed.n_removed, closed.defects) == (1, 0, 0)
    away = closed.positions[-1] - inside[missing] * cell.side
    assert np.linalg.norm(away - cell.side * np.rint(away / cell.side)) < 0.5


def test_a_surplus_atom_is_the_one_that_is_dropped():
    (cell,) = large(crystal(6), n_atoms=216)
    inside, wanted = window(cell, [1, 2, 3])
    # in the void of diamond at the seam, four atoms at a bond's length, each of which gets a fifth neighbour
    at_face = int(np.argmin(inside.min(axis=1)))
    bonds = bonds_within(periodic(inside * cell.side, cell.side), 2.85)
    vector = bonds.vectors[bonds.start[at_face]]
    surplus = (inside[at_face] - vector / cell.side) % 1.0
    closed = close(np.vstack([inside, surplus]), np.append(wanted, 4), rules(cell, 216, heal=False), 5)
    assert (closed.n_removed, closed.n_added, closed.defects) == (1, 0, 0)
    np.testing.assert_allclose(np.sort(closed.positions, axis=0), np.sort(inside * cell.side, axis=0))


def test_too_many_edits_are_refused():
    (cell,) = large(gas(), n_atoms=200)
    inside, wanted = window(cell, [5, 5, 5])
    assert close(inside, wanted, rules(cell, 200), 2) is None
    assert close(inside[:150], wanted[:150], rules(cell, 200), 40) is None


def test_pairs_of_the_large_cell_are_kept_however_close():
    (cell,) = large(gas(), n_atoms=200)
    inside, wanted = window(cell, [5, 5, 5])
    closed = close(inside, wanted, rules(cell, 200, heal=False), 200)
    pairs = bonds_within(periodic(closed.positions, cell.side), 2.0)
    assert len(pairs.lengths) > 20
    assert not pairs.image.any()
    # of the others, all that are not dropped are there at the same distances
    assert closed.n_removed > 0
