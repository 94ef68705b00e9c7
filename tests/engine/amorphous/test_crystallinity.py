"""Crystalline atoms beside those of OVITO's modifier "Identify diamond structure"."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aiida_dismai.engine.amorphous.bonds import bonds_within
from aiida_dismai.engine.amorphous.crystallinity import CUBIC, HEXAGONAL, NONE, crystalline
from aiida_dismai.engine.structures import from_ase


def cubic():
    return bulk("Si", "diamond", a=5.43, cubic=True)


def hexagonal():
    a, c = 3.84, 6.27
    places = [(1 / 3, 2 / 3, 1 / 16), (2 / 3, 1 / 3, 9 / 16), (2 / 3, 1 / 3, 15 / 16), (1 / 3, 2 / 3, 7 / 16)]
    return Atoms("Si4", scaled_positions=places, cell=[[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]], pbc=True)


def kinds_of(atoms, cutoff=2.85):
    bonds = bonds_within(from_ase([atoms]), cutoff)
    return crystalline(bonds.start, bonds.neighbour, bonds.vectors)


@pytest.mark.parametrize(("crystal", "kind"), [(cubic(), CUBIC), (hexagonal(), HEXAGONAL)])
@pytest.mark.parametrize("repeat", [(1, 1, 1), (2, 1, 1), (3, 2, 2)])
@pytest.mark.parametrize("scale", [0.97, 1.0, 1.05])
def test_crystals_in_cells_of_any_size_and_density(crystal, kind, repeat, scale):
    atoms = crystal.repeat(repeat)
    atoms.set_cell(atoms.cell * scale, scale_atoms=True)
    assert (kinds_of(atoms) == kind).all()


@pytest.mark.parametrize(
    ("crystal", "repeat", "kind", "noise", "number"),
    [
        # numbers: OVITO 3.17.2 on the same rattled crystals, types 1 and 4
        (cubic(), 4, CUBIC, 0.14, 512),
        (cubic(), 4, CUBIC, 0.17, 495),
        (cubic(), 4, CUBIC, 0.20, 465),
        (cubic(), 4, CUBIC, 0.23, 380),
        (hexagonal(), (6, 6, 4), HEXAGONAL, 0.14, 576),
        (hexagonal(), (6, 6, 4), HEXAGONAL, 0.17, 560),
        (hexagonal(), (6, 6, 4), HEXAGONAL, 0.20, 475),
        (hexagonal(), (6, 6, 4), HEXAGONAL, 0.23, 358),
    ],
)
def test_noisy_crystals_as_ovito_sees_them(crystal, repeat, kind, noise, number):
    """OVITO takes the four nearest atoms as neighbours; so does this test."""
    atoms = crystal.repeat(repeat)
    atoms.rattle(noise, seed=3)
    bonds = bonds_within(from_ase([atoms]), 4.0)
    nearest = []
    for i in range(len(atoms)):
        own = np.arange(bonds.start[i], bonds.start[i + 1])
        nearest.append(own[np.argsort(bonds.lengths[own])[:4]])
    four = np.concatenate(nearest)
    kinds = crystalline(4 * np.arange(len(atoms) + 1), bonds.neighbour[four], bonds.vectors[four])
    assert np.count_nonzero(kinds == kind) == number
    assert np.count_nonzero(kinds == NONE) == len(atoms) - number


def test_atoms_around_a_vacancy_are_not_crystalline():
    atoms = cubic().repeat(3)
    del atoms[40]
    kinds = kinds_of(atoms)
    # four neighbours, and twelve second neighbours, lack an atom
    assert np.count_nonzero(kinds == NONE) == 16
    assert np.count_nonzero(kinds == CUBIC) == len(atoms) - 16


def test_a_stacking_fault_is_hexagonal():
    """A bilayer is hexagonal where the bilayers below and above it are alike, as in hexagonal diamond everywhere."""
    a = 5.43 / 2**0.5
    height = 5.43 / 3**0.5
    order = "ABCABACB"
    across = {"A": (0, 0), "B": (1 / 3, 2 / 3), "C": (2 / 3, 1 / 3)}
    places = []
    for level, here in enumerate(order):
        places.append((*across[here], level / len(order)))
        places.append((*across[here], (level + 0.75) / len(order)))
    cell = [[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, len(order) * height]]
    atoms = Atoms(f"Si{len(places)}", scaled_positions=places, cell=cell, pbc=True).repeat((3, 3, 1))
    kinds = kinds_of(atoms).reshape(-1, 16)
    flat = [
        HEXAGONAL if order[i - 1] == order[(i + 1) % len(order)] else CUBIC for i in range(len(order)) for _ in (0, 1)
    ]
    assert flat.count(HEXAGONAL) == 4
    assert (np.sort(kinds, axis=1) == np.sort(flat)).all()


def test_disordered_and_otherwise_bonded_atoms_are_not_crystalline():
    rng = np.random.default_rng(0)
    assert not kinds_of(Atoms("Si100", rng.uniform(0, 12.7, (100, 3)), cell=[12.7] * 3, pbc=True)).any()
    assert not kinds_of(bulk("Cu", "fcc", a=3.6).repeat(3)).any()
    assert not kinds_of(bulk("Cu", "fcc", a=3.6).repeat(3), cutoff=1.0).any()
