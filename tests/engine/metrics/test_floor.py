"""The noise floor of made-up sets whose scatter is known."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_dismai.engine.families.distances import Metric
from aiida_dismai.engine.metrics.floor import Divisions, noise_floor, scale
from aiida_dismai.engine.metrics.records import StoredRecords

LENGTH = 20
METRICS = {"d": Metric.euclidean("v"), "cos": Metric.cosine("v"), "share": Metric.percentage("v")}


def records(n: int, seed: int = 0) -> StoredRecords:
    array = np.zeros(n, [("v", "<f8", (LENGTH,))])
    array["v"] = np.random.default_rng(seed).normal(1.0, 0.3, (n, LENGTH))
    return StoredRecords(array)


def vectors(block):
    return {"v": block["v"]}


def floor(n_training: int, n: int, divisions: int = 300):
    return noise_floor(records(n_training), vectors, METRICS, n, divisions, 0.95)


def test_parts_share_no_structure_and_are_averages():
    for which, weights in Divisions(7, 3, 10).groups():
        assert weights.shape == (20, 7)
        assert which == slice(0, 20)
        assert np.allclose(weights.sum(axis=1), 1)
        assert np.array_equal(np.count_nonzero(weights, axis=1), np.tile([3, 4], 10))
        assert not (weights[::2] * weights[1::2]).any()


def test_groups_of_divisions_do_not_change_them(monkeypatch):
    at_once = np.concatenate([weights for _, weights in Divisions(50, 20, 9).groups()])
    monkeypatch.setattr("aiida_dismai.engine.metrics.floor.WEIGHTS_AT_ONCE", 200)
    pieces = list(Divisions(50, 20, 9).groups())
    assert len(pieces) == 5
    assert np.array_equal(np.concatenate([weights for _, weights in pieces]), at_once)


@pytest.mark.parametrize("n", [30, 100, 400, 2000])
def test_floor_is_what_independent_samples_show(n):
    """The mean distance of two fresh samples of n and 400 structures, for as many as were measured."""
    found = floor(400, n)
    assert found["structures"] == [min(n, 200), 400 - min(n, 200)]
    generator = np.random.default_rng(1)
    distances = {"d": [], "cos": []}
    for _ in range(300):
        means = [generator.normal(1.0, 0.3, (size, LENGTH)).mean(axis=0) for size in (n, 400)]
        for name, values in distances.items():
            values.append(float(METRICS[name].measure(*means)))
    for name, values in distances.items():
        entry = found["metrics"][name]
        # 300 draws of a distance in 20 dimensions: their mean is known to 1-2 %, the training set's own scatter to 4 %
        assert entry["value"] == pytest.approx(np.mean(values), rel=0.12)
        assert entry["lower"] < entry["value"] < entry["upper"]
        assert entry["lower"] == pytest.approx(np.percentile(values, 2.5), rel=0.3)


def test_halves_are_given_as_they_are_too():
    entry = floor(40, 40)
    own = entry["metrics"]["d"]
    assert entry["structures"] == [20, 20]
    assert own["value"] == pytest.approx(own["parts"] * np.sqrt((1 / 40 + 1 / 40) / (1 / 20 + 1 / 20)))
    assert scale(METRICS["cos"], (40, 40), (20, 20)) == pytest.approx(0.5)


def test_shares_have_no_floor_of_this_kind_and_single_structures_none():
    assert set(floor(10, 5)["metrics"]) == {"d", "cos"}
    assert floor(1, 5) == {"structures": None, "compared": [5, 1], "divisions": 0, "metrics": {}}
    assert floor(6, 0)["compared"] == [6, 6]
    assert floor(3, 100)["structures"] == [1, 2]


def test_a_vector_that_is_unknown_has_no_floor():
    array = records(5).array
    array["v"] = np.nan
    assert noise_floor(StoredRecords(array), vectors, METRICS, 5, 10, 0.95)["metrics"] == {}


def test_same_numbers_every_time():
    assert floor(50, 20) == floor(50, 20)
