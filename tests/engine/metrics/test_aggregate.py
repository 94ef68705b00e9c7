"""Mean, smallest and largest value over models, with what is missing."""

import pytest
from support.handnodes import measure

from aiida_dismai.engine.metrics.aggregate import summarise, values_of


def results(d_all, steps, floor=0.02, **more):
    """Return what the task gives for one model."""
    intervals = {"d_all": {"lower": 0.8 * floor, "upper": 1.2 * floor}}
    validation = {"metrics": {"d_all": {"value": 1.0, "at_measured": 2 * floor}}}
    return {
        "d_all": measure(d_all, floor),
        "mean_relaxation_steps": steps,
        "noise_floor": {"metrics": intervals, "validation": validation},
        "n_generated": 5,
    } | more


def test_over_three_models_of_which_one_has_no_distance():
    summary = summarise([results(0.1, 20), results(0.4, 30, floor=0.04), results(None, None)])
    assert summary["n_models"] == 3
    assert set(summary["metrics"]) == {"d_all", "mean_relaxation_steps"}
    found = summary["metrics"]["d_all"]
    assert (found["mean"], found["min"], found["max"], found["models"]) == (pytest.approx(0.25), 0.1, 0.4, 2)
    assert found["per_model"] == [0.1, 0.4, None]
    third = (0.02 + 0.04 + 0.02) / 3
    expected = {"floor": third, "floor_lower": 0.8 * third, "floor_upper": 1.2 * third, "validation": 2 * third}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    steps = summary["metrics"]["mean_relaxation_steps"]
    assert (steps["mean"], steps["floor"], steps["validation"]) == (25, None, None)


def test_of_one_model_without_noise_floor():
    found = summarise([{"d_all": {"value": 0.3, "lower": 0.2, "upper": 0.4}}])["metrics"]["d_all"]
    assert (found["mean"], found["min"], found["max"]) == (0.3, 0.3, 0.3)
    assert found["floor"] is found["floor_upper"] is found["validation"] is None


def test_what_is_no_measure_is_left_out():
    assert values_of(results(0.1, 20, mean_word="many", order={"training": 1})) == {
        "d_all": 0.1,
        "mean_relaxation_steps": 20,
    }
