"""Clean-up: the truth of the reference sets, the authors' cleaned sets, other cells and lattices, bad input."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ase.geometry import cell_to_cellpar, cellpar_to_cell
from scipy.spatial.transform import Rotation
from support.alloy_reference import DATA, GENERATION, read_inputs

from aiida_dismai.engine.alloys.cleanup import Cleaned, clean
from aiida_dismai.engine.alloys.lattice import Lattice, LatticeError
from aiida_dismai.engine.alloys.supercell import Supercell
from aiida_dismai.engine.structures import StructureSet, load_structures

#: Alignments that must find the truth in each set (the lattice of ii and iii is shifted, that of iv turned as well).
ENOUGH = {"i": ["none", "translate", "rotate", "auto"], "ii": ["translate", "rotate", "auto"]}
ENOUGH |= {"iii": ["translate", "rotate", "auto"], "iv": ["rotate", "auto"]}


def cleaned(structure: StructureSet, lattice: Lattice, align: str = "auto", **options) -> Cleaned:
    return clean(structure.positions, structure.cells[0], structure.numbers, lattice, align, **options)


@pytest.mark.parametrize(("name", "align"), [(name, align) for name, aligns in ENOUGH.items() for align in aligns])
def test_true_vacancies_and_failures(name, align, fcc):
    """Exactly what was done to each structure, from ``alloy_generation.json``."""
    for structure, done in zip(read_inputs(f"gen_{name}"), GENERATION["generated"][name], strict=True):
        if done.get("off_lattice"):
            with pytest.raises(LatticeError, match=r"^rejected: 60 atoms off the lattice, 0 on taken sites, 60 of 256"):
                cleaned(structure, fcc, align)
            continue
        found = cleaned(structure, fcc, align)
        assert found.n_off == 0
        assert found.n_double == done.get("duplicated", 0)
        # of the turned fragments, sites inside the cell whose atom was dropped at the seam are empty
        assert found.n_vacancies == done.get("duplicated", 0) + done.get("dropped", 0)
        assert len(found.species) == done.get("n_atoms", 256) + done.get("dropped", 0)
        assert (found.supercell is None) == ("generic_rotation" in done)


@pytest.mark.parametrize("index", [3, 4])
def test_the_rotation_itself(index, fcc):
    done = GENERATION["generated"]["iv"][index]
    found = cleaned(read_inputs("gen_iv")[index], fcc, "rotate").alignment.rotation
    true = np.array(done["generic_rotation"]).T  # theirs acts on columns
    between = fcc.representative(true).T @ fcc.representative(found)
    assert np.degrees(Rotation.from_matrix(between).magnitude()) < 0.15
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("name", ["i", "ii", "iii", "iv"])
def test_auto_takes_the_simplest_that_keeps_most(name, fcc):
    simplest = {"i": "none", "ii": "translate", "iii": "translate"}
    for k, (structure, done) in enumerate(zip(read_inputs(f"gen_{name}"), GENERATION["generated"][name], strict=True)):
        if done.get("off_lattice"):
            continue
        expected = simplest.get(name, "rotate" if k >= 3 else "translate")
        assert cleaned(structure, fcc, "auto").alignment.kind == expected


@pytest.mark.parametrize(
    ("script", "name", "align"), [("cryingan", "i", "none")] + [("diffcsp", n, "translate") for n in ("i", "ii", "iii")]
)
def test_compat_gives_the_authors_structures(script, name, align, fcc):
    """The same species on the same sites, compared as sets; nothing is rejected."""
    folder = DATA / "remove" / f"{script}_{name}"
    theirs = load_structures(folder / "gen_clean.extxyz.gz")
    vacancies = np.loadtxt(folder / "vac_count.csv", delimiter=",", skiprows=1, dtype=int)[:, 1]
    for structure, expected, empty in zip(read_inputs(f"gen_{name}"), theirs, vacancies, strict=True):
        found = cleaned(structure, fcc, align, compat=True)
        assert found.n_vacancies == empty
        there = found.species > 0
        gaps = (found.positions[there][:, None] - expected.positions[None]) / 14.4
        distances = 14.4 * np.linalg.norm(gaps - np.round(gaps), axis=2)
        partner = distances.argmin(axis=1)
        assert sorted(partner) == list(range(len(expected.numbers)))
        assert distances.min(axis=1).max() < 1e-6
        np.testing.assert_array_equal(found.species[there], expected.numbers[partner])


def test_compat_follows_a_single_atom(fcc):
    """An atom near the origin that is off the lattice carries the authors' lattice away, ours not."""
    structure = read_inputs("gen_i")[0]
    nearest = int(np.linalg.norm(structure.positions - 14.4 * np.round(structure.positions / 14.4), axis=1).argmin())
    positions = structure.positions.copy()
    positions[nearest] = [0.9, 0.9, 0.9]
    odd = structure.with_positions(positions)
    assert cleaned(odd, fcc, "translate").n_vacancies == 1
    assert cleaned(odd, fcc, "translate", compat=True).n_vacancies > 200
    with pytest.raises(LatticeError, match="no atom within 5 Å of the origin"):
        clean(np.full((1, 3), 7.2), 14.4 * np.eye(3), np.array([26]), fcc, "translate", compat=True)


