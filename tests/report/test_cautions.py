"""What a reader must know beside a number: few training structures, an interval beside its value, the force limit."""

import pytest
from aiida import orm
from support import handmade
from support.printed import printed

from aiida_dismai.data import StructureSetData
from aiida_dismai.report import plots
from aiida_dismai.report.cautions import notes
from aiida_dismai.report.collect import collect
from aiida_dismai.report.export import to_dict
from aiida_dismai.report.html import page
from aiida_dismai.report.nodes import relaxed_until
from aiida_dismai.report.table import MARK, OUTSIDE, metric_rows

CRASH = "ZeroDivisionError: division by zero (their_model/model.py:41 in train)"


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def evaluation(**changes):
    """Return the report of an evaluation whose metrics differ so from those of the graph made by hand."""
    results = handmade.metrics(0.01, 0.0, 5).get_dict() | changes
    node = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "evaluate", "EvaluateWorkChain")
    handmade.finish(node, {"metrics": orm.Dict(results).store()})
    return collect(node)


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_training_structures_are_said_beside_the_metric(graph, n):
    report = evaluation(n_reference=n)
    row = metric_rows(report)[0]
    assert not row.within
    assert row.warning == f"{n} training structure{'s' if n > 1 else ''} only"
    assert f"Only {n} training structure" in " ".join(report.notes)
    for text in (printed(report), page(report)):
        assert row.warning in text
        assert MARK not in text.replace(f"{MARK} within", "")


def test_three_training_structures_may_be_compared_with(graph):
    report = evaluation(n_reference=3)
    assert metric_rows(report)[0].within
    assert not any("training structure" in note for note in report.notes)


def test_an_interval_that_does_not_hold_its_value_is_explained(graph):
    report = evaluation(d_all={"value": 0.01, "lower": 0.002, "upper": 0.009, "floor": 0.02})
    row = metric_rows(report)[0]
    assert (row.outside, row.spread) == (True, "(0.002, 0.009)")
    assert "(0.002, 0.009) *" in printed(report)
    assert "(0.002, 0.009) *" in page(report)
    assert OUTSIDE[:60] in printed(report)
    assert OUTSIDE in page(report)
    assert OUTSIDE not in page(evaluation())


def test_steps_are_until_the_force_of_the_relaxation(graph):
    given = orm.Dict({"fmax": 1.0})
    code = {"structures": graph.outputs["dataset"], "code": graph.code}
    parts = [StructureSetData(handmade.structures(2, seed)) for seed in (50, 51)]
    for part in parts:
        kind = handmade.CALCULATIONS + "relax"
        inputs = code | {"parameters": given}
        handmade.process(orm.CalcJobNode, kind, "RelaxCalculation", inputs, {"structures": part})
    joined = StructureSetData(handmade.structures(4, 52))
    inputs = {"part_0": parts[0], "part_1": parts[1]}
    handmade.process(orm.CalcFunctionNode, "", "concatenate_structures", inputs, {"structures": joined})
    assert relaxed_until(joined) == 1.0
    assert relaxed_until(graph.outputs["candidates"]) == 0.05  # the default of the task
    assert relaxed_until(StructureSetData(handmade.structures(1, 53)).store()) is None
    report = collect(graph.benchmark)
    assert plots.steps(report).layout.xaxis.title.text == "steps until 0.05 eV/Å"
    report.models[0].fmax = report.models[1].fmax = 1.0
    assert plots.steps(report).layout.xaxis.title.text == "steps until 1 eV/Å"
    report.models[1].fmax = None
    assert plots.steps(report).layout.xaxis.title.text == "steps until requested fmax"


def test_what_a_crashed_job_said_is_in_every_report(graph):
    top = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "benchmark", "BenchmarkWorkChain")
    trace = ["their_model/model.py:41 in train: return <b>1</b> / 0"]
    error = {"kind": "crashed", "message": CRASH, "where": "their_model/model.py:41 in train", "traceback": trace}
    job = handmade.process(
        orm.CalcJobNode,
        handmade.CALCULATIONS + "generator.train",
        "TrainGeneratorCalculation",
        {"structures": graph.outputs["train"], "code": graph.code},
        {"results": orm.Dict({"task": "generator.train", "status": "failed", "error": error})},
        top,
        "train_model_0",
        360,
        f"the engine crashed: {CRASH}",
    )
    gone_on = (orm.CalcJobNode, handmade.CALCULATIONS + "relax", "RelaxCalculation", {"code": graph.code}, None, top)
    handmade.process(*gone_on, "relax", 400, "stopped before the wall time")
    handmade.finish(top, {}, 571, f"not one of 1 models came through: model_0: train: {CRASH}")
    report = collect(top)
    assert CRASH in " ".join(report.notes)
    (failure,) = to_dict(report)["failures"]
    assert (failure["pk"], failure["stage"], failure["reason"]) == (job.pk, "train", CRASH)
    assert failure["traceback"] == trace
    assert "their_model/model.py:41 in train" in printed(report)
    html = page(report)
    assert "their_model/model.py:41 in train: return &lt;b&gt;1&lt;/b&gt; / 0" in html
    assert "What failed" in html


def test_what_a_process_raised_is_in_its_report(graph):
    node = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "benchmark", "BenchmarkWorkChain")
    node.set_process_state("excepted")
    node.set_exception("Traceback …\nKeyError: 'width'\n")
    report = collect(node)
    assert "The process raised an exception: KeyError: 'width'" in report.notes
    assert "KeyError: 'width'" in printed(report)


def test_labels_that_are_hardly_right_are_said_first(graph):
    """What the training of a potential says of its frames is a note of every report that shows the potential."""
    warning = "1 of 6 frames have energies off by up to 68.7 eV/atom (frame 2 most); check them, or leave them out"
    report = evaluation()
    report.potential = {"warnings": [warning, "text of\x1b[31m others"]}
    found = notes(report)
    assert f"Labels of the potential: {warning}." in found
    assert all(note.isprintable() for note in found)
