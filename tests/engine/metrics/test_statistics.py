"""Distances, intervals and motifs against the authors' csv files, and small cases worked out by hand."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from interface_reference import COMPOSITION, DATA, read_fingerprints

from aiida_dismai.engine.metrics.bootstrap import pivotal_interval, resample_weights, share_interval
from aiida_dismai.engine.metrics.fingerprints import MAX_CN, feature_labels, motif_labels
from aiida_dismai.engine.metrics.interface import cosine, interface_metrics, per_structure, with_all
from aiida_dismai.engine.metrics.motifs import compare_motifs, label_of, most_likely
from aiida_dismai.engine.metrics.summaries import Summaries, Summary


@pytest.fixture(scope="module")
def generated(chemistry, gen_summaries):
    return Summaries.stack(gen_summaries, chemistry, COMPOSITION, 109)


@pytest.fixture(scope="module")
def results(generated, reference):
    return interface_metrics(generated, reference, resample_weights(5, 1000, 7), 0.95, 0.01)


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
    weights = resample_weights(1, 10, 0)
    found = compare_motifs(codes[None], codes[None], weights, ("Cl",), 0.01, 0.95)
    assert [entry["label"] for entry in found] == ["q4 CN_10", "sgl_bd CN_1", "CN_14"]
    assert [entry["training_percent"] for entry in found] == [98, 1, 1]
    assert [e["label"] for e in compare_motifs(codes[None], codes[None], weights, ("Cl",), 0.011, 0.95)] == ["q4 CN_10"]


def test_nothing_analysed(chemistry, reference):
    nothing = Summaries.stack(["a reason"] * 2, chemistry, COMPOSITION, 109)
    assert nothing.failures == [(0, "a reason"), (1, "a reason")]
    results = interface_metrics(nothing, reference, resample_weights(0, 1000, 7), 0.95, 0.01)
    missing = {"value": None, "lower": None, "upper": None}
    assert all(results[name] == missing for name in results if name != "motifs")
    octahedral = results["motifs"]["Sc"][0]
    assert octahedral["label"] == "octahedral CN_6"
    assert octahedral["generated_percent"] == missing
    assert per_structure(nothing, reference)["d"].shape == (0, 4)


def test_one_structure_alone_has_no_width(chemistry, gen_summaries, reference):
    one = Summaries.stack(gen_summaries[:1], chemistry, COMPOSITION, 109)
    found = interface_metrics(one, reference, resample_weights(1, 50, 7), 0.95, 0.01)["d_all"]
    assert found["lower"] == found["value"] == found["upper"]
    assert found["value"] == pytest.approx(per_structure(one, reference)["d"][0, 3])


def test_the_training_set_itself_is_at_distance_zero(reference):
    results = interface_metrics(reference.summaries, reference, resample_weights(5, 100, 7), 0.95, 0.01)
    assert results["d_all"]["value"] == 0
    assert results["cos_all"]["value"] == pytest.approx(0, abs=1e-15)


def test_average_over_all_cations_is_over_all_sites():
    means = np.array([[1.0, 0], [0, 3], [6, 6]])
    assert with_all(means, [3, 2, 1])[-1].tolist() == [1.5, 2.0]


def test_cosine_of_a_zero_vector_is_undefined():
    assert np.isnan(cosine(np.zeros(3), np.ones(3)))
    assert cosine(np.array([1.0, 0]), np.array([0, 2.0])) == 1


def test_resamples_are_the_draws_of_choice():
    weights = resample_weights(6, 4, 7)
    generator = np.random.default_rng(7)
    values = np.array([1.0, 2, 4, 8, 16, 32])
    for row in weights:
        assert row @ values == pytest.approx(generator.choice(values, size=6).mean())


def test_pivotal_interval_by_hand():
    resampled = np.linspace(0, 1, 101)  # percentiles 2.5 and 97.5 are 0.025 and 0.975
    found = pivotal_interval(0.4, resampled, 0.95)
    assert found["lower"] == pytest.approx(0.8 - 0.975)
    assert found["upper"] == pytest.approx(0.8 - 0.025)


def test_wilson_interval():
    """Newcombe, Stat. Med. 17, 857 (1998), table I: 0 of 20 and 15 of 148."""
    assert share_interval(0, 20, 0.95) == {
        "value": 0,
        "lower": pytest.approx(0, abs=5e-3),
        "upper": pytest.approx(16.11, abs=5e-3),
    }
    found = share_interval(15, 148, 0.95)
    assert (found["lower"], found["upper"]) == (pytest.approx(6.24, abs=5e-3), pytest.approx(16.05, abs=5e-3))


def test_summary_survives_json(gen_summaries):
    import json

    back = Summary.from_plain(json.loads(json.dumps(gen_summaries[0].plain())))
    assert np.array_equal(back.means, gen_summaries[0].means)
    assert all(np.array_equal(back.motifs[key], codes) for key, codes in gen_summaries[0].motifs.items())


def test_labels(chemistry):
    labels = feature_labels(chemistry)
    assert len(labels) == len(set(labels)) == 109
    assert labels[60:63] == ["wt CN_24", "Cl share CN_1", "O share CN_1"]
