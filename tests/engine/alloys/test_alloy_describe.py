"""What the metrics get of each alloy, and that with it (and with the authors' tables) they come out as theirs."""

from __future__ import annotations

import numpy as np
import pytest
from support.alloy_reference import TABLES, read_inputs, read_metrics, read_table

from aiida_dismai.engine.alloys.describe import cluster_labels, describe, sro_labels
from aiida_dismai.engine.alloys.lattice import LatticeError
from aiida_dismai.engine.alloys.parameters import AlloyLatticeParameters
from aiida_dismai.engine.metrics.bootstrap import Draws, pivotal_interval
from aiida_dismai.engine.structures import StructureSet

SHAPES = {"cluster": (45,), "sro": (7, 6), "formation_energy": (), "vacancies": (), "removed": (), "alignment": ()}
DISTANCE, VACANCIES = "Cluster probability Euclidean distance", "Accepted structures with vacancies (%)"


def assert_theirs(found, expected, tolerance):
    value, lower, upper = expected
    assert found["value"] == pytest.approx(value, abs=tolerance)
    assert found["value"] - found["lower"] == pytest.approx(lower, abs=tolerance)
    assert found["upper"] - found["value"] == pytest.approx(upper, abs=tolerance)


def metrics(clusters, vacancies, train):
    """Return both metrics with their intervals, as the metrics package takes them."""
    weights = np.concatenate([group for _, group in Draws(len(clusters), 1000, 7).groups()])
    average = read_table(f"train_{train}", "cluster_prob")[1].mean(axis=0)
    resampled = np.linalg.norm(weights @ clusters - average, axis=1)
    distance = pivotal_interval(float(np.linalg.norm(clusters.mean(axis=0) - average)), resampled, 0.95)
    empty = 100.0 * (np.asarray(vacancies) > 0)
    return distance, pivotal_interval(float(empty.mean()), weights @ empty, 0.95)


@pytest.mark.parametrize("train", ["300K", "1500K"])
@pytest.mark.parametrize("name", ["cryingan_i", "diffcsp_ii", "cdvae_iii", "cdvae_iv"])
def test_metrics_of_their_tables(name, train):
    clusters = read_table(name, "cluster_prob")[1]
    found = metrics(clusters, read_table(name, "vac_count")[1][:, 0], train)
    expected = read_metrics(name, train)
    assert_theirs(found[0], expected[DISTANCE], 1e-12)
    assert_theirs(found[1], expected[VACANCIES], 1e-9)


@pytest.mark.parametrize("train", ["300K", "1500K"])
@pytest.mark.parametrize("name", ["cryingan_i", "diffcsp_ii"])
def test_metrics_of_our_descriptions(name, train):
    """From the raw structures on; with ``compat`` the authors' interval to every digit."""
    inputs, align = TABLES[name]
    parameters = AlloyLatticeParameters(align=align)
    described = [describe(structure, parameters, compat=True) for structure in read_inputs(inputs)]
    found = metrics(np.array([d["cluster"] for d in described]), [d["vacancies"] for d in described], train)
    expected = read_metrics(name, train)
    assert_theirs(found[0], expected[DISTANCE], 1e-12)
    assert_theirs(found[1], expected[VACANCIES], 1e-9)


def test_shapes_and_labels():
    parameters = AlloyLatticeParameters()
    for name in ("gen_i", "gen_iv"):
        for structure in read_inputs(name)[:5]:
            described = describe(structure, parameters)
            assert {key: value.shape for key, value in described.items()} == SHAPES
            assert all(value.dtype == np.float64 and np.isfinite(value).all() for value in described.values())
    assert len(cluster_labels(parameters)) == 45
    shells, pairs = sro_labels(parameters)
    assert (shells[0], len(shells), pairs[1], len(pairs)) == ("1NN", 7, "Cr-Fe", 6)


def test_numbers_of_one_structure():
    described = describe(read_inputs("gen_ii")[1], AlloyLatticeParameters())
    assert (described["vacancies"], described["removed"], described["alignment"]) == (4, 4, 1)
    assert described["cluster"][:3].sum() == pytest.approx(1)
    # four missing atoms leave about 1 - 4/256 of the bonds per atom
    np.testing.assert_allclose(described["cluster"][3:].reshape(7, 6).sum(axis=1), 1 - 4 / 252, atol=0.003)


def test_other_expansion():
    expansion = {
        "lattice": {"type": "bcc", "a": 2.87},
        "species": ["Fe"],
        "constant": 1.0,
        "sites": {"Fe": 0.5},
        "shells": [{"radius": 2.4855, "bonds": 4, "pairs": {"Fe-Fe": -0.25}}],
    }
    half = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    positions = 2.87 * (np.indices((4, 4, 4)).reshape(3, -1).T[:, None] + half[None]).reshape(1, -1, 3) + 0.4
    structure = StructureSet.from_uniform([26] * 128, positions, 4 * 2.87 * np.eye(3))
    described = describe(structure, AlloyLatticeParameters(expansion=expansion, margin=0.3))
    assert described["formation_energy"] == pytest.approx(1.0 + 0.5 - 1.0)
    np.testing.assert_allclose(described["cluster"], [1, 1])
    assert described["alignment"] == 1


def test_named_failures():
    parameters = AlloyLatticeParameters()
    structure = read_inputs("gen_i")[0]

    def failing(numbers=None, positions=None, pbc=True, message=""):
        odd = StructureSet.from_uniform(
            structure.numbers if numbers is None else numbers,
            (structure.positions if positions is None else positions)[None],
            structure.cells[0],
            pbc,
        )
        with pytest.raises(LatticeError, match=message):
            describe(odd, parameters)

    copper = structure.numbers.copy()
    copper[17] = 29
    failing(numbers=copper, message=r"Cu \(atom 17\) is not in the cluster expansion")
    failing(pbc=[True, True, False], message="not periodic")
    failing(positions=np.full((256, 3), np.nan), message="NaN")
    failing(numbers=[], positions=np.zeros((0, 3)), message="no atoms")
    with pytest.raises(LatticeError, match=r"^rejected: 60 atoms off the lattice"):
        describe(read_inputs("gen_iii")[5], parameters)
    with pytest.raises(ValueError, match="one structure, not 6"):
        describe(read_inputs("gen_i"), parameters)
