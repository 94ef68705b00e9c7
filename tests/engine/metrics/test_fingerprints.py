"""CrystalNN fingerprints: the authors' numbers on real structures, matminer beside, and sites that have none."""

from __future__ import annotations

import csv
import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest
from support.interface_reference import read_fingerprints

from aiida_dismai.engine.crystalnn.options import CrystalNNOptions
from aiida_dismai.engine.descriptors.chemistry import Chemistry
from aiida_dismai.engine.descriptors.fingerprints import (
    MAX_CN,
    all_site_fingerprints,
    feature_labels,
    fingerprints,
    motif_labels,
    site_fingerprints,
)
from aiida_dismai.engine.descriptors.motifs import ISOLATED, label_of, most_likely
from aiida_dismai.engine.errors import NotAnalysed
from aiida_dismai.engine.structures import StructureSet, from_ase, load_structures, to_pymatgen

SILICON = Path(__file__).parents[2] / "data" / "reference" / "a_Si"
INTERFACE = Chemistry.build(
    {"Li": 1, "Sc": 3, "Co": 3, "Cl": -1, "O": -2}, cations=["Li", "Co", "Sc"], anions=["Cl", "O"]
)
SALT = Chemistry.build({"Li": 1, "Cl": -1}, ["Li"], ["Cl"])
DEFAULT = CrystalNNOptions()


def crystal(numbers, positions, cell, pbc=True) -> StructureSet:
    return StructureSet.from_uniform(numbers, np.asarray(positions, dtype=float)[None], np.asarray(cell, float), pbc)


def matminer(structure: StructureSet, sites, states=None, cation_anion=False, anions=()) -> np.ndarray:
    """Return what matminer makes of some sites, with the anions' shares as the authors count them."""
    from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

    beside = to_pymatgen(structure.without_properties())[0]
    if states is not None:
        beside.add_oxidation_state_by_element(states)
    featurizer = CrystalNNFingerprint.from_preset("ops", cation_anion=cation_anion)
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for site in sites:
            row = list(featurizer.featurize(beside, int(site)))
            shells = featurizer.cnn.get_nn_data(beside, int(site)).cn_nninfo
            for cn in range(1, MAX_CN + 1):
                near = [entry["site"].specie.symbol for entry in shells.get(cn, [])]
                row += [near.count(anion) / cn for anion in anions]
            rows.append(row)
    return np.array(rows, dtype=float)


@pytest.mark.parametrize("kind", ["train", "gen"])
def test_every_component_of_the_interfaces_as_the_authors(kind, train_structures, gen_structures):
    structures = train_structures if kind == "train" else gen_structures
    expected = {cation: read_fingerprints(kind, cation)[0] for cation in INTERFACE.cations}
    for i in range(5):
        found = site_fingerprints(structures[i], INTERFACE).fingerprints
        assert list(found) == list(INTERFACE.cations)
        for cation in INTERFACE.cations:
            assert found[cation].shape == expected[cation][i].shape
            assert np.abs(found[cation] - expected[cation][i]).max() < 1e-12


@pytest.mark.parametrize(("kind", "name"), [("train", "train"), ("gen", "gen_relaxed")])
def test_every_component_of_amorphous_silicon_as_the_authors(kind, name):
    structures = load_structures(SILICON / "inputs" / f"{name}.extxyz.gz")
    with gzip.open(SILICON / "motif" / kind / "cnn_stats_Si.csv.gz", "rt") as handle:
        header, *rows = list(csv.reader(handle))
    assert header[6:] == motif_labels()
    expected = np.array([row[6:] for row in rows], dtype=float).reshape(6, 256, 61)
    for i in range(6):
        found, ambiguous = all_site_fingerprints(structures[i])
        assert np.abs(found - expected[i]).max() < 1e-12
        assert ambiguous == 0


def test_labels_are_those_of_matminer():
    from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

    assert CrystalNNFingerprint.from_preset("ops").feature_labels() == motif_labels()


