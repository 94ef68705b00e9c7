"""Bond angles: the authors' lists and histograms, and pymatgen's neighbours."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import warnings
from pathlib import Path

import numpy as np
import pandas
import pytest
from ase.build import bulk
from pymatgen.analysis.local_env import CrystalNN

from aiida_dismai.engine.descriptors.angles import (
    angle_histogram,
    bin_centres,
    bond_angles,
    histogram_of,
    mean_and_sigma,
    structure_angles,
)
from aiida_dismai.engine.errors import NotAnalysed
from aiida_dismai.engine.structures import StructureSet, from_ase, load_structures, to_pymatgen

DATA = Path(__file__).parents[2] / "data" / "reference" / "a_Si"
INPUTS = {"train": "train", "gen": "gen_relaxed"}


def published_angles(kind: str) -> list[np.ndarray]:
    with gzip.open(DATA / "bond_angle" / kind / "bond_angles.csv.gz", "rt") as handle:
        csv.field_size_limit(10**8)
        return [np.array(json.loads(text)) for _, text in list(csv.reader(handle))[1:]]


def published_histograms(kind: str) -> np.ndarray:
    with (DATA / "bond_angle" / kind / "bond_angle_distribution.csv").open() as handle:
        rows = list(csv.reader(handle))
    np.testing.assert_allclose(np.array(rows[0][1:], dtype=float), bin_centres(), rtol=0, atol=1e-12)
    return np.array(rows[1:], dtype=float)[:, 1:]


def ragged(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    start = np.cumsum([0, *map(len, rows)])
    return start, np.concatenate([np.reshape(row, (-1, 3)) for row in rows]).astype(float)


@pytest.fixture
def copper_cells() -> StructureSet:
    """Two cells of 32 atoms, one hardly and one strongly displaced from fcc."""
    frames = [bulk("Cu", cubic=True).repeat(2) for _ in range(2)]
    for seed, (frame, sigma) in enumerate(zip(frames, (0.02, 0.3), strict=True)):
        frame.rattle(sigma, seed=seed)
    return from_ase(frames)


@pytest.mark.parametrize("kind", INPUTS)
def test_histograms_of_the_authors_angles(kind):
    expected = published_histograms(kind)
    for angles, histogram in zip(published_angles(kind), expected, strict=True):
        np.testing.assert_array_equal(histogram_of(angles), histogram)


@pytest.mark.parametrize("kind", INPUTS)
def test_every_angle_of_every_structure_as_the_authors(kind):
    structures = load_structures(DATA / "inputs" / f"{INPUTS[kind]}.extxyz.gz")
    histograms = published_histograms(kind)
    for i, expected in enumerate(published_angles(kind)):
        bonds = structure_angles(structures[i])
        assert len(bonds.start) == 257
        found = bond_angles(*bonds)
        # Neighbours of equal weight may come in any order.
        np.testing.assert_allclose(np.sort(found), np.sort(expected), rtol=0, atol=1e-6)
        np.testing.assert_array_equal(angle_histogram(*bonds), histograms[i])
        mean, sigma = mean_and_sigma(found)
        assert mean == pytest.approx(pandas.Series(expected).mean(), abs=1e-9)
        assert sigma == pytest.approx(pandas.Series(expected).std(ddof=0), abs=1e-9)


def test_bonds_are_those_of_pymatgen_beside_it(copper_cells):
    finder = CrystalNN(distance_cutoffs=None, x_diff_weight=0, porous_adjustment=False)
    for i in range(len(copper_cells)):
        crystal = to_pymatgen(copper_cells[i])[0]
        bonds = structure_angles(copper_cells[i])
        for k, site in enumerate(crystal):
            expected = np.array([entry["site"].coords - site.coords for entry in finder.get_nn_info(crystal, k)])
            own = bonds.vectors[bonds.start[k] : bonds.start[k + 1]]
            assert sorted(own.round(6).tolist()) == sorted(expected.round(6).tolist())


def test_order_of_the_angles_and_sites_without_any():
    square = np.array([[1, 0, 0], [0, 2, 0], [-3, 0, 0]])
    start, vectors = ragged([square, np.zeros((0, 3)), np.array([[0, 0, 1]]), np.array([[1, 0, 0], [1, 1, 0]])])
    np.testing.assert_allclose(bond_angles(start, vectors), [90, 180, 90, 45], atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_against_one_line_of_numpy(seed):
    random = np.random.default_rng(seed)
    rows = [random.normal(size=(n, 3)) for n in random.integers(0, 9, 40)]
    expected = [
        np.degrees(np.arccos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1)))
        for row in rows
        for u, v in itertools.combinations(row, 2)
    ]
    start, vectors = ragged(rows)
    found = bond_angles(start, vectors)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    for width in (0.5, 3.0, 180.0):
        edges = np.arange(0, 180 + width, width)
        shares = pandas.cut(pandas.Series(found), edges, include_lowest=True).value_counts(normalize=True, sort=False)
        np.testing.assert_array_equal(angle_histogram(start, vectors, width), shares.to_numpy())


def test_angles_on_edges_belong_to_the_bin_below_whatever_their_last_digit():
    fcc = np.array([v for v in itertools.product((-1, 0, 1), repeat=3) if np.abs(v).sum() == 2], dtype=float)
    turn = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    for vectors in (fcc, fcc * 3.6, fcc @ turn):
        shares = angle_histogram(np.array([0, 12]), vectors)
        expected = np.zeros(360)
        for angle, pairs in ((60, 24), (90, 12), (120, 24), (180, 6)):
            expected[2 * angle - 1] = pairs / 66
        np.testing.assert_allclose(shares, expected, atol=1e-12)
    np.testing.assert_array_equal(np.flatnonzero(histogram_of(np.array([0.0, 0.5, 0.5 + 1e-6]))), [0, 1])


def test_neighbours_in_one_direction_make_angle_zero():
    vectors = np.array([[1.1, 2.3, 0.7], [2.2, 4.6, 1.4], [3.3, 6.9, 2.1]])
    np.testing.assert_allclose(bond_angles(np.array([0, 3]), vectors), 0, atol=1e-5)


def test_structures_without_angles():
    start, vectors = ragged([np.array([[1.0, 0, 0]]), np.zeros((0, 3))])
    assert bond_angles(start, vectors).shape == (0,)
    with pytest.raises(NotAnalysed, match="no site has two neighbours"):
        angle_histogram(start, vectors)
    with pytest.raises(NotAnalysed, match="no site has two neighbours"):
        mean_and_sigma(np.array([]))


def test_structures_in_which_crystalnn_fails(copper_cells):
    positions = copper_cells[0].positions.copy()
    positions[5] = positions[9]
    with pytest.raises(NotAnalysed, match="no bond angles: site 5: another atom"):
        structure_angles(copper_cells[0].with_positions(positions))
    positions[5] = np.nan
    with pytest.raises(NotAnalysed, match="NaN or absurd"):
        structure_angles(copper_cells[0].with_positions(positions))
    lonely = StructureSet.from_uniform([14], np.zeros((1, 1, 3)), np.eye(3) * 30.0, pbc=False)
    with pytest.raises(NotAnalysed, match="no bond angle"):
        structure_angles(lonely)


@pytest.mark.parametrize("bad", [[0.0, 0, 0], [np.nan, 0, 0], [np.inf, 0, 0]])
def test_neighbours_without_a_direction(bad):
    vectors = np.array([[1.0, 0, 0], [0, 1, 0], [1.0, 0, 0], bad])
    with pytest.raises(NotAnalysed, match="site 1 has a neighbour in no direction"):
        bond_angles(np.array([0, 2, 4]), vectors)


def test_bad_widths_and_angles():
    with pytest.raises(ValueError, match="do not divide"):
        histogram_of(np.array([90.0]), 0.7)
    with pytest.raises(ValueError, match="between 0° and 180°"):
        histogram_of(np.array([90.0, np.nan]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert histogram_of(np.array([0.0, 180.0]), 180.0).tolist() == [1.0]
