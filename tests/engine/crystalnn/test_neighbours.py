"""Neighbours, weights and coordination numbers: pymatgen's beside ours for many crystals and options."""

from __future__ import annotations

import warnings
from dataclasses import asdict

import numpy as np
import pytest
from pymatgen.core import Species
from pymatgen.core.local_env import CrystalNN
from support import crystals

from aiida_dismai.engine.crystalnn.elements import kinds_of, neutral_radius, radius
from aiida_dismai.engine.crystalnn.errors import CrystalNNError
from aiida_dismai.engine.crystalnn.neighbours import Neighbours, near_neighbours
from aiida_dismai.engine.crystalnn.options import GEOMETRIC, CrystalNNOptions
from aiida_dismai.engine.crystalnn.voronoi import voronoi_faces
from aiida_dismai.engine.structures import StructureSet, to_pymatgen

DEFAULT = CrystalNNOptions()
IONIC = CrystalNNOptions(cation_anion=True)
#: Iron of two valences, and an atom without one.
MIXED = [2.0, 3.0, 2.5, 3.0, -2.0, -2.0, -2.0, np.nan]


def wustite() -> StructureSet:
    structure = crystals.of("NaCl", "rocksalt", 4.3, 1, 0.1)
    order = np.argsort(-structure.numbers)  # Cl (17) before Na (11)
    return crystals.crystal([26] * 4 + [8] * 4, structure.positions[order], structure.cells[0])


CASES = {
    "interface": (crystals.interface, IONIC, crystals.INTERFACE),
    "interface, all neighbours": (lambda: crystals.interface(1), DEFAULT, crystals.INTERFACE),
    "interface, no charges": (lambda: crystals.interface(2), DEFAULT, None),
    "interface, odd charges": (
        lambda: crystals.interface(3),
        IONIC,
        {"Li": 1.0, "Sc": 2.667, "Co": 0.0, "Cl": -1.5, "O": -7.0},
    ),
    "silicon": (crystals.silicon, DEFAULT, None),
    "silicon, bond angles": (lambda: crystals.silicon(1), GEOMETRIC, None),
    "silicon, neutral": (lambda: crystals.silicon(2), DEFAULT, {"Si": 0.0}),
    "fcc": (lambda: crystals.of("Fe", "fcc", 3.6, 2), DEFAULT, None),
    "fcc, geometry only": (lambda: crystals.of("Fe", "fcc", 3.6, 2), GEOMETRIC, None),
    "bcc": (lambda: crystals.of("Fe", "bcc", 2.87, 2), DEFAULT, None),
    "rock salt": (lambda: crystals.of("NaCl", "rocksalt", 5.64), DEFAULT, crystals.SALT),
    "rock salt, charges matter": (lambda: crystals.of("NaCl", "rocksalt", 5.64), IONIC, crystals.SALT),
    "oxide": (crystals.oxide, IONIC, crystals.SPINEL),
    "oxide, electronegativity off": (crystals.oxide, CrystalNNOptions(x_diff_weight=0), crystals.SPINEL),
    "oxide, porous off": (crystals.oxide, CrystalNNOptions(porous_adjustment=False), crystals.SPINEL),
    "oxide, distances off": (crystals.oxide, CrystalNNOptions(distance_cutoffs=None), crystals.SPINEL),
    "oxide, soft distances": (crystals.oxide, CrystalNNOptions(distance_cutoffs=(-0.4, 2.0)), crystals.SPINEL),
    "oxide, a step in distance": (crystals.oxide, CrystalNNOptions(distance_cutoffs=(0.1, 0.1)), crystals.SPINEL),
    "oxide, short search": (crystals.oxide, CrystalNNOptions(search_cutoff=3.0), crystals.SPINEL),
    "molecular preset": (crystals.oxide, CrystalNNOptions(x_diff_weight=1.5, search_cutoff=4.5), None),
    "mixed valence": (wustite, DEFAULT, MIXED),
    "noble gas": (lambda: crystals.crystal([2, 54], [[0, 0, 0], [2, 2, 2]], np.eye(3) * 4), DEFAULT, None),
    "one atom": (lambda: crystals.tilted(1, 0), DEFAULT, None),
    "four atoms, tilted": (lambda: crystals.tilted(4, 2), DEFAULT, None),
    "isolated": (
        lambda: crystals.crystal([11, 17], [[0, 0, 0], [10, 10, 10]], np.eye(3) * 20),
        IONIC,
        crystals.SALT,
    ),
    "rough slab": (lambda: crystals.slab(9.0, 0.1), DEFAULT, None),
}