def lattice(name: str) -> StructureSet:
    from ase.build import bulk

    atoms = {
        "fcc": bulk("Ni", "fcc", 3.6, cubic=True) * (2, 2, 2),
        "bcc": bulk("Fe", "bcc", 2.87, cubic=True) * (2, 2, 2),
        "hcp": bulk("Mg", "hcp", 3.2, 3.2 * np.sqrt(8 / 3)),
        "diamond": bulk("Si", "diamond", 5.43, cubic=True),
    }[name]
    return crystal(atoms.numbers, atoms.positions, np.asarray(atoms.cell))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fcc", "cuboctahedral CN_12"),
        ("bcc", "body-centered cubic CN_8"),
        ("hcp", "q6 CN_12"),
        ("diamond", "tetrahedral CN_4"),
    ],
)
def test_perfect_lattices_as_matminer(name, expected):
    structure = lattice(name)
    found = fingerprints(structure, DEFAULT)
    assert not found.ambiguous.any()
    sites = [0, len(structure.positions) - 1]
    np.testing.assert_allclose(found.features[sites], matminer(structure, sites), rtol=0, atol=1e-7)
    named = dict(zip(motif_labels(), found.features[0].tolist(), strict=True))
    weight = named[f"wt {expected.split()[-1]}"]
    assert named[expected] == pytest.approx(0.48476 * weight if name == "hcp" else weight, rel=1e-4)


@pytest.mark.parametrize("noise", [0.05, 0.15, 0.25])
@pytest.mark.parametrize("name", ["fcc", "bcc", "diamond"])
def test_displaced_lattices_as_matminer(name, noise):
    structure = lattice(name)
    random = np.random.default_rng(4)
    structure = structure.with_positions(structure.positions + random.normal(0, noise, structure.positions.shape))
    found = fingerprints(structure, DEFAULT)
    np.testing.assert_allclose(found.features[:5], matminer(structure, range(5)), rtol=0, atol=1e-9)


