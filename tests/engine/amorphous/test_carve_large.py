"""What carving asks of a large cell, and the frame that it is looked at in."""

import re

import numpy as np
import pytest
from ase import Atoms
from support.carving import A, crystal, gas, large, parameters, skewed

from aiida_dismai.engine.amorphous.bonds import bonds_within
from aiida_dismai.engine.amorphous.carve.large import look_at
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.structures import StructureSet, from_ase


def test_what_is_known_of_a_crystal():
    (cell,) = large(crystal(6), n_atoms=216)
    assert cell.side == pytest.approx(3 * A)
    assert cell.final == cell.side
    assert cell.bond_length == pytest.approx(A * 3**0.5 / 4)
    assert (cell.coordination == 4).all()
    assert cell.fits.tolist() == [2, 2, 2]
    assert cell.typical == 4


@pytest.mark.parametrize("reverse", [False, True])
def test_the_frame_is_the_same_structure_turned(reverse):
    given = skewed()
    if reverse:  # a left-handed cell must not give the mirror image
        given = StructureSet(given.numbers, given.positions, given.cells[:, ::-1], given.pbc, given.offsets)
    (cell,) = large(given, n_atoms=64)
    assert np.allclose(np.triu(cell.frame, 1), 0)
    assert (cell.diagonal > 0).all()
    assert np.prod(cell.diagonal) == pytest.approx(abs(np.linalg.det(given.cells[0])))
    turned = StructureSet.from_uniform(given.numbers, cell.positions[None], cell.frame)
    before, after = bonds_within(given, 4.0), bonds_within(turned, 4.0)
    assert np.array_equal(before.start, after.start)
    for atom in range(0, len(given.numbers), 97):
        own = slice(before.start[atom], before.start[atom + 1])
        # triple products tell a structure from its mirror image
        volumes = [_volumes(bonds.vectors[own], bonds.neighbour[own]) for bonds in (before, after)]
        np.testing.assert_allclose(volumes[0], volumes[1], atol=1e-6)


def _volumes(vectors, neighbours):
    ordered = vectors[np.lexsort((np.linalg.norm(vectors, axis=1).round(6), neighbours))]
    return [np.linalg.det(ordered[k : k + 3]) for k in range(len(ordered) - 2)]


def test_a_cell_on_its_side_holds_as_many_windows():
    atoms = Atoms("Si700", scaled_positions=np.random.default_rng(2).uniform(0, 1, (700, 3)), cell=np.eye(3), pbc=True)
    tall = atoms.copy()
    tall.set_cell(np.diag([13.0, 13.0, 82.0]), scale_atoms=True)
    assert np.prod(large(from_ase([tall]), n_atoms=96)[0].fits) == 6
    # rows of a flat lattice fit only when the long axis comes first
    slanted = atoms.copy()
    slanted.set_cell([[13.0, 0, 0], [0, 13.0, 0], [65.0, 0, 82.0]], scale_atoms=True)
    assert np.prod(large(from_ase([slanted]), n_atoms=96)[0].fits) == 6


def not_periodic():
    given = crystal(4)
    return StructureSet(given.numbers, given.positions, given.cells, [[True, True, False]], given.offsets)


def mixed():
    given = crystal(4)
    numbers = given.numbers.copy()
    numbers[7] = 32
    return StructureSet(numbers, given.positions, given.cells, given.pbc, given.offsets)


def with_nan():
    given = crystal(4)
    positions = given.positions.copy()
    positions[3] = np.nan
    return given.with_positions(positions)


@pytest.mark.parametrize(
    ("make", "values", "message"),
    [
        (not_periodic, {}, "not periodic along all three axes"),
        (mixed, {}, "holds Si, Ge, but 'element' is 'Si'"),
        (lambda: crystal(4), {"element": "Ge"}, "holds Si, but 'element' is 'Ge'"),
        (with_nan, {}, "NaN or infinite coordinates in structure 0"),
        (StructureSet.empty, {}, "the set of structures is empty"),
        (lambda: crystal(4), {"density": 3.5}, "structures of 3.5 g/cm³ would have to be compressed by 13 % in length"),
        (lambda: crystal(4), {"density": 1.0}, "stretched by 33 % in length; ask for 2.01 to 2.72 g/cm³"),
        (lambda: crystal(4), {"n_atoms": 8}, "less than twice the bond cutoff of 2.85 Å; ask for n_atoms of at least"),
        (lambda: from_ase([Atoms("Si", cell=np.eye(3) * 4, pbc=True) * 9]), {"n_atoms": 64}, "no two atoms within"),
    ],
)
def test_what_is_refused(make, values, message):
    with pytest.raises(BadInput, match=re.escape(message)):
        look_at(make(), parameters(**{"n_atoms": 216, **values}))


@pytest.mark.parametrize("rotate", [False, True])
def test_too_small_a_cell_is_told_how_large_it_must_be(rotate):
    with pytest.raises(BadInput, match="too small to carve") as refused:
        large(gas(400, 20.0), n_atoms=512, rotate=rotate)
    least = int(re.search(r"a cube of (\d+) atoms", str(refused.value)).group(1))
    scale = 20.0 / 400 ** (1 / 3)
    assert large(gas(least, scale * least ** (1 / 3)), n_atoms=512, rotate=rotate)
    with pytest.raises(BadInput, match="too small"):
        large(gas(least - 5, scale * (least - 5) ** (1 / 3)), n_atoms=512, rotate=rotate)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_distance": 3.0}, "min_distance (3.0 Å) must be below measures.bond_cutoff (2.85 Å)"),
        ({"element": "Sx"}, "'Sx' is not a chemical symbol"),
        ({"max_overlap": 0.9}, "max_overlap"),
        ({"overlap": 0.1}, "did you mean 'max_overlap'"),
    ],
)
def test_parameters_that_are_refused(values, message):
    from aiida_dismai.engine.amorphous.carve.parameters import CarveParameters

    with pytest.raises(BadInput, match=re.escape(message)):
        validate(CarveParameters, values, "amorphous.carve")
