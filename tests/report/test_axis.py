"""The report on a study that varies a hyper-parameter: measures and distributions against its values."""

import numpy as np
import pytest
from aiida import orm
from support.handmade import CALCULATIONS, WORKFLOWS
from support.handnodes import arrays, finish, measure, process, relaxed, results

from aiida_dismai.engine.metrics.aggregate import summarise
from aiida_dismai.engine.metrics.study import Result, tabulate
from aiida_dismai.report.axis import Varied, draw_axis, read_axis
from aiida_dismai.report.charts import chart_csv
from aiida_dismai.report.collect import collect
from aiida_dismai.report.html import figures_of, page

#: Value of λ → by trained model: distance, not converged of 50, close pairs, interface energies (J/m²).
FOUND = {
    0.0: [(0.3, 17, 12.0, [0.4, 0.5]), (0.4, 15, 10.0, [0.6, np.nan])],
    0.05: [(0.1, 5, 2.0, [-0.3, 0.1]), (0.2, 6, 1.0, [0.0, 0.2])],
}


@pytest.fixture
def study(aiida_profile_clean):
    axis = orm.Dict({"name": "lambda_distance", "values": list(FOUND)})
    node = process(orm.WorkChainNode, WORKFLOWS + "study", "StudyWorkChain", {"axis": axis})
    entries, summaries = [], {}
    for number, (value, models) in enumerate(FOUND.items()):
        run = f"lco_cryingan_v{number}_1"
        summaries[run] = benchmark(node, run, models)
        entries.append(Result("lco", "cryingan", summaries[run].get_dict(), value=value, run=run))
    other = orm.Dict(summarise([{"d_all": measure(0.5, 0.02)}])).store()
    entries.append(Result("lco", "random", other.get_dict(), baseline=True, run="lco_random_1"))
    table = tabulate(entries, {"lco": "interface"}, {"interface": ["d_all"]})
    finish(node, {f"summaries__{run}": one for run, one in summaries.items()} | {"table": orm.Dict(table).store()})
    return node


def benchmark(caller, run, models):
    node = process(orm.WorkChainNode, WORKFLOWS + "benchmark", "BenchmarkWorkChain", caller=caller, call=run)
    outputs, made = {}, {}
    for k, (distance, unconverged, close, energies) in enumerate(models):
        evaluation = process(
            orm.WorkChainNode, WORKFLOWS + "evaluate", "EvaluateWorkChain", caller=node, call=f"evaluate_model_{k}"
        )
        pushed = {"structures": relaxed(3, k, -4.8), "results": results("postprocess", mean_close_pairs=close)}
        process(orm.CalcJobNode, CALCULATIONS + "postprocess", "PostprocessCalculation", {}, pushed, evaluation)
        measured = {
            "results": results(
                "metrics", kind="interface", d_all=measure(distance, 0.02), n_generated=50, n_not_converged=unconverged
            ),
            "per_structure": arrays(property_interface_energy=np.array(energies)),
        }
        process(orm.CalcJobNode, CALCULATIONS + "metrics", "MetricsCalculation", {}, measured, evaluation)
        finish(evaluation, {"postprocessed": pushed["structures"], "metrics": measured["results"]})
        made[f"model_{k}"] = measured["results"]
        outputs |= {f"metrics__model_{k}": measured["results"], f"per_structure__model_{k}": measured["per_structure"]}
    summary = orm.Dict(summarise([one.get_dict() for one in made.values()]))
    kind = CALCULATIONS + "functions.statistics"
    process(orm.CalcFunctionNode, kind, "aggregate_metrics", made, {"result": summary}, node)
    finish(node, outputs | {"summary": summary})
    return summary


def test_what_each_value_gave(study):
    report = collect(study)
    assert report.axis == "lambda_distance"
    none, best = report.varied
    assert [one.value for one in report.varied] == list(FOUND)
    assert (none.dataset, none.model, none.measure) == ("lco", "cryingan", "fingerprint distance, all cations")
    assert (none.main, none.floor) == ([0.3, 0.4], 0.02)
    assert (none.not_converged, best.not_converged) == ([34.0, 30.0], [10.0, 12.0])
    assert (none.close_pairs, best.close_pairs) == ([12.0, 10.0], [2.0, 1.0])
    assert none.energy.name == "interface_energy"
    assert [one.tolist() for one in none.energies] == [[0.4, 0.5], [0.6]]


def test_charts_have_means_and_the_spread_over_the_models(study):
    distance, unconverged, close, energies = figures_of(collect(study))["Varied: lambda_distance"]
    assert distance.layout.title.text == "lco: fingerprint distance, all cations"
    assert list(distance.data[0].x) == [0.0, 0.05]
    assert list(distance.data[0].y) == pytest.approx([0.35, 0.15])
    assert list(distance.data[0].error_y.array) == pytest.approx([0.05, 0.05])
    assert distance.layout.shapes[0].y0 == 0.02  # the noise floor
    assert list(unconverged.data[0].y) == [32.0, 11.0]
    assert list(close.data[0].y) == [11.0, 1.5]
    assert energies.layout.xaxis.title.text == "interface energy, J/m²"
    bands = [trace for trace in energies.data if trace.fill == "toself"]
    lines = [trace for trace in energies.data if trace.fill is None]
    assert [line.name for line in lines] == ["lambda_distance 0.0 (2 models)", "lambda_distance 0.05 (2 models)"]
    for band, line in zip(bands, lines, strict=True):
        n = len(line.y)
        assert (np.array(band.y[:n]) >= line.y).all()
        assert (np.array(band.y[n:])[::-1] <= line.y).all()
    assert sum(lines[1].y) == pytest.approx(100.0)
    assert "lower" in chart_csv(energies).splitlines()[0]


def test_the_page_has_them(study):
    text = page(collect(study))
    assert "Varied: lambda_distance" in text
    assert "pairs of atoms too close, before the relaxation, a structure" in text


def test_names_are_on_an_axis_of_names_and_texts_of_others_are_escaped():
    varied = [Varied("set", "<b>own</b>", value, main=[0.1], measure="d") for value in ("wrapped", "a<br>b", None)]
    (figure,) = draw_axis(varied, "<i>mode</i>")
    assert figure.layout.xaxis.type == "category"
    assert list(figure.data[0].x)[:2] == ["wrapped", "a&lt;br&gt;b"]
    assert figure.data[0].name == "&lt;b&gt;own&lt;/b&gt;"
    assert figure.layout.xaxis.title.text == "&lt;i&gt;mode&lt;/i&gt;"


def test_without_an_axis_or_without_its_benchmarks(aiida_profile_clean):
    assert read_axis({}, {}) == []
    row = {"model": "m", "value": 1, "runs": ["a"], "metrics": {"d_all": {"per_model": [0.1, None], "floor": None}}}
    study = {"datasets": {"lco": {"family": "interface", "rows": [row, row | {"value": None}]}}}
    (one,) = read_axis(study, {"a": orm.Dict({}).store()})
    assert (one.main, one.not_converged, one.close_pairs, one.energies) == ([0.1], [], [], [])
    assert len(draw_axis([one], "width")) == 1
