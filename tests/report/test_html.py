"""The web page holds what it must, and nothing from elsewhere."""

import re

import numpy as np
import pytest
from support import handmade

from aiida_dismai.report import plots
from aiida_dismai.report.collect import collect
from aiida_dismai.report.html import page, write_page


@pytest.fixture(scope="module")
def report(aiida_profile, tmp_path_factory):
    return collect(handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights")).pipeline)


@pytest.fixture(scope="module")
def html(report):
    return page(report)


def outside_scripts(html):
    return re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


def test_page_is_self_contained(html):
    assert re.findall(r"<(?:script|img|iframe)[^>]+src=", html) == []
    assert re.findall(r"<link\b", html) == []
    assert "https://" not in outside_scripts(html)
    # plotly.js is in it once, not once for each chart
    assert html.count("plotly.js v") == 1


def test_page_says_what_must_be_known(html, report):
    text = outside_scripts(html)
    assert "Energies are not DFT" in text
    assert report.process["uuid"] in text
    for heading in ("Metrics", "Generated structures", "Coordination motifs", "Potential", "Provenance"):
        assert f">{heading}<" in text
    for row in report.tree.processes:
        assert row["uuid"] in text


def test_text_of_nodes_is_escaped(report):
    report.process["label"] = "<script>alert(1)</script>"
    try:
        assert "<script>alert(1)" not in page(report)
    finally:
        report.process["label"] = ""


def test_parity_has_every_set_and_component(report):
    figure = plots.parity(report, "forces")
    assert [trace.name for trace in figure.data] == ["train", "validation", "test"]
    # six frames of six atoms, three components each
    assert sum(len(trace.x) for trace in figure.data) == 6 * 6 * 3


def test_motif_bars_have_intervals(report):
    training, *models = plots.motifs(report, "Li").data
    assert list(training.x) == [60.0, 25.0]
    assert len(models) == 2
    assert np.allclose(models[0].error_x.array, [5.0, 3.0])


def test_charts_without_data_are_left_out(report):
    assert plots.motifs(report, "Sc") is None
    alone = collect(handmade_dataset(report))
    assert plots.distances(alone) is None
    assert plots.model_curves(alone) is None
    assert plots.energies(alone) is not None


def handmade_dataset(report):
    from aiida.orm import load_node

    return next(load_node(row["pk"]) for row in report.tree.processes if row["label"] == "InterfaceDatasetWorkChain")


def test_write_page(report, tmp_path):
    write_page(report, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    import os
    import shutil

    if os.environ.get("SHOT"):
        shutil.copy(tmp_path / "report.html", os.environ["SHOT"])


def test_bins_at_the_edges_are_closed_and_not_at_the_border():
    from aiida_dismai.report.drawing import stairs

    line = stairs(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0]))
    assert line["x"].tolist() == [0.5, 1, 1, 2, 2, 3, 3, 3.5]
    assert line["y"].tolist() == [0, 0, 10, 10, 20, 20, 0, 0]


def test_titles_of_charts_are_in_the_page_and_legends_above(report, html):
    """A chart cuts a long title off, and a legend below covers the title of the axis."""
    text = outside_scripts(html)
    assert "<h3>Distance of single structures from the training average</h3>" in text
    for figure in (plots.model_curves(report), plots.potential_curves(report), plots.motifs(report, "Li")):
        assert figure.layout.legend.y > 1


def test_panels_of_the_potential_are_above_each_other(report):
    """Side by side, the title of the right axis lay on the left panel."""
    figure = plots.potential_curves(report)
    assert figure.layout.yaxis.domain[0] > figure.layout.yaxis2.domain[1]


def test_tables_become_lists_on_a_narrow_page(html):
    assert "@media (max-width: 620px)" in html
    assert "cell.dataset.label" in html