@pytest.mark.parametrize(("name", "index"), [("i", 1), ("ii", 4), ("iii", 1), ("iv", 3)])
def test_order_of_atoms_changes_nothing(name, index, fcc):
    structure = read_inputs(f"gen_{name}")[index]
    first = cleaned(structure, fcc)
    order = np.random.default_rng(2).permutation(len(structure.numbers))
    other = clean(structure.positions[order], structure.cells[0], structure.numbers[order], fcc)
    np.testing.assert_array_equal(other.species, first.species)
    np.testing.assert_array_equal(other.positions, first.positions)
    np.testing.assert_array_equal(other.site, first.site[order])
    np.testing.assert_array_equal(other.alignment.rotation, first.alignment.rotation)


def test_atoms_outside_the_cell_are_wrapped(fcc):
    structure = read_inputs("gen_ii")[1]
    moved = structure.positions + 14.4 * np.random.default_rng(0).integers(-3, 4, structure.positions.shape)
    other = clean(moved, structure.cells[0], structure.numbers, fcc)
    np.testing.assert_array_equal(other.species, cleaned(structure, fcc).species)


@pytest.mark.parametrize(("align", "index"), [("translate", 1), ("rotate", 3)])
def test_what_is_returned_fits_together(align, index, fcc):
    structure = read_inputs("gen_ii" if align == "translate" else "gen_iv")[index]
    found = cleaned(structure, fcc, align)
    np.testing.assert_array_equal(found.kept, found.site >= 0)
    assert found.n_removed == (~found.kept).sum()
    np.testing.assert_array_equal(found.species[found.site[found.kept]], structure.numbers[found.kept])
    gaps = (structure.positions[found.kept] - found.positions[found.site[found.kept]]) / 14.4
    distances = 14.4 * np.linalg.norm(gaps - np.round(gaps), axis=1)
    assert distances.max() < 0.8
    assert found.alignment.rms == pytest.approx(np.sqrt((distances**2).mean()), rel=1e-6)
    # the sites are those of the lattice, turned and shifted as said
    turned = fcc.cell @ found.alignment.rotation
    points = (found.positions - found.alignment.translation) @ np.linalg.inv(turned)
    assert np.abs(points - np.round(points)).max() < 1e-9


def test_nearer_of_two_atoms_stays(fcc):
    supercell = Supercell.of(np.array([[-2, 2, 2], [2, -2, 2], [2, 2, -2]]), 1)
    positions = fcc.site_positions(supercell.points, supercell.basis)
    numbers = np.full(len(positions), 26)
    more = np.concatenate([positions + np.array([0.3, 0, 0]), positions[:1] + np.array([0, 0.2, 0])])
    for order in (slice(None), slice(None, None, -1)):
        found = clean(more[order], 7.2 * np.eye(3), np.append(numbers, 28)[order], fcc, "none")
        assert found.n_double == 1
        assert Counter(found.species.tolist()) == {26: 31, 28: 1}


