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


VIEWER = """
    document.getElementById("viewer").scrollIntoView();
    await until(() => window.dismaiViews, "the viewer");
    // pixels of a pane that are not its background
    const pixels = async (pane) => {
      const picture = new Image();
      picture.src = pane.view.pngURI();
      await picture.decode();
      const canvas = new OffscreenCanvas(picture.width, picture.height), brush = canvas.getContext("2d");
      brush.drawImage(picture, 0, 0);
      const data = brush.getImageData(0, 0, canvas.width, canvas.height).data, found = new Set();
      let drawn = 0;
      for (let i = 0; i < data.length; i += 4) {
        const same = [0, 1, 2].every((k) => Math.abs(data[i + k] - data[k]) < 8);
        drawn += same ? 0 : 1;
        if (!same) found.add(data[i] + "," + data[i + 1] + "," + data[i + 2]);
      }
      return [drawn, found.size];
    };
    const choose = (name, value) => {
      const select = document.getElementById("viewer-" + name);
      select.value = value;
      select.dispatchEvent(new Event("change"));
    };
    const title = () => document.getElementById("viewer-title").textContent;
    const legend = () => [...document.querySelectorAll("#viewer-legend span")].map((entry) => entry.textContent);
"""


def test_viewer_draws_three_structures_and_follows_the_choices(page):
    told = visit(
        page,
        VIEWER
        + """
        const drawn = [], panes = dismaiViews;
        for (const pane of panes) drawn.push(await pixels(pane));
        const first = [title(), legend()];
        choose("place", "worst"); choose("colour", "coordination");
        choose("model", "model_1"); choose("measure", "d_Li");
        const turned = panes[1].view.getView().slice(4).join();
        panes[0].view.rotate(40, "y");
        await wait(200);
        return { drawn, names: panes.map((pane) => pane.name.textContent), first, then: [title(), legend()],
                 follows: panes[1].view.getView().slice(4).join() !== turned };
        """,
    )
    assert told["errors"] == []
    assert told["names"] == ["generated", "relaxed", "nearest training structure (7)"]
    for pixels, colours in told["drawn"]:
        assert pixels > 1000
        assert colours > 50
    assert told["first"][0].startswith("structure ")
    assert told["first"][1] == ["Co", "Li", "O"]
    assert told["then"][0] != told["first"][0]
    assert all("neighbour" in entry for entry in told["then"][1])
    assert told["follows"]


def test_provenance_graph_is_zoomed_moved_and_asked(page):
    told = visit(
        page,
        """
        const svg = document.querySelector("#lineage svg");
        const box = () => svg.getAttribute("viewBox").split(" ").map(Number);
        const frame = document.querySelector("#lineage .lineage"), first = box();
        document.querySelector("#lineage button").click();
        const nearer = box();
        const pointer = (name, x) => frame.dispatchEvent(new PointerEvent(name,
          { pointerId: 1, clientX: frame.getBoundingClientRect().left + x, clientY: 0, bubbles: true }));
        pointer("pointerdown", 300); pointer("pointermove", 300);
        pointer("pointermove", 400); pointer("pointerup", 400);
        const moved = box();
        const nodes = [...document.querySelectorAll("#lineage .node")];
        const last = nodes.find((one) => one.textContent.includes("per structure"));
        last.dispatchEvent(new Event("click"));
        // a drag that ends on a box chooses nothing
        const dragged = document.querySelectorAll("#lineage .node.chosen").length;
        pointer("pointerdown", 10); pointer("pointerup", 10);
        last.dispatchEvent(new Event("click"));
        const chosen = [...document.querySelectorAll("#lineage .node.chosen")].map((one) => one.textContent);
        document.querySelectorAll("#lineage button")[2].click();
        return { first, nearer, moved, dragged, chosen, fit: box(),
                 about: document.getElementById("lineage-about").textContent };
        """,
    )
    assert told["errors"] == []
    assert told["nearer"][2] < told["first"][2]
    assert told["moved"][0] < told["nearer"][0]
    assert told["dragged"] == 0
    # two crystals, and the two structures of the DFT jobs in one box
    assert sum("StructureData: PK" in text for text in told["chosen"]) == 3
    assert told["about"].startswith("ArrayData: PK ")
    assert told["fit"][:2] == [0, 0]
