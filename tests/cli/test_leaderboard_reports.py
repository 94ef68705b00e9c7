"""The report of each result in the site: made from its structures, computed again, and seen in a browser."""

import json
import shutil

import pytest
from click.testing import CliRunner
from support.browser import chromium, visit
from support.results import SET, benchmark, measured

from aiida_dismai.cli import main
from aiida_dismai.cli.leaderboard.entries import entries_of, place_of, read_result

pytestmark = [pytest.mark.engine, pytest.mark.slow]
AUTHOR = "Ada Lovelace"


def run(*words):
    return CliRunner().invoke(main, ["leaderboard", *map(str, words)])


@pytest.fixture(scope="module")
def built(aiida_profile, tmp_path_factory):
    """Return a leaderboard of two entries, one of them with a number changed by hand, its site, and what was said."""
    folder = tmp_path_factory.mktemp("board")
    aiida_profile.reset_storage()
    flow = benchmark(measured(folder / "measured"))
    board = folder / "board"
    for model in ("good", "bad"):
        words = ("--dataset", SET, "--author", AUTHOR, "--model", model)
        assert run("add", flow.pk, board, *words).exit_code == 0
    wrong = next(item for item in entries_of(board) if item.name.startswith("bad"))
    values = json.loads((wrong / "result.json").read_text())
    values["models"][1]["metrics"]["d_cluster"]["value"] = 0.001
    (wrong / "result.json").write_text(json.dumps(values))
    wrong.rename(place_of(board, read_result(wrong)))
    result = run("build", board, folder / "site")
    assert result.exit_code == 0, result.output
    return board, folder / "site", result.output


@pytest.fixture
def entry(built):
    """Return a function that gives the folder of an entry's pages."""
    return lambda model: _of(built[1], model)


@pytest.fixture
def pages(built, tmp_path):
    """Return the folder of the pages of the good entry, in a copy of the site: a browser leaves files there."""
    return _of(shutil.copytree(built[1], tmp_path / "site"), "good")


def _of(site, model):
    return next(path for path in (site / "entries").iterdir() if path.name.startswith(model))


def test_numbers_that_come_out_have_a_report_and_others_do_not(built, entry):
    _, site, said = built
    assert (entry("good") / "report.html").is_file()
    assert "sandbox" in (entry("good") / "index.html").read_text()
    assert not (entry("bad") / "report.html").exists()
    page = (entry("bad") / "index.html").read_text()
    assert "model_1: d_cluster.value: 0.001 is stated" in page
    assert "iframe" not in page.partition("<body>")[2]
    verified = {row["model"]: row["verified"] for row in json.loads((site / "results.json").read_text())}
    assert verified == {"good": True, "bad": False}
    # progress, and why
    assert "1 of 2: bad-" in said
    assert "2 of 2: good-" in said
    assert "no report: model_1: d_cluster.value" in said
    assert "wrote 4 pages" in said


def test_scripts_are_there_once_and_pages_are_small(built, entry):
    _, site, _ = built
    assert sorted(path.name for path in (site / "libraries").iterdir()) == [
        "3Dmol-LICENSE.txt",
        "3Dmol-min.js",
        "plotly-min.js",
    ]
    pages = list(site.rglob("*.html"))
    assert len(pages) == 4
    assert max(page.stat().st_size for page in pages) < 2**20
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 12 * 2**20


def test_another_build_gives_the_same_bytes_and_one_without_reports_has_none(built, tmp_path):
    board, site, _ = built
    files = {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()}
    shutil.copytree(site, tmp_path / "site")
    assert run("build", board, tmp_path / "site").exit_code == 0
    again = tmp_path / "site"
    assert {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()} == files
    assert run("build", board, again, "--no-reports").exit_code == 0
    assert len(list(again.rglob("*.html"))) == 3
    assert not (again / "libraries").exists()
    assert "iframe" not in "".join(page.read_text().partition("<body>")[2] for page in again.rglob("*.html"))


def test_the_report_in_a_browser(pages):
    chromium()
    told = visit(
        pages / "report.html",
        """
        const charts = [...document.querySelectorAll(".js-plotly-plot")];
        document.getElementById("viewer").scrollIntoView();
        await until(() => window.dismaiViews, "the viewer");
        return { charts: charts.length, verdict: document.getElementById("verdict").textContent,
          empty: charts.filter((one) => !one.querySelector(".scatterlayer path, .barlayer path")).length,
          models: [...document.getElementById("viewer-model").options].map((option) => option.value),
          title: document.getElementById("viewer-title").textContent,
          drawn: document.getElementById("undrawn").hidden,
          scripts: [...document.scripts].map((one) => one.getAttribute("src")).filter(Boolean),
          atoms: dismaiViews[0].view.selectedAtoms({}).length,
          text: document.body.textContent };
        """,
    )
    assert (told["errors"], told["blocked"]) == ([], [])
    assert told["scripts"] == ["../../libraries/plotly-min.js", "../../libraries/3Dmol-min.js"]
    assert told["drawn"] is True
    assert told["charts"] >= 2
    assert told["empty"] == 0
    assert "noise floor" in told["verdict"]
    assert told["models"] == ["model_0", "model_1"]
    assert "d_cluster" in told["title"]
    assert told["atoms"] == 32
    assert "leaderboard verify BOARD --only good-" in told["text"]


@pytest.mark.parametrize("width", [1280, 380])
def test_the_page_of_an_entry_shows_its_report(pages, width):
    chromium()
    page = pages / "index.html"
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'"
    assert policy in page.read_text()
    copy = page.with_name("seen.html")  # in which the test may run a script
    copy.write_text(page.read_text().replace(policy, f"{policy}; script-src 'unsafe-inline'"))
    told = visit(
        copy,
        """
        const frame = document.querySelector("iframe");
        frame.scrollIntoView();
        await wait(500);
        return { src: frame.getAttribute("src"), sandbox: [...frame.sandbox],
          wide: document.documentElement.scrollWidth - document.documentElement.clientWidth };
        """,
        width=width,
    )
    assert (told["errors"], told["blocked"]) == ([], [])
    assert told["src"] == "report.html"
    assert sorted(told["sandbox"]) == ["allow-downloads", "allow-scripts"]  # not same-origin: it can reach nothing
    assert told["wide"] <= 0


def test_a_report_whose_scripts_are_not_loaded_says_so(pages):
    """A browser may refuse them to a page in a frame that was opened from a disk."""
    chromium()
    shutil.rmtree(pages.parents[1] / "libraries")
    script = 'return { hidden: document.getElementById("undrawn").hidden };'
    assert visit(pages / "report.html", script)["hidden"] is False
