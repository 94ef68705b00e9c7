"""What the demo leaves: a page with verdict, structures and graph, beside the numbers, the picture and the archive."""

import html
import json
import re

import pytest
from support import handmade
from support.browser import visit

from aiida_dismai.demo.results import write_results
from aiida_dismai.report.collect import collect
from aiida_dismai.report.html import page
from aiida_dismai.report.verdict import verdict


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def left(graph, tmp_path_factory):
    folder, said = tmp_path_factory.mktemp("demo"), []
    problems = write_results(graph.pipeline, folder, said.append)
    assert not [line for line in said if line.startswith("!") and "graphviz" not in line]
    # the nodes made by hand are not all that a real line leaves, which is what the check of the archive is for
    assert all(problem.startswith("archive: ") for problem in problems)
    return folder


def test_the_page_has_the_verdict_the_viewer_and_the_graph(graph, left):
    text = (left / "report.html").read_text()
    sentences = verdict(collect(graph.pipeline))
    assert len(sentences) == 2
    assert f'<p class="verdict" id="verdict">{html.escape(" ".join(sentences))}</p>' in text
    scenes = json.loads(re.search(r'id="viewer-data">(.*?)</script>', text)[1])["scenes"]
    assert {scene["model"] for scene in scenes} == {"model_0", "model_1"}
    assert {scene["place"] for scene in scenes} == {"best", "median", "worst"}
    assert "$3Dmol" in text
    boxes = re.findall(r'<g class="node (data|process|result)"', text)
    assert min(boxes.count(kind) for kind in ("data", "process", "result")) >= 2
    assert {"results.json", "report.html", "benchmark.aiida"} <= {path.name for path in left.iterdir()}


@pytest.mark.slow
def test_they_are_drawn_in_a_browser(left):
    told = visit(
        left / "report.html",
        """
        document.getElementById("viewer").scrollIntoView();
        await until(() => window.dismaiViews, "the viewer");
        return { verdict: document.getElementById("verdict").textContent,
                 panes: dismaiViews.length,
                 graph: document.querySelector("#lineage svg").getBoundingClientRect().height };
        """,
    )
    assert told["errors"] == []
    assert told["verdict"].startswith("The generated interfaces of cryingan are ")
    assert told["panes"] == 3
    assert told["graph"] > 100


def test_a_run_of_which_nothing_could_be_measured_says_why_nothing_is_shown(graph):
    report = collect(graph.pipeline)
    report.scenes = []
    assert "no generated structure could be measured" in page(report)