def test_margin_is_inclusive_and_ends(fcc):
    supercell = Supercell.of(np.array([[-2, 2, 2], [2, -2, 2], [2, 2, -2]]), 1)
    positions = fcc.site_positions(supercell.points, supercell.basis)
    numbers = np.full(len(positions), 26)
    for distance, off in ((0.79999, 0), (0.80001, 1)):
        positions[5] += [distance, 0, 0]
        assert clean(positions, 7.2 * np.eye(3), numbers, fcc, "none").n_off == off
        positions[5] -= [distance, 0, 0]
    # halfway between two neighbours an atom is on neither
    positions[5] += [0.9, 0.9, 0]
    assert clean(positions, 7.2 * np.eye(3), numbers, fcc, "auto").n_off == 1


CELLS = [(2, 2, 2), (2, 4, 8), (3, 3, 5), (8, 8, 8)]


@pytest.mark.parametrize("repeats", CELLS)
@pytest.mark.parametrize("turn", [False, True])
def test_cells_of_other_sizes(repeats, turn, fcc):
    """32 to 2048 sites: duplicates are found, and a fifth of the atoms off the lattice fails."""
    rng = np.random.default_rng(sum(repeats) + turn)
    cube = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    cell = 3.6 * np.diag(repeats)
    for _ in range(3):
        positions = 3.6 * (np.indices(repeats).reshape(3, -1).T[:, None] + cube[None]).reshape(-1, 3)
        n = len(positions)
        chosen = rng.permutation(n)
        positions[chosen[:3]] = positions[chosen[3:6]]
        if turn:  # of the cube's rotations those that leave the cell alone: half a turn about its edges
            centre = np.diag(cell) / 2
            positions = (positions - centre) * [-1, -1, 1] + centre
        positions += rng.normal(0, 0.1, positions.shape) + rng.uniform(0, 30, 3)
        found = clean(positions, cell, np.full(n, 26), fcc)
        assert (found.n_off, found.n_double, found.n_vacancies) == (0, 3, 3)
        positions[chosen[10 : 10 + n // 4]] += [1.8, 0, 0]
        with pytest.raises(LatticeError, match=f"^rejected: {n // 4} atoms off the lattice, 3 on taken"):
            clean(positions, cell, np.full(n, 26), fcc, max_removed=n // 5)


@pytest.mark.parametrize("kind", ["fcc", "bcc", "sc", "diamond", "hcp"])
def test_any_lattice_in_any_supercell(kind):
    """Skew supercells, also given as lengths and angles, which turns them against the lattice's axes."""
    lattice = Lattice.named(kind, 5.4 if kind == "diamond" else 3.6)
    margin = min(0.8, 0.45 * lattice.nearest)
    rng = np.random.default_rng(7)
    done = 0
    while done < 4:
        multiples = rng.integers(-3, 4, (3, 3)) + 4 * np.eye(3, dtype=int)
        cell = multiples @ lattice.cell
        widths = abs(np.linalg.det(cell)) / np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
        if np.linalg.det(cell) < 0 or widths.min() < 7:
            continue
        done += 1
        supercell = Supercell.of(multiples, len(lattice.basis))
        positions = lattice.site_positions(supercell.points, supercell.basis)
        positions[:2] = positions[2:4]
        positions += rng.normal(0, 0.08, positions.shape) + rng.uniform(0, 9, 3)
        upright = cellpar_to_cell(cell_to_cellpar(cell))
        for given in (cell, upright):
            found = clean(
                positions @ np.linalg.inv(cell) @ given, given, np.full(len(positions), 26), lattice, margin=margin
            )
            assert (found.n_off, found.n_double, found.n_vacancies) == (0, 2, 2)
            assert found.supercell is not None


def fragment(rng: np.random.Generator, noise: float) -> tuple[np.ndarray, Rotation]:
    """Return an infinite fcc lattice in a random orientation, cut by a cube of 14.4 Å, without close pairs."""
    rotation = Rotation.random(rng=rng)
    points = np.indices((17, 17, 17)).reshape(3, -1).T - 8
    cube = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    positions = (
        3.6 * (points[:, None] + cube[None]).reshape(-1, 3) @ rotation.as_matrix() + 7.2 + rng.uniform(0, 3.6, 3)
    )
    positions = positions[((positions >= 0) & (positions < 14.4)).all(axis=1)]
    gaps = (positions[:, None] - positions[None]) / 14.4
    close = np.triu(14.4 * np.linalg.norm(gaps - np.round(gaps), axis=2) < 1, 1)
    kept = ~(close.any(axis=0))
    return positions[kept] + rng.normal(0, noise, (kept.sum(), 3)), rotation


@pytest.mark.parametrize("shift", [False, True])
def test_turned_fragments(shift, fcc):
    """Every atom is on the lattice, also where the fragment was shifted and its seam runs through the cell."""
    rng = np.random.default_rng(17)
    for _ in range(6):
        positions, rotation = fragment(rng, 0.08)
        if shift:
            positions = positions + rng.uniform(0, 14.4, 3)
        found = clean(positions, 14.4 * np.eye(3), np.full(len(positions), 26), fcc, "rotate")
        assert found.n_removed == 0
        assert found.n_vacancies <= 15
        between = fcc.representative(rotation.as_matrix()).T @ fcc.representative(found.alignment.rotation)
        assert np.degrees(Rotation.from_matrix(between).magnitude()) < 0.3


def test_strained_cell_strains_the_lattice(fcc):
    structure = read_inputs("gen_ii")[1]
    stretch = np.diag([1.02, 0.99, 1.01])
    found = clean(structure.positions @ stretch, structure.cells[0] @ stretch, structure.numbers, fcc)
    assert (found.n_off, found.n_vacancies) == (0, 4)


@pytest.mark.parametrize("align", ["none", "translate"])
def test_cell_that_fits_no_supercell(align, fcc):
    structure = read_inputs("gen_i")[0]
    with pytest.raises(
        LatticeError, match="not a supercell of the lattice: the nearest one, of 256 sites, is strained"
    ):
        clean(structure.positions * 1.05, structure.cells[0] * 1.05, structure.numbers, fcc, align)


def test_auto_says_that_the_cell_does_not_fit(fcc):
    structure = read_inputs("gen_i")[0]
    with pytest.raises(LatticeError, match=r"rejected: .* atoms off the lattice.*not a supercell of the lattice"):
        clean(structure.positions * 1.08, structure.cells[0] * 1.08, structure.numbers, fcc, "auto")
    # with the right lattice constant it does
    assert (
        clean(
            structure.positions * 1.08, structure.cells[0] * 1.08, structure.numbers, fcc.scaled(3.6 * 1.08)
        ).n_vacancies
        == 0
    )


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("align", ["none", "translate", "rotate", "auto"])
def test_bad_structures(align, compat, fcc):
    cell, iron = 14.4 * np.eye(3), np.array([26, 26])

    def failing(positions, cell=cell, numbers=iron, message=""):
        with pytest.raises(LatticeError, match=message):
            clean(np.array(positions, dtype=float), cell, numbers, fcc, align, compat=compat)

    failing(np.zeros((0, 3)), numbers=np.array([], dtype=int), message="no atoms")
    failing([[0, 0, np.nan], [0, 0, 0]], message="NaN")
    failing([[0, 0, 1e300], [0, 0, 0]], message="NaN or absurd")
    failing([[0, 0, 0], [1, 1, 1]], cell=np.diag([14.4, 14.4, 0.0]), message="without volume")
    failing([[0, 0, 0], [1, 1, 1]], cell=np.full((3, 3), np.inf), message="NaN or absurd")
    failing([[0, 0, 0], [1, 1, 1]], cell=1e4 * np.eye(3), message="more than 1000000 sites")


def test_hopeless_structures_are_rejected(fcc):
    rng = np.random.default_rng(1)
    for n in (1, 3, 30, 256, 1000):
        for align in ("none", "translate", "rotate", "auto"):
            with pytest.raises(LatticeError, match=r"rejected|no orientation|no atom has neighbours"):
                clean(rng.uniform(0, 14.4, (n, 3)), 14.4 * np.eye(3), np.full(n, 26), fcc, align)
    with pytest.raises(LatticeError, match="rejected"):
        clean(np.full((256, 3), 3.0), 14.4 * np.eye(3), np.full(256, 26), fcc)
    # a small cell cannot lose 50 atoms, but more than half of them
    with pytest.raises(LatticeError, match="rejected"):
        clean(rng.uniform(0, 7.2, (32, 3)), 7.2 * np.eye(3), np.full(32, 26), fcc, "none")
    # on which no atom is left even the authors give up
    structure = read_inputs("gen_ii")[0]
    with pytest.raises(LatticeError, match="none of 256 atoms"):
        cleaned(structure, fcc, "none", compat=True)
