"""The table of a study from the summaries of benchmarks."""

import pytest

from aiida_dismai.engine.metrics.aggregate import merge, summarise
from aiida_dismai.engine.metrics.study import Result, tabulate

RANKED = {"alloy": ("d_cluster", "failed_percent")}


def metrics(distance, failed, floor=0.02):
    """Return results of the task ``metrics``; intervals of ± 0.01 and ± 1 %."""
    ends = {} if distance is None else {"lower": distance - 0.01, "upper": distance + 0.01}
    return {
        "d_cluster": {"value": distance, "floor": floor, **ends},
        "failed_percent": {"value": failed, "lower": failed - 1, "upper": failed + 1},
    }


def test_seeds_are_merged_as_if_all_models_were_of_one_benchmark():
    models = [metrics(0.1, 20), metrics(0.4, 30, floor=0.05), metrics(None, 100, floor=None)]
    assert merge([summarise(models[:2]), summarise(models[2:])]) == summarise(models)
    assert merge([summarise(models)]) == summarise(models)


def test_a_measure_that_one_seed_lacks():
    merged = merge([{"n_models": 2, "metrics": {}}, summarise([metrics(0.1, 20)])])
    assert merged["n_models"] == 3
    assert merged["metrics"]["d_cluster"]["per_model"] == [None, None, 0.1]
    assert merged["metrics"]["d_cluster"]["mean"] == 0.1
    assert merged["metrics"]["d_cluster"]["floor"] == 0.02


def result(model, *found, dataset="cold", **more):
    return Result(dataset, model, summarise(list(found)) if found else None, **more)


def test_rows_ranks_and_what_is_missing():
    results = [
        result("cdvae", metrics(0.10, 5), run="a"),
        result("cdvae", metrics(0.12, 7), run="b"),
        result("diffcsp", metrics(0.30, 5), run="c"),
        result("unimat", reason="mixes atoms", run="d"),
        result("random", metrics(0.9, 0), baseline=True, run="e"),
        result("cdvae", metrics(0.2, 0), dataset="hot", run="f"),
    ]
    table = tabulate(results, {"cold": "alloy", "hot": "alloy"}, RANKED)
    rows = {row["name"]: row for row in table["datasets"]["cold"]["rows"]}
    assert list(rows) == ["cdvae", "diffcsp", "unimat", "random"]
    assert rows["cdvae"]["n_models"] == 2
    assert rows["cdvae"]["runs"] == ["a", "b"]
    entry = rows["cdvae"]["metrics"]["d_cluster"]
    assert (entry["mean"], entry["min"], entry["max"]) == pytest.approx((0.11, 0.1, 0.12))
    assert (entry["lower"], entry["upper"]) == pytest.approx((0.09, 0.13))
    assert (rows["unimat"]["metrics"], rows["unimat"]["reason"]) == ({}, "mixes atoms")
    assert table["datasets"]["cold"]["ranks"] == {
        "measures": {"d_cluster": {"cdvae": 1, "diffcsp": 2}, "failed_percent": {"cdvae": 1, "diffcsp": 1}},
        "mean": {"cdvae": 1, "diffcsp": 1.5},
        "rank": {"cdvae": 1, "diffcsp": 2},
    }
    assert table["overall"]["rank"] == {"cdvae": 1, "diffcsp": 2}
    assert table["overall"]["missing"] == {"diffcsp": ["hot"]}


def test_values_of_a_hyper_parameter_are_rows_of_their_own():
    results = [result("cryingan", metrics(0.1 + value, 0), value=value) for value in (0, 0.05)]
    table = tabulate(results, {"cold": "alloy"}, RANKED)
    assert [(row["name"], row["value"]) for row in table["datasets"]["cold"]["rows"]] == [
        ("cryingan (0)", 0),
        ("cryingan (0.05)", 0.05),
    ]
    assert table["overall"]["rank"] == {"cryingan (0)": 1, "cryingan (0.05)": 2}


def test_a_study_of_which_nothing_came_through():
    table = tabulate([result("cdvae", reason="no"), result("cdvae", reason="never")], {"cold": "alloy"}, RANKED)
    assert table["datasets"]["cold"]["ranks"] is None
    assert table["datasets"]["cold"]["rows"][0]["reason"] == "no; never"
    assert table["overall"] is None
