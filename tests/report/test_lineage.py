"""The graph of a report: alike is one box, nothing is lost between a metric and the crystals."""

import sys
import xml.etree.ElementTree as ElementTree
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import handmade

from aiida_dismai.report.layers import place
from aiida_dismai.report.lineage import Box, Lineage, collapse, lineage_of, to_svg
from aiida_dismai.report.upstream import Row, Upstream

NOW = datetime(2026, 1, 1)
DOCS = Path(__file__).parent.parent.parent / "docs"


def row(pk, node_type, name=None):
    return Row(
        pk, f"uuid-{pk}", node_type, None, "", NOW, NOW, 1, name, "finished" if name else None, 0 if name else None
    )


def chunks(n):
    """A set that is relaxed in n chunks, each with the same potential, and joined again."""
    found = Upstream()
    data = lambda pk, kind="data.dismai.structures.StructureSetData.": found.rows.update({pk: row(pk, kind)})  # noqa: E731
    data(1)
    data(2, "data.dismai.potential.PotentialData.")
    joined = 10 + 10 * n
    found.rows[joined] = row(joined, "process.", "concatenate_structures")
    found.inputs[joined] = []
    for i in range(n):
        taken, part, job, result = range(10 + 10 * i, 14 + 10 * i)
        found.rows[taken] = row(taken, "process.", "slice_structures")
        found.rows[job] = row(job, "process.", "RelaxCalculation")
        data(part)
        data(result)
        found.inputs[taken] = [("structures", 1)]
        found.inputs[job] = [("potential", 2), ("structures", part)]
        found.made_by |= {part: taken, result: job}
        found.made_as |= {part: "result", result: "structures"}
        found.inputs[joined].append((f"part_{i}", result))
    end = joined + 1
    data(end)
    found.made_by[end], found.made_as[end] = joined, "result"
    return found, {end}


@pytest.mark.parametrize("n", [1, 3, 500])
def test_chunks_are_one_box(n):
    found, ends = chunks(n)
    graph = collapse(found, ends, {})
    assert len(graph.boxes) == 8
    assert len(graph.arrows) == 7
    counts = {box.title: box.count for box in graph.boxes}
    many = f" × {n}" if n > 1 else ""
    assert counts[f"Relax{many}"] == n
    assert counts["concatenate_structures"] == 1
    assert [box.kind for box in graph.boxes].count("result") == 1


def test_from_the_metric_to_the_crystals(aiida_profile, tmp_path):
    graph = handmade.fresh(aiida_profile, tmp_path)
    lineage = lineage_of(graph.pipeline)
    titles = [box.title for box in lineage.boxes]
    metrics = titles.index("results × 2", titles.index("Metrics × 2"))
    behind, waiting = set(), [metrics]
    while waiting:
        current = waiting.pop()
        for start, end in lineage.arrows:
            if end == current and start not in behind:
                behind.add(start)
                waiting.append(start)
    names = {lineage.boxes[i].title for i in behind}
    assert {"Metrics × 2", "SampleGenerator × 2", "TrainPotential", "Vasp × 2", "BuildInterfaces"} <= names
    crystals = [lineage.boxes[i] for i in behind if lineage.boxes[i].title == "StructureData"]
    assert {box.second for box in crystals} == {"Li", "Co"}
    assert not any("Code" in box.about or "POTCAR" in box.about for box in lineage.boxes)
    ElementTree.fromstring(to_svg(lineage))


def test_names_of_others_are_text():
    lineage = Lineage([Box("data", "<script>alert(1)</script>", "a\x1b[31m & b", "</title><b>")])
    svg = to_svg(lineage)
    assert "<script" not in svg
    assert "\x1b" not in svg
    ElementTree.fromstring(svg)
    assert to_svg(Lineage()) == ""


def test_columns_follow_the_arrows_and_nothing_overlaps():
    arrows = [(0, 1), (1, 2), (2, 3), (0, 3), (4, 3), (0, 5), (5, 3), (6, 1)]
    placed = place(7, arrows)
    for start, end in arrows:
        assert placed.at[start][0] < placed.at[end][0]
        assert [column for column, _ in placed.routes[start, end]] == list(
            range(placed.at[start][0], placed.at[end][0] + 1)
        )
    assert placed.at[4][0] == 2  # directly before what is made of it
    assert len(set(placed.at)) == 7
    through = [station for stations in placed.routes.values() for station in stations[1:-1]]
    assert not set(through) & set(placed.at)


def test_the_script_of_the_docs_draws_a_picture_that_stands_by_itself(aiida_profile, monkeypatch, tmp_path):
    """As the one in docs/concepts.md, which the script made of a job of `make demo-dft`."""
    monkeypatch.syspath_prepend(str(DOCS))
    import make_provenance_picture

    graph = handmade.fresh(aiida_profile, tmp_path)
    job = next(node for node in graph.pipeline.called_descendants if node.process_label == "BuildInterfacesCalculation")
    result = CliRunner().invoke(make_provenance_picture.main, [str(job.pk), "--output", str(tmp_path / "graph.svg")])
    assert result.exit_code == 0, result.output
    for path in (tmp_path / "graph.svg", DOCS / "pictures" / "provenance.svg"):
        root = ElementTree.parse(path).getroot()
        space = {"svg": root.tag.partition("}")[0].strip("{")}
        assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
        assert root.find("svg:style", space).text == make_provenance_picture.STYLE
        titles = [one.text for one in root.iterfind(".//svg:g[@class='node process']/svg:text", space)]
        assert "BuildInterfaces" in titles
        data = [one for one in root.iter() if (one.get("class") or "").startswith("node data")]
        assert len(data) >= 2  # the crystals
    sys.modules.pop("make_provenance_picture")
