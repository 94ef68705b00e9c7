"""The report on a study: tables, page, JSON and CSV."""

import csv
import io
import json

import pytest
from aiida import orm
from support.handnodes import finish, process

from aiida_dismai.engine.metrics.aggregate import summarise
from aiida_dismai.engine.metrics.study import Result, tabulate
from aiida_dismai.report.collect import collect
from aiida_dismai.report.export import to_csv, to_json
from aiida_dismai.report.html import page
from aiida_dismai.report.study import draw_ranks, study_tables
from aiida_dismai.report.table import render
from aiida_dismai.terminal import console


def metrics(name, distance, failed):
    ends = {"lower": 0.9 * distance, "upper": 1.1 * distance}
    return {
        name: {"value": distance, "floor": 0.01, **ends},
        "failed_percent": {"value": failed, "lower": failed, "upper": failed},
    }


RESULTS = [
    Result("cold", "cdvae", summarise([metrics("d_cluster", 0.1, 2), metrics("d_cluster", 0.12, 4)])),
    Result("cold", "<b>own</b>", summarise([metrics("d_cluster", 0.3, 2)])),
    Result("cold", "unimat", reason="needs the same atoms in all structures"),
    Result("cold", "random", summarise([metrics("d_cluster", 0.9, 0)]), baseline=True),
    Result("silicon", "cdvae", summarise([metrics("d_motif", 0.04, 0)])),
    Result("silicon", "<b>own</b>", summarise([metrics("d_motif", 0.03, 0)])),
    Result("faces", "cdvae", summarise([metrics("d_all", 0.05, 1)])),
]
FAMILIES = {"cold": "alloy", "silicon": "amorphous", "faces": "interface"}
RANKED = {
    "alloy": ["d_cluster", "failed_percent"],
    "amorphous": ["d_motif", "failed_percent"],
    "interface": ["d_all", "failed_percent"],
}
TABLE = tabulate(RESULTS, FAMILIES, RANKED)


@pytest.fixture
def study(aiida_profile_clean):
    node = process(orm.WorkChainNode, "aiida.workflows:dismai.study", "StudyWorkChain")
    outputs = {"table": orm.Dict(TABLE).store(), "summaries__cold_cdvae_1": orm.Dict(RESULTS[0].summary).store()}
    finish(node, outputs)
    return node


def test_tables_have_ranks_values_floors_and_what_is_missing():
    ranks, cold, silicon, faces = study_tables(TABLE)
    assert ranks.columns == ("model", "cold", "silicon", "faces", "mean", "overall")
    assert ranks.rows == [("cdvae", "1", "2", "1", "1.33", "1"), ("<b>own</b>", "2", "1", "(2)", "1.67", "2")]
    assert "not run" in ranks.notes[0]
    assert cold.columns[0] == "model"
    rows = {row[0]: row for row in cold.rows}
    assert rows["cdvae"][1:3] == ("2", "0.11 (0.1, 0.12)")
    assert rows["cdvae"][-1] == "1"
    assert rows["unimat"][2:] == (None,) * (len(cold.columns) - 3) + (None,)
    assert rows["random"][-1] == "baseline"
    assert rows["noise floor"][2] == "0.01"
    assert cold.notes == ("unimat: needs the same atoms in all structures",)
    assert "fingerprint distance" in " ".join(silicon.columns)
    assert faces.title.startswith("faces (interface)")


def test_the_chart_of_ranks_has_a_line_for_each_model_and_best_is_outside():
    figure = draw_ranks(TABLE)
    assert [trace.name for trace in figure.data] == ["cdvae", "&lt;b&gt;own&lt;/b&gt;"]
    assert list(figure.data[0].r) == [1, 2, 1, 1]
    start, end = figure.layout.polar.radialaxis.range
    assert start > end
    two = tabulate(RESULTS[:-1], FAMILIES, RANKED)
    assert draw_ranks(two) is None


def test_terminal_page_json_and_csv(study):
    report = collect(study)
    screen = console()
    with screen.capture() as captured:
        for part in render(report):
            screen.print(part)
    text = captured.get()
    assert "ranks of the models over all data sets" in text
    assert "unimat: needs the same atoms in all structures" in text
    html = page(report)
    assert "<h2>Comparison</h2>" in html
    assert "&lt;b&gt;own&lt;/b&gt;" in html
    assert "<b>own</b>" not in html
    content = json.loads(to_json(report))
    assert content["study"]["overall"]["rank"] == {"cdvae": 1, "<b>own</b>": 2}
    rows = list(csv.DictReader(io.StringIO(to_csv(report, "model"))))
    assert len(rows) == 7
    assert rows[0]["d_cluster_mean"] == "0.11"
    assert (rows[2]["missing"], rows[2]["rank"]) == ("needs the same atoms in all structures", "")
