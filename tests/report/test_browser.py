"""The page in a browser: no error, no request, marks in every chart, numbers by click, light and dark."""

import pytest
from support import handmade
from support.browser import chromium, visit

from aiida_dismai.report.collect import collect
from aiida_dismai.report.html import write_page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(aiida_profile, tmp_path_factory):
    chromium()
    folder = tmp_path_factory.mktemp("page")
    write_page(collect(handmade.fresh(aiida_profile, folder).pipeline), folder / "report.html")
    return folder / "report.html"


def test_charts_have_marks_and_nothing_is_requested(page):
    told = visit(
        page,
        """
        const charts = [...document.querySelectorAll(".js-plotly-plot")];
        return { charts: charts.length, empty: charts.filter((chart) =>
          !chart.querySelector(".scatterlayer path, .barlayer path, .polarlayer path")).map((chart) => chart.id) };
        """,
    )
    assert told["charts"] >= 8
    assert told["empty"] == []
    assert (told["errors"], told["blocked"], told["resources"]) == ([], [], [])
    assert page.stat().st_size < 12 * 2**20


def test_numbers_of_a_chart_by_click(page):
    told = visit(
        page,
        """
        const names = [], blobs = [];
        URL.createObjectURL = (blob) => { blobs.push(blob); return "blob:x"; };
        HTMLAnchorElement.prototype.click = function () { names.push(this.download); };
        document.querySelectorAll("button.csv").forEach((button) => button.click());
        const texts = await Promise.all(blobs.map((blob) => blob.text()));
        return { names, lines: texts.map((text) => text.split("\\n").length), first: texts[0],
                 charts: document.querySelectorAll(".js-plotly-plot").length };
        """,
    )
    assert len(told["names"]) == told["charts"]
    assert told["names"][0] == "energies-after-relaxation.csv"
    assert told["first"].splitlines()[0] == "series,x,x_to,y"
    assert min(told["lines"]) > 2
    assert told["errors"] == []


def test_light_and_dark(page):
    colours = """
        const of = () => [getComputedStyle(document.body).backgroundColor,
          getComputedStyle(document.querySelector(".js-plotly-plot text")).fill];
        await wait(300);
        const before = of();
        document.getElementById("theme").click();
        await wait(300);
        return { before, after: of() };
    """
    told = visit(page, colours)
    assert told["before"] == ["rgb(246, 248, 250)", "rgb(34, 48, 58)"]
    assert told["after"] == ["rgb(18, 23, 29)", "rgb(223, 230, 236)"]
    assert told["errors"] == []
