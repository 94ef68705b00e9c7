"""Distances, intervals and motifs against the authors' csv files, and small cases worked out by hand."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from support.interface_reference import COMPOSITION, DATA, as_collected, read_fingerprints

from aiida_dismai.engine.descriptors.fingerprints import MAX_CN, feature_labels, motif_labels
from aiida_dismai.engine.descriptors.motifs import label_of, most_likely
from aiida_dismai.engine.families.distances import cosine
from aiida_dismai.engine.families.interface.metrics import InterfaceMetrics
from aiida_dismai.engine.metrics import bootstrap
from aiida_dismai.engine.metrics.bootstrap import Draws, pivotal_interval, share_interval
from aiida_dismai.engine.metrics.compare import Comparison
from aiida_dismai.engine.metrics.motifs import MotifTable
from aiida_dismai.engine.metrics.parameters import MetricsParameters
from aiida_dismai.engine.metrics.records import StoredRecords
from aiida_dismai.engine.metrics.statistics import average, weighted


def compare(kind, reference, generated, **parameters) -> dict:
    comparison = Comparison(kind, MetricsParameters(**parameters), reference, generated)
    return comparison.metrics() | {"motifs": comparison.motifs()}


@pytest.fixture(scope="module")
def results(kind, generated, reference):
    return compare(kind, reference, generated)


def assert_interval(found, value, lower_error, upper_error, tolerance):
    assert found["value"] == pytest.approx(value, abs=tolerance)
    assert found["value"] - found["lower"] == pytest.approx(lower_error, abs=tolerance)
    assert found["upper"] - found["value"] == pytest.approx(upper_error, abs=tolerance)


def test_distances_and_intervals_as_the_authors(results):
    with (DATA / "motif" / "gen" / "int_motif_metrics.csv").open() as handle:
        rows = [row for row in csv.reader(handle) if "distance" in row[0]]
    assert len(rows) == 8
    for metric, *numbers in rows:
        kind, _, cation = metric.split()
        name = {"Euclidean": "d", "Cosine": "cos"}[kind] + "_" + cation
        assert_interval(results[name], *map(float, numbers), tolerance=1e-12)


@pytest.mark.parametrize("cation", ["Li", "Co", "Sc"])
def test_motif_shares_as_the_authors(results, cation):
    with (DATA / "motif" / "gen" / f"most_likely_{cation}_OP.csv").open() as handle:
        expected = {row[""]: row for row in csv.DictReader(handle)}
    found = {entry["label"]: entry for entry in results["motifs"][cation]}
    assert set(found) == set(expected)
    for label, row in expected.items():
        entry = found[label]
        assert entry["training_percent"] == pytest.approx(float(row["Train set (%)"]), abs=1e-9)
        numbers = [float(row[f"Gen set{kind} (%)"]) for kind in ("", " lower error", " upper error")]
        assert_interval(entry["generated_percent"], *numbers, tolerance=1e-9)
        split = {part["neighbours"]: part for part in entry["by_anion"]["Cl"]}
        for count in range(entry["cn"] + 1):
            trained = float(row[f"Train set {count} Cl (%)"])
            numbers = [float(row[f"Gen set {count} Cl{kind} (%)"]) for kind in ("", " lower error", " upper error")]
            if count in split:
                assert split[count]["training_percent"] == pytest.approx(trained, abs=1e-9)
                assert_interval(split[count]["generated_percent"], *numbers, tolerance=1e-9)
            else:  # left out: in neither set
                assert trained == 0
                assert numbers == [0, 0, 0]


@pytest.mark.parametrize("kind", ["train", "gen"])
@pytest.mark.parametrize("cation", ["Li", "Co", "Sc"])
def test_most_likely_motif_of_every_site_as_the_authors(kind, cation):
    fingerprints, expected = read_fingerprints(kind, cation)
    codes = most_likely(fingerprints.reshape(-1, 109), 2)
    found = [[label_of(column), chlorine, oxygen] for column, chlorine, oxygen in codes.tolist()]
    assert found == [[label, int(chlorine), int(oxygen)] for _, _, chlorine, oxygen, label, _ in expected]


def test_motifs_go_by_anion_counts_that_add_up(results):
    for entries in results["motifs"].values():
        shares = [entry["training_percent"] for entry in entries]
        assert shares == sorted(shares, reverse=True)
        for entry in entries:
            for split in entry["by_anion"].values():
                assert sum(part["training_percent"] for part in split) == pytest.approx(entry["training_percent"])
                value = sum(part["generated_percent"]["value"] for part in split)
                assert value == pytest.approx(entry["generated_percent"]["value"])


def test_motif_threshold_and_large_coordination_numbers():
    labels = motif_labels()
    fingerprints = np.zeros((100, 61 + MAX_CN))
    fingerprints[:, labels.index("wt CN_10")] = 0.6
    fingerprints[:, labels.index("q4 CN_10")] = 0.5
    fingerprints[:, labels.index("wt CN_1")] = 0.4  # 'CN_1' is a part of 'CN_10'
    fingerprints[:, labels.index("sgl_bd CN_1")] = 0.4
    fingerprints[0, labels.index("wt CN_14")] = 0.9  # has no order parameter
    fingerprints[1, labels.index("wt CN_1")] = 0.9
    fingerprints[:, 61 + 9] = 0.7
    codes = most_likely(fingerprints, 1)
    assert [label_of(code) for code in codes[:3, 0]] == ["CN_14", "sgl_bd CN_1", "q4 CN_10"]
    assert codes[2, 1] == 7
    # the authors' search by a part of the name finds the weight of CN 10 for a site of CN 1
    assert [label_of(code) for code in most_likely(fingerprints, 1, compat=True)[:3, 0]] == [
        "CN_14",
        "CN_10",
        "q4 CN_10",
    ]
    table = MotifTable(codes[None], ("Cl",), 0.01)
    assert [label_of(motif) for motif in table.motifs] == ["q4 CN_10", "sgl_bd CN_1", "CN_14"]
    found = table.results(table.training, np.tile(table.training, (3, 1)), 0.95)
    assert [entry["training_percent"] for entry in found] == [98, 1, 1]
    assert [entry["generated_percent"]["value"] for entry in found] == [98, 1, 1]
    assert found[0]["by_anion"]["Cl"][0]["neighbours"] == 7
    assert [label_of(motif) for motif in MotifTable(codes[None], ("Cl",), 0.011).motifs] == ["q4 CN_10"]


def test_nothing_analysed(kind, reference):
    nothing = as_collected(StoredRecords(np.zeros(0, kind.dtype(COMPOSITION))))
    results = compare(kind, reference, nothing)
    missing = {"value": None, "lower": None, "upper": None}
    assert all(results[name] == missing for name in results if name != "motifs")
    octahedral = results["motifs"]["Sc"][0]
    assert octahedral["label"] == "octahedral CN_6"
    assert octahedral["generated_percent"] == missing
    comparison = Comparison(kind, MetricsParameters(), reference, nothing)
    assert comparison.per_structure()["d_all"].shape == (0,)


def test_one_structure_alone_has_no_width(kind, generated, reference):
    one = as_collected(StoredRecords(generated.records.array[:1]))
    comparison = Comparison(kind, MetricsParameters(resamples=50), reference, one)
    found = comparison.metrics()["d_all"]
    assert found["lower"] == found["value"] == found["upper"]
    assert found["value"] == pytest.approx(comparison.per_structure()["d_all"][0])


def test_the_training_set_itself_is_at_distance_zero(kind, reference):
    results = compare(kind, reference, as_collected(reference.records), resamples=100)
    assert results["d_all"]["value"] == pytest.approx(0, abs=1e-15)
    assert results["cos_all"]["value"] == pytest.approx(0, abs=1e-15)


def test_average_over_all_cations_is_over_all_sites():
    kind = InterfaceMetrics(
        MetricsParameters(
            interface={"oxidation_states": {"Li": 1, "Sc": 3, "O": -2}, "cations": ["Li", "Sc"], "anions": ["O"]}
        )
    )
    records = np.zeros(1, kind.dtype({"Li": 3, "Sc": 1, "O": 3}))
    records["means"][0, 0, :2] = [1.0, 0]
    records["means"][0, 1, :2] = [6, 8]
    assert kind.vectors(records, {"Li": 3, "Sc": 1, "O": 3})["all"][0, :2].tolist() == [2.25, 2.0]


def test_blocks_of_records_and_groups_of_draws_change_nothing(monkeypatch):
    array = np.zeros(700, [("v", "<f8", (4,))])
    array["v"] = np.random.default_rng(0).normal(size=(700, 4))
    records = StoredRecords(array)

    def vectors(block):
        return {"v": block["v"]}

    at_once = weighted(records, vectors, Draws(700, 30, 7))["v"]
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 3500)
    assert len(list(Draws(700, 30, 7).groups())) == 6
    assert np.allclose(weighted(records, vectors, Draws(700, 30, 7))["v"], at_once, rtol=0, atol=1e-14)
    generator = np.random.default_rng(7)
    expected = array["v"][generator.choice(700, size=700)].mean(axis=0)
    assert np.allclose(at_once[0], expected, rtol=0, atol=1e-14)
    assert np.allclose(average(records, vectors)["v"], array["v"].mean(axis=0), rtol=0, atol=1e-14)


def test_cosine_of_a_zero_vector_is_undefined():
    assert np.isnan(cosine(np.zeros(3), np.ones(3)))
    assert cosine(np.array([1.0, 0]), np.array([0, 2.0])) == 1


def test_resamples_are_the_draws_of_choice():
    ((which, weights),) = Draws(6, 4, 7).groups()
    assert which == slice(0, 4)
    generator = np.random.default_rng(7)
    values = np.array([1.0, 2, 4, 8, 16, 32])
    for row in weights:
        assert row @ values == pytest.approx(generator.choice(values, size=6).mean())


def test_pivotal_interval_by_hand():
    resampled = np.linspace(0, 1, 101)  # percentiles 2.5 and 97.5 are 0.025 and 0.975
    found = pivotal_interval(0.4, resampled, 0.95)
    assert found["lower"] == pytest.approx(0.8 - 0.975)
    assert found["upper"] == pytest.approx(0.8 - 0.025)
    assert pivotal_interval(0.4, np.array([0.1, np.nan]), 0.95) == {"value": 0.4, "lower": None, "upper": None}
    assert pivotal_interval(np.nan, resampled, 0.95) == {"value": None, "lower": None, "upper": None}


def test_wilson_interval():
    """Newcombe, Stat. Med. 17, 857 (1998), table I: 0 of 20 and 15 of 148."""
    assert share_interval(0, 20, 0.95) == {
        "value": 0,
        "lower": pytest.approx(0, abs=5e-3),
        "upper": pytest.approx(16.11, abs=5e-3),
    }
    found = share_interval(15, 148, 0.95)
    assert (found["lower"], found["upper"]) == (pytest.approx(6.24, abs=5e-3), pytest.approx(16.05, abs=5e-3))


def test_labels(kind):
    labels = feature_labels(kind.chemistry)
    assert len(labels) == len(set(labels)) == 109
    assert labels[60:63] == ["wt CN_24", "Cl share CN_1", "O share CN_1"]
