"""The two sentences at the top say what the numbers say."""

import pytest

from aiida_dismai.engine.metrics.aggregate import summarise
from aiida_dismai.report.content import Report
from aiida_dismai.report.family import find_report
from aiida_dismai.report.model import Model
from aiida_dismai.report.paper import read_paper
from aiida_dismai.report.verdict import in_floors, verdict

FINISHED = {"state": "finished", "exit_status": 0, "exit_message": None, "type": "X", "pk": 1, "label": ""}


def results(kind, name, value, floor, **more):
    ends = {"lower": 0.9 * value, "upper": 1.1 * value} if value is not None else {"lower": None, "upper": None}
    own = {name: {"value": floor, "lower": 0.8 * floor, "upper": 1.2 * floor}}
    given = {"n_generated": 10, "n_analysed": 10, "n_not_converged": 0, "n_not_analysed": 0, "n_reference": 50}
    entry = {name: {"value": value, "floor": floor, **ends}}
    return {"kind": kind, "noise_floor": {"metrics": own}} | entry | given | more


def report(*models, process=FINISHED, **training):
    found = Report(dict(process), paper=read_paper())
    found.models = [Model(f"model_{i}", metrics, dict(training)) for i, metrics in enumerate(models)]
    found.summary = summarise(list(models))
    found.family = find_report(models[0]["kind"])
    return found


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.018, "as close to the training data as a second sample of it (0.9 noise floors)"),
        (0.024, "as close to the training data as a second sample of it (1.2 noise floors)"),
        (0.025, "1.2 noise floors from the training data: near it, but not like a second sample of it"),
        (0.1, "5 noise floors from the training data: clearly different from it"),
        (0.5, "25 noise floors from the training data: far from it"),
    ],
)
def test_distances_in_noise_floors(value, said):
    assert in_floors(value, 0.02, 0.024) == said


def test_no_floor_no_number():
    assert in_floors(0.1, None) is None
    assert in_floors(0.1, 0.0) is None
    assert in_floors(None, 0.1) is None


def test_interfaces_of_a_model():
    first, second = verdict(report(results("interface", "d_all", 0.06, 0.02), model="cryingan"))
    assert first == (
        "The generated interfaces of cryingan are 3 noise floors from the training data: clearly different from it "
        "(fingerprint distance, all cations 0.06)."
    )
    assert second == "None of the 10 generated structures failed."


def test_several_models_say_their_range():
    first, _ = verdict(report(results("interface", "d_all", 0.05, 0.02), results("interface", "d_all", 0.07, 0.02)))
    assert "0.06, 0.05 to 0.07 over 2 models" in first


def test_shares_of_the_family_stand_beside_the_distance():
    share = {"value": 36.0, "lower": 30.0, "upper": 40.0, "floor": 0.0}
    first, _ = verdict(report(results("alloy", "d_cluster", 0.06, 0.02, vacancy_percent=share)))
    assert first.endswith("; 36 % with a vacancy (training data 0 %).")


def test_what_failed_and_why():
    metrics = results(
        "amorphous",
        "d_motif",
        0.4,
        0.02,
        n_generated=20,
        n_analysed=9,
        n_not_converged=5,
        n_not_analysed=4,
        not_analysed=[
            {"index": 3, "reason": "NaN coordinates"},
            {"index": 4, "reason": "no neighbours"},
            {"index": 5, "reason": "no neighbours"},
        ],
    )
    _, second = verdict(report(metrics))
    assert second.startswith("11 of 20 generated structures failed (55 %): 2 before the relaxation")
    assert "5 in the relaxation" in second
    assert "4 in the analysis (most often: no neighbours)" in second


def test_too_few_training_structures_give_no_number():
    first, _ = verdict(report(results("interface", "d_all", 0.06, 0.02, n_reference=2)))
    assert first == (
        "How far the generated interfaces are from the training data cannot be said with 2 training structures."
    )


def test_nothing_could_be_measured():
    first, second = verdict(report(results("interface", "d_all", None, 0.02, n_analysed=0, n_not_converged=10)))
    assert "none of them could be measured" in first
    assert second.startswith("10 of 10 generated structures failed (100 %)")


def test_a_family_that_is_not_installed():
    first, _ = verdict(report(results("glass", "d_x", 0.1, 0.02)))
    assert "not installed" in first


@pytest.mark.parametrize(
    ("process", "said"),
    [
        ({"state": "running", "exit_status": None}, "The process is running: what is here is what there is so far."),
        (
            {"state": "finished", "exit_status": 401, "exit_message": "no structure\x1b[31m is left."},
            "The process failed [401]: no structure",
        ),
        ({"state": "excepted", "exit_message": "KeyError: 'a'"}, "The process raised an exception: KeyError"),
    ],
)
def test_processes_that_have_not_come_to_their_end(process, said):
    empty = Report(FINISHED | process, paper=read_paper())
    assert verdict(empty)[-1].startswith(said)
    assert "\x1b" not in verdict(empty)[-1]


def test_nothing_yet():
    assert verdict(Report(dict(FINISHED), paper=read_paper())) == ["There is nothing to show yet."]