def beside(structure: StructureSet, options: CrystalNNOptions, states, found: Neighbours) -> None:
    """Assert that pymatgen finds the same at each site that is not ambiguous."""
    crystal = to_pymatgen(structure.without_properties())[0]
    if isinstance(states, dict):
        crystal.add_oxidation_state_by_element(states)
    elif states is not None:
        for site, state in enumerate(states):
            if not np.isnan(state):  # the others stay elements
                crystal[site] = Species(crystal[site].specie.symbol, state)
    finder = CrystalNN(**asdict(options))
    compared = 0
    for i, site in enumerate(found.sites.tolist()):
        if found.ambiguous[i]:
            continue
        compared += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = finder.get_nn_data(crystal, site)
        own = slice(found.start[i], found.start[i + 1])
        np.testing.assert_array_equal(found.weights[own], [float(entry["weight"]) for entry in data.all_nninfo])
        expected = [float(data.cn_weights.get(cn, 0.0)) for cn in range(25)]
        np.testing.assert_allclose(found.cn_weights[i], expected, rtol=0, atol=1e-12)
        assert found.best_cn[i] == max(data.cn_weights, key=lambda cn: data.cn_weights[cn])
        for cn, entries in data.cn_nninfo.items():
            vectors = np.array([entry["site"].coords - crystal[site].coords for entry in entries]).reshape(-1, 3)
            ours = found.vectors[own][:cn]
            apart = np.linalg.norm(vectors[:, None] - ours, axis=2)
            assert apart.shape == (cn, cn)
            if cn:
                assert apart.min(axis=0).max() < 1e-9
                assert apart.min(axis=1).max() < 1e-9
                nearest = np.argmin(apart, axis=0)
                assert [entries[k]["site_index"] for k in nearest] == found.index[own][:cn].tolist()
    assert compared >= len(found.sites) / 2


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_pymatgen(name):
    make, options, states = CASES[name]
    structure = make()
    n = len(structure.positions)
    sites = np.unique(np.linspace(0, n - 1, 12).astype(int))
    beside(structure, options, states, near_neighbours(structure, options, states, sites))


def test_all_sites_are_those_one_by_one():
    structure = crystals.oxide()
    found = near_neighbours(structure, IONIC, crystals.SPINEL)
    assert found.sites.tolist() == list(range(32))
    for order in ([5], [31, 0, 7]):
        some = near_neighbours(structure, IONIC, crystals.SPINEL, np.array(order))
        for i, site in enumerate(order):
            own, other = slice(found.start[site], found.start[site + 1]), slice(some.start[i], some.start[i + 1])
            for name in ("index", "vectors", "weights", "exact_weights"):
                np.testing.assert_array_equal(getattr(some, name)[other], getattr(found, name)[own])
            np.testing.assert_array_equal(some.cn_weights[i], found.cn_weights[site])


def test_known_faces_may_be_given():
    structure = crystals.silicon()
    faces = voronoi_faces(structure, np.arange(40))
    for options in (DEFAULT, GEOMETRIC):
        known = near_neighbours(structure, options, faces=faces)
        fresh = near_neighbours(structure, options, sites=np.arange(40))
        np.testing.assert_array_equal(known.weights, fresh.weights)
        np.testing.assert_array_equal(known.index, fresh.index)


def test_bonds_are_those_of_the_most_likely_coordination():
    structure = crystals.silicon(1)
    found = near_neighbours(structure, GEOMETRIC)
    assert found.bonded().sum() == found.best_cn.sum()
    crystal = to_pymatgen(structure.without_properties())[0]
    finder = CrystalNN(**asdict(GEOMETRIC))
    for site in (0, 100, 255):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = sorted(entry["site_index"] for entry in finder.get_nn_info(crystal, site))
        own = slice(found.start[site], found.start[site + 1])
        assert sorted(found.index[own][found.bonded()[own]].tolist()) == expected


def test_rock_salt_in_numbers():
    found = near_neighbours(crystals.of("NaCl", "rocksalt", 5.64), IONIC, crystals.SALT)
    np.testing.assert_array_equal(found.best_cn, 6)
    np.testing.assert_array_equal(found.weights, 1.0)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 2.82, rtol=1e-12)


def test_more_neighbours_than_have_a_likelihood():
    k = np.arange(40) + 0.5
    z, phi = 1 - k / 20, np.pi * (1 + np.sqrt(5)) * k
    around = np.column_stack([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z])
    structure = crystals.crystal([14] * 41, np.vstack([3 * around, np.zeros(3)]) + 8, np.eye(3) * 16)
    found = near_neighbours(structure, GEOMETRIC, sites=np.array([40]))
    assert found.best_cn[0] > 24
    assert len(found.index) == 40
    beside(structure, GEOMETRIC, None, found)


def test_a_weight_on_the_edge_of_rounding_is_ambiguous():
    from scipy.optimize import brentq

    def tetragonal(c: float) -> StructureSet:
        return crystals.crystal([84], [[0, 0, 0]], np.diag([3.0, 3.0, c]))

    def excess(c: float) -> float:
        return float(near_neighbours(tetragonal(c), GEOMETRIC).exact_weights[-1]) - 0.5005

    edge = brentq(excess, 3.3, 4.5, xtol=1e-14, rtol=1e-15)
    assert near_neighbours(tetragonal(edge), GEOMETRIC).ambiguous.all()
    below, above = (near_neighbours(tetragonal(edge + step), GEOMETRIC) for step in (1e-6, -1e-6))
    assert not (below.ambiguous | above.ambiguous).any()
    assert {below.weights[-1], above.weights[-1]} == {0.5, 0.501}