def test_an_alloy_with_vacancies_as_matminer():
    structure = lattice("fcc")
    numbers = np.resize([24, 26, 28], 32)
    kept = np.delete(np.arange(32), [3, 17])
    random = np.random.default_rng(5)
    positions = structure.positions[kept] + random.normal(0, 0.08, (30, 3))
    alloy = crystal(numbers[kept], positions, structure.cells[0])
    np.testing.assert_allclose(
        fingerprints(alloy, DEFAULT).features[::4], matminer(alloy, range(0, 30, 4)), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("cation_anion", [True, False])
def test_a_perovskite_of_four_species_as_matminer(cation_anion):
    states = {"La": 3.0, "Fe": 2.667, "O": -2.0, "F": -1.0}
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    cell = np.array([[3.9, 0, 0], [0.3, 3.8, 0], [-0.2, 0.1, 4.1]])
    shifts = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    positions = (np.array(sites)[None] + shifts[:, None]).reshape(-1, 3) @ cell
    positions += np.random.default_rng(6).normal(0, 0.12, positions.shape)
    structure = crystal(np.tile([57, 26, 8, 8, 9], 8), positions, 2 * cell)
    options = CrystalNNOptions(cation_anion=cation_anion)
    found = fingerprints(structure, options, states, np.arange(0, 40, 3), ("F", "O"))
    assert found.features.shape == (14, 61 + 48)
    expected = matminer(structure, found.sites, states, cation_anion, ("F", "O"))
    np.testing.assert_allclose(found.features, expected, rtol=0, atol=1e-9)


def test_rock_salt_is_octahedral(rock_salt):
    labels = feature_labels(SALT)
    result = site_fingerprints(rock_salt[0], SALT)
    found = result.fingerprints["Li"]
    assert result.ambiguous_sites == 0
    assert found.shape == (4, 61 + 24)
    named = dict(zip(labels, found.mean(axis=0).tolist(), strict=True))
    assert named["wt CN_6"] == pytest.approx(1, abs=1e-12)
    assert named["octahedral CN_6"] == pytest.approx(1, abs=1e-12)
    assert named["Cl share CN_6"] == 1
    assert named["Cl share CN_5"] == 0


def test_equal_neighbours_whose_order_matters_are_ambiguous():
    # A site on a fourfold axis without mirror planes: its neighbours are equal by fours, and pymatgen's
    # body-centred cubic parameter depends on the order of equals.
    def ring(polar: float, turn: float) -> np.ndarray:
        angles = np.arange(4) * np.pi / 2 + turn
        around = np.column_stack([np.cos(angles), np.sin(angles)]) * np.sin(polar)
        return np.column_stack([around, np.full(4, np.cos(polar))])

    def site(turn: float) -> StructureSet:
        near = 2.5 * np.vstack([ring(1.03, 0.0), ring(2.2, turn)])
        return crystal([9] * 8 + [20], np.vstack([near, np.zeros(3)]) + 6, np.eye(3) * 12)

    twisted = fingerprints(site(0.35), DEFAULT, sites=np.array([8]))
    assert twisted.ambiguous.all()
    # With a mirror plane through the axis the order does not matter.
    assert not fingerprints(site(np.pi / 4), DEFAULT, sites=np.array([8])).ambiguous.any()


def test_an_angle_on_a_limit_is_ambiguous():
    # 135° decides whether a fourth neighbour counts as opposite; 10 Å apart there is no other neighbour.
    def site(angle: float) -> StructureSet:
        near = [[1, 0, 0], [np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0], [0, 0, 1], [0, 0.1, -1]]
        near = 1.7 * np.array(near) / np.linalg.norm(near, axis=1)[:, None]
        return crystal([8] * 4 + [14], np.vstack([near, np.zeros(3)]) + 5, np.eye(3) * 10)

    assert fingerprints(site(135.0), DEFAULT, sites=np.array([4])).ambiguous.all()
    assert not fingerprints(site(135.001), DEFAULT, sites=np.array([4])).ambiguous.any()


def isolated() -> StructureSet:
    from ase import Atoms

    return from_ase([Atoms("LiCl", [[0, 0, 0], [10, 10, 10]], cell=np.eye(3) * 20, pbc=True)])


def test_isolated_site_has_coordination_number_zero():
    found = site_fingerprints(isolated(), SALT).fingerprints["Li"]
    np.testing.assert_array_equal(found, np.zeros((1, 61 + 24)))
    assert most_likely(found, 1).tolist() == [[ISOLATED, 0]]
    assert label_of(ISOLATED) == "no neighbour"


def test_tiny_cells():
    for length in (2.3, 1.0):
        structure = crystal([14], [[0.1, 0.2, 0.3]], np.eye(3) * length)
        np.testing.assert_allclose(all_site_fingerprints(structure)[0], matminer(structure, [0]), rtol=0, atol=1e-7)
    with pytest.raises(NotAnalysed, match="a cell without volume"):
        all_site_fingerprints(crystal([14], [[0, 0, 0]], np.diag([5.0, 5.0, 0.01])))
    with pytest.raises(NotAnalysed, match=r"CrystalNN fails: about .+ atoms lie within 7 Å; the cell is far too small"):
        all_site_fingerprints(crystal([14], [[0, 0, 0]], np.eye(3) * 0.11))


def test_a_layer_that_is_not_periodic_upwards():
    flat = crystal([14, 14], [[0, 0, 0], [1, 1, 2.0]], np.eye(3) * 3.0, [True, True, False])
    with pytest.raises(NotAnalysed, match=r"site 0 \(Si\): CrystalNN fails: its Voronoi cell is open"):
        all_site_fingerprints(flat)


def test_site_without_possible_neighbours_has_no_fingerprint(rock_salt):
    only_cations = Chemistry.build({"Li": 1, "Cl": 1, "O": -2}, ["Li"], ["O"])
    with pytest.raises(NotAnalysed, match=r"site 0 \(Li\): CrystalNN fails: the structure has no atom of opposite"):
        site_fingerprints(rock_salt[0], only_cations)


def test_element_without_charge(rock_salt):
    with pytest.raises(NotAnalysed, match="CrystalNN fails: no oxidation state for Cl"):
        site_fingerprints(rock_salt[0], Chemistry.build({"Li": 1, "O": -2}, ["Li"], ["O"]))


def test_structure_without_the_cation(rock_salt):
    with_sodium = Chemistry.build({"Li": 1, "Na": 1, "Cl": -1}, ["Na"], ["Cl"])
    assert site_fingerprints(rock_salt[0], with_sodium).fingerprints["Na"].shape == (0, 85)


def test_hopeless_structures_are_refused_before_anything_is_computed(rock_salt):
    positions = rock_salt[0].positions.copy()
    positions[3] = positions[6] + rock_salt.cells[0, 1]
    with pytest.raises(NotAnalysed, match="atoms 3 and 6 coincide"):
        site_fingerprints(rock_salt[0].with_positions(positions), SALT)
    positions[2, 2] = np.nan
    with pytest.raises(NotAnalysed, match="NaN"):
        site_fingerprints(rock_salt[0].with_positions(positions), SALT)
