"""The numbers of a chart, as its CSV has them."""

import csv
import io

import numpy as np
import pytest

from aiida_dismai.engine.families.contract import CurveSpec
from aiida_dismai.report import plots
from aiida_dismai.report.charts import chart_csv, file_name
from aiida_dismai.report.content import Report
from aiida_dismai.report.drawing import add_histograms, new_figure
from aiida_dismai.report.model import Model


def rows(figure):
    return list(csv.DictReader(io.StringIO(chart_csv(figure))))


def test_bins_of_a_histogram():
    figure = new_figure("Energies", "eV", "%")
    values = np.array([0.0, 0.0, 0.0, 1.0, 4.0, 8.0])
    add_histograms(figure, [("a & b", values, "#0072b2")], bins=8)
    found = rows(figure)
    assert len(found) == 8
    assert found[0] == {"series": "a & b (6)", "x": "0", "x_to": "1", "y": "50"}
    assert sum(float(row["y"]) for row in found) == pytest.approx(100)
    assert found[-1]["x_to"] == "8"


def test_bands_become_lower_and_upper():
    training, value, lower, upper = np.array([[1.0, 2, 3], [1.5, 2.5, 3.5], [1.2, 2.2, 3.2], [1.8, 2.8, 3.8]])
    model = Model("model_0", {})
    model.per_structure = {
        "curve_rdf": np.array([training, value, lower, upper]),
        "labels_rdf": np.array(["1.0", "1.5", "2.0"]),
    }
    figure = plots.curve(Report({}, models=[model]), CurveSpec("rdf", "RDF", "Å", "g(r)"))
    found = [row for row in rows(figure) if row["series"] == "model 0"]
    assert [(row["x"], row["y"], row["lower"], row["upper"]) for row in found] == [
        ("1", "1.5", "1.2", "1.8"),
        ("1.5", "2.5", "2.2", "2.8"),
        ("2", "3.5", "3.2", "3.8"),
    ]


def test_a_series_cannot_be_a_formula_and_tags_are_text():
    import plotly.graph_objects as go

    figure = new_figure("x", "x", "y")
    figure.add_trace(go.Bar(x=["wt<br>CN_4"], y=[np.nan], name="=HYPERLINK(&quot;x&quot;)"))
    assert rows(figure) == [{"series": '\'=HYPERLINK("x")', "x": "wt CN_4"}]


def test_file_names():
    assert file_name("Motifs of Li: shares, %") == "motifs-of-li-shares"
    assert file_name("–") == "chart"