def test_no_neighbour_of_opposite_charge():
    # A sodium atom inside a cube of 26 others; the chlorine is far away.
    grid = np.array([[i, j, k] for i in (0, 3, 6) for j in (0, 3, 6) for k in (0, 3, 6)], dtype=float)
    structure = crystals.crystal([11] * 27 + [17], np.vstack([grid + 3, [[13, 13, 13]]]), np.eye(3) * 16)
    with pytest.raises(CrystalNNError, match="site 13: none of its Voronoi neighbours is of opposite"):
        near_neighbours(structure, IONIC, crystals.SALT, np.array([26, 13]))
    crystal = to_pymatgen(structure)[0]
    crystal.add_oxidation_state_by_element(crystals.SALT)
    with pytest.raises(ValueError, match="empty"):
        CrystalNN(cation_anion=True).get_nn_data(crystal, 13)


def test_what_cannot_be_asked():
    salt = crystals.of("NaCl", "rocksalt", 5.64)
    with pytest.raises(CrystalNNError, match="site 0: the structure has no atom of opposite or zero charge"):
        near_neighbours(salt, IONIC, {"Na": 1, "Cl": 2})
    with pytest.raises(CrystalNNError, match="no oxidation state for Cl; give one for every element"):
        near_neighbours(salt, DEFAULT, {"Na": 1})
    with pytest.raises(CrystalNNError, match="site 0: cation_anion needs its oxidation state"):
        near_neighbours(salt, IONIC)
    with pytest.raises(CrystalNNError, match="site 3: cation_anion needs its oxidation state"):
        near_neighbours(salt, IONIC, [1, 1, 1, np.nan, -1, -1, -1, -1])
    with pytest.raises(CrystalNNError, match="3 oxidation states for 8 atoms"):
        near_neighbours(salt, DEFAULT, [1, 2, 3])
    with pytest.raises(CrystalNNError, match="site 2: its oxidation state is infinite"):
        near_neighbours(salt, DEFAULT, [1, 1, np.inf, 1, -1, -1, -1, -1])
    heavy = crystals.crystal([118], [[0, 0, 0]], np.eye(3) * 3)
    with pytest.raises(CrystalNNError, match="the radius of its element or a neighbour's is not known"):
        near_neighbours(heavy, DEFAULT)
    assert near_neighbours(heavy, CrystalNNOptions(distance_cutoffs=None)).best_cn[0] == 6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"distance_cutoffs": (1.0, 0.5)}, "two numbers that rise"),
        ({"distance_cutoffs": (0.5, np.nan)}, "two numbers that rise"),
        ({"search_cutoff": 0.0}, "a positive length"),
        ({"x_diff_weight": np.inf}, "a finite number"),
    ],
)
def test_options(values, message):
    with pytest.raises(ValueError, match=message):
        CrystalNNOptions(**values)


def test_radii_of_every_element_are_those_of_pymatgen():
    from pymatgen.core import Element, PeriodicSite
    from pymatgen.core.local_env import _get_default_radius, _get_radius

    compared = 0
    for number in range(1, 119):
        element = Element.from_Z(number)
        bare = PeriodicSite(element, [0, 0, 0], to_pymatgen(crystals.tilted(1, 0))[0].lattice)
        expected = _get_default_radius(bare)
        if expected is None:
            assert np.isnan(neutral_radius(number))
            continue
        assert neutral_radius(number) == float(expected)
        assert radius(number, None) == 0
        for charge in (-3, -2, -1, -0.5, 0, 0.3, 1, 2, 2.5, 2.667, 3, 4, 5.5, 6, 9):
            site = PeriodicSite(Species(element.symbol, charge), [0, 0, 0], bare.lattice)
            assert radius(number, charge) == pytest.approx(float(_get_radius(site)), abs=1e-15)
            compared += 1
    assert compared > 1000


def test_kinds():
    kinds = kinds_of(np.array([26, 26, 8, 26], dtype=np.uint8), [2, 3, -2, 2], IONIC)
    assert kinds.of_atom[0] == kinds.of_atom[3] != kinds.of_atom[1]
    assert kinds.allowed.sum() == 4
    iron, oxygen = kinds.of_atom[0], kinds.of_atom[2]
    assert kinds.chemical[iron, oxygen] == pytest.approx(1 + 3 * np.sqrt((3.44 - 1.83) / 3.3))
    assert kinds.diameter[iron, oxygen] == pytest.approx(radius(26, 2) + radius(8, -2))
