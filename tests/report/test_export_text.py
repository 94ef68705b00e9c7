"""Texts of others in what a report exports."""

import csv
import io
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_dismai.report import export
from aiida_dismai.report.drawing import label_of, title_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=HYPERLINK(0)", "'=HYPERLINK(0)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(1)", "'@SUM(1)"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),
        ("\u00a0=1", r"\xa0=1"),
        ("a;=1+1", "a;'=1+1"),
        ("a; +cmd()", "a; '+cmd()"),
        ("a; b", "a; b"),
        ("\t=1", r"\t=1"),
        ("\r=1", r"\r=1"),
        ("-1.5", "-1.5"),
        ("+1e-5", "+1e-5"),
        (-1.5, -1.5),
        (None, None),
        ("overlap: 0.5 Å", "overlap: 0.5 Å"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
    ],
)
def test_formulas_in_csv_are_text(value, expected):
    assert export.cell(value) == expected


@given(st.text())
def test_no_cell_begins_a_formula(text):
    cell = export.cell(text)
    assert cell.isprintable()
    assert not cell.startswith(("=", "@"))
    if cell.startswith(("+", "-")):
        float(cell)


def test_names_of_columns_are_text_too(monkeypatch):
    model = SimpleNamespace(name="=1+1")
    monkeypatch.setattr(export, "_model_rows", lambda report: [{"model": model.name, "=cmd()": 1.0, "d": "-x"}])
    report = SimpleNamespace(study={}, models=[model], process={"type": "x", "pk": 1})
    rows = list(csv.reader(io.StringIO(export.to_csv(report, "model"))))
    assert rows == [["model", "'=cmd()", "d"], ["'=1+1", "1.0", "'-x"]]


def test_names_in_charts_are_no_links():
    assert title_of('<a href="javascript:x">my_model</a>') == '&lt;a href="javascript:x"&gt;my model&lt;/a&gt;'
    assert label_of("a\u202eb") == r"a\u202eb"
    assert len(label_of("x" * 1000)) <= 80
