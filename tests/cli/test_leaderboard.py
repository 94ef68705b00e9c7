"""The leaderboard: results written, computed again, changed by hand, ranked, and made into a site."""

import hashlib
import json
import shutil
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest
import yaml
from click.testing import CliRunner
from support.results import SET, benchmark, measured

from aiida_dismai.cli import main
from aiida_dismai.cli.leaderboard.entries import entries_of, place_of, read_result
from aiida_dismai.cli.leaderboard.standing import Entry, standings
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.results.result import Result

AUTHOR = "Ada Lovelace <0000-0002-1825-0097>; Some University"


def run(*words):
    return CliRunner().invoke(main, ["leaderboard", *map(str, words)])


def one_line(result, words):
    assert result.exit_code == 1, result.output
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1, result.output


# ---------------------------------------------------------------------- results without the engine
def content(model="cryingan", d=0.1, reference="a" * 64, date="2026-01-01", n=1, **changes):
    """Return a result with made-up numbers."""
    models = [
        {
            "name": f"model_{k}",
            "seed": k,
            "structures": f"model_{k}.npz",
            "sha256": "b" * 64,
            "content_hash": "c" * 64,
            "n_generated": 10,
            "n_given": 8,
            "n_analysed": 8,
            "parameters": {"kind": "alloy"},
            "metrics": {
                "d_cluster": {"value": d + 0.01 * k, "lower": d - 0.01, "upper": d + 0.02, "floor": 0.02},
                "vacancy_percent": {"value": 0.0, "lower": 0.0, "upper": 0.0, "floor": 0.0},
                "failed_percent": {"value": 20.0, "lower": 10.0, "upper": 30.0, "floor": 0.0},
            },
        }
        for k in range(n)
    ]
    return {
        "format": "dismai-result",
        "version": 1,
        "kind": "alloy",
        "dataset": {"name": "wide", "reference_hash": reference, "n_reference": 40},
        "model": model,
        "baseline": model == "random",
        "authors": [{"given": "Ada", "family": "Lovelace"}],
        "date": date,
        "models": models,
        "reference": "reference.npz",
        "reference_sha256": "d" * 64,
    } | changes


def place(board, **about):
    values = content(**about)
    result = validate(Result, values, "here")
    folder = place_of(board, result)
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(values))
    return folder


@pytest.fixture
def board(tmp_path):
    """A leaderboard of three models, one of them without learning, and a fourth that was measured against others."""
    place(tmp_path / "board", model="good", d=0.05, n=2)
    place(tmp_path / "board", model="bad", d=0.5, date="2026-02-02")
    place(tmp_path / "board", model="random", d=0.01)
    place(tmp_path / "board", model="elsewhere", d=0.001, reference="e" * 64)
    return tmp_path / "board"


def entries(board):
    return [Entry(folder, read_result(folder)) for folder in entries_of(board)]


def test_ranks_are_within_the_same_training_structures_and_without_baselines(board):
    tables = standings(entries(board))
    assert [[row.entry.result.model for row in table.rows] for table in tables] == [
        ["good", "bad", "random"],
        ["elsewhere"],
    ]
    assert [row.rank for row in tables[0].rows] == [1, 2, None]
    assert tables[0].rows[0].values["d_cluster"] == pytest.approx((0.055, 0.05, 0.06))
    assert tables[0].floors["d_cluster"] == 0.02


def test_list_prints_the_tables(board):
    result = run("list", board)
    assert result.exit_code == 0, result.output
    assert "good-" in result.output
    assert "baseline" in result.output
    assert result.output.count("training set") == 2


class Page(HTMLParser):
    """What a page consists of: tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_site_has_a_table_a_page_for_each_entry_and_a_feed(board, tmp_path):
    site = tmp_path / "site"
    result = run("build", board, site, "--no-reports", "--address", "https://example.org/board")
    assert result.exit_code == 0, result.output
    index = (site / "index.html").read_text()
    assert index.index("good") < index.index("bad")
    for words in (
        "in the paper: Li3ScCl6(100)",
        "CrysTens",
        "Fe60Ni20Cr20, 1500 K, wide SRO",
        "noise floor",
        "not tried",
    ):
        assert words in index
    page = Page(index)
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    for link in links:
        if "://" not in link:
            assert (site / link).is_file(), link
    assert sum(link.startswith("entries/") for link in links) >= 4
    # nothing is asked of anybody
    assert not [
        attrs for tag, attrs in page.tags if tag in ("img", "iframe", "link") and "http" in str(attrs.get("href"))
    ]
    assert all("src" not in attrs for tag, attrs in page.tags if tag == "script")
    feed = ElementTree.fromstring((site / "feed.xml").read_text())
    titles = [item.text for item in feed.iter("{http://www.w3.org/2005/Atom}title")]
    assert titles[1] == "bad on wide"  # the newest first
    assert json.loads((site / "results.json").read_text())[0]["model"] == "good"
    # again: the same, byte by byte; and nothing of somebody else is replaced
    first = {path: path.read_bytes() for path in sorted(site.rglob("*")) if path.is_file()}
    assert run("build", board, site, "--no-reports", "--address", "https://example.org/board/").exit_code == 0
    assert first == {path: path.read_bytes() for path in sorted(site.rglob("*")) if path.is_file()}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "index.html").write_text("mine")
    one_line(run("build", board, mine, "--no-reports"), "is no leaderboard's site")
    assert (mine / "index.html").read_text() == "mine"


def test_small_benchmark_is_shown(board, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    for seed in (1, 2):
        values = {
            "format": "dismai-small-benchmark",
            "dataset": "alloy_300K_wide",
            "kind": "alloy",
            "model": "cryingan",
            "seed": seed,
            "summary": {"metrics": {"d_cluster": {"mean": 0.1 * seed}, "failed_percent": {"mean": 0.0}}},
        }
        (small / f"{seed}.json").write_text(json.dumps(values))
    assert run("build", board, tmp_path / "site", "--no-reports", "--small", small).exit_code == 0
    assert "distance of the cluster probabilities 0.15" in (tmp_path / "site" / "index.html").read_text()
    (small / "3.json").write_text("{}")
    one_line(
        run("build", board, tmp_path / "site", "--no-reports", "--small", small), "not a result of the small benchmark"
    )


def test_texts_of_others_are_texts(tmp_path):
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    place(tmp_path / "board", summary=evil, notes=[evil], authors=[{"family": evil}], versions={"torch": evil})
    assert run("build", tmp_path / "board", tmp_path / "site", "--no-reports").exit_code == 0
    for path in (tmp_path / "site").rglob("*.html"):
        tags = Page(path.read_text()).tags
        assert not [tag for tag, attrs in tags if tag == "img" or any(name.startswith("on") for name in attrs)]
        assert sum(tag == "script" for tag, _ in tags) <= 1
    assert evil not in (tmp_path / "site" / "feed.xml").read_text()
    ElementTree.fromstring((tmp_path / "site" / "feed.xml").read_text())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "matbench"}, "not a result of aiida-dismai (format matbench)"),
        ({"version": 2}, "version 2 is newer than this program reads"),
        ({"kind": "proteins"}, "the family 'proteins' is not installed here"),
        ({"scores": {}}, "unknown parameter 'scores'"),
        ({"link": "javascript:alert(1)"}, "link"),
        ({"reference": "../reference.npz"}, "reference"),
        ({"reference": "model_0.npz"}, "two of its files have the same name"),
        ({"authors": []}, "authors"),
        ({"models": []}, "models"),
    ],
)
def test_results_of_another_schema_are_refused_in_one_line(board, changes, words):
    folder = entries_of(board)[0]
    values = json.loads((folder / "result.json").read_text()) | changes
    (folder / "result.json").write_text(json.dumps(values))
    one_line(run("list", board), words)
    result = run("verify", board, "--only", folder.name)
    assert result.exit_code == 1
    assert words in result.output


def test_result_that_is_no_json_and_a_board_that_is_none(board, tmp_path):
    (entries_of(board)[0] / "result.json").write_text("<!DOCTYPE html>")
    one_line(run("list", board), "not JSON")
    (tmp_path / "empty").mkdir()
    one_line(run("list", tmp_path / "empty"), "no leaderboard")


def test_changed_metric_no_longer_fits_its_name(board):
    folder = next(item for item in entries_of(board) if item.name.startswith("bad"))
    values = json.loads((folder / "result.json").read_text())
    values["models"][0]["metrics"]["d_cluster"]["value"] = 0.001
    (folder / "result.json").write_text(json.dumps(values))
    one_line(run("build", board, board.parent / "site", "--no-reports"), "changed after it was added")


def test_links_are_not_followed(board, tmp_path):
    folder = entries_of(board)[0]
    shutil.copy(folder / "result.json", tmp_path / "outside.json")
    (folder / "result.json").unlink()
    (folder / "result.json").symlink_to(tmp_path / "outside.json")
    one_line(run("list", board), "symbolic link")


def test_files_of_an_entry_must_be_there_and_be_those(board):
    folder = entries_of(board)[0]
    (folder / "model_0.npz").write_text("version https://git-lfs.github.com/spec/v1\n")
    (folder / "extra.sh").write_text("rm")
    result = run("verify", folder)
    assert result.exit_code == 1
    for words in (
        "extra.sh: a file that result.json does not name",
        "model_0.npz: SHA-256",
        "reference.npz: no such file",
    ):
        assert words in result.output


def test_workflow_calls_commands_that_there_are():
    """The workflow of a leaderboard, as far as it can be tried here: valid, and with options that there are."""
    from importlib.resources import files

    text = files("aiida_dismai.cli.leaderboard").joinpath("site").joinpath("workflow.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["publish"]["needs"] == "verify"
    lines = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    commands = [line.split()[2:] for line in lines if line.startswith("aiida-dismai leaderboard")]
    assert [words[0] for words in commands] == ["list", "verify", "build", "build"]
    for words in commands:
        chosen = main.commands["leaderboard"].commands[words[0]]
        known = {name for option in chosen.params for name in (*option.opts, *option.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known
        assert sum(not word.startswith("--") for word in words[1:]) >= 1


# ---------------------------------------------------------------------- from a benchmark, computed again
@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return measured(tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="module")
def flow(aiida_profile, models):
    aiida_profile.reset_storage()
    return benchmark(models)


@pytest.fixture
def real(flow, tmp_path):
    board = tmp_path / "board"
    words = ("--dataset", SET, "--author", AUTHOR, "--summary", "GAN", "--link", "https://example.org/code")
    result = run("add", flow.pk, board, *words)
    assert result.exit_code == 0, result.output
    return board


@pytest.mark.engine
def test_result_of_a_benchmark_holds_its_numbers(real, models, flow):
    result = read_result(entries_of(real)[0])
    assert (result.kind, result.model, result.dataset.name) == ("alloy", "cryingan", SET)
    assert [item.seed for item in result.models] == [0, 1]
    assert result.origin.uuid == flow.uuid
    for item, model in zip(result.models, models, strict=True):
        # the database keeps fourteen digits
        assert item.metrics["d_cluster"].value == pytest.approx(model.metrics["d_cluster"]["value"], rel=1e-12)
        assert item.content_hash == model.structures.content_hash
        assert (item.n_generated, item.n_given) == (10, 8)
    assert result.dataset.reference_hash == models[0].metrics["reference_hash"]
    assert (real / ".github" / "workflows" / "leaderboard.yml").is_file()
    one_line(run("add", flow.pk, real, "--dataset", SET, "--author", AUTHOR), "is there already")


@pytest.mark.engine
@pytest.mark.slow
def test_true_numbers_are_verified_and_shown_as_such(real, tmp_path):
    verified = tmp_path / "verified.json"
    result = run("verify", real, "--output", verified)
    assert result.exit_code == 0, result.output
    assert run("build", real, tmp_path / "site", "--no-reports", "--verified", verified).exit_code == 0
    assert json.loads((tmp_path / "site" / "results.json").read_text())[0]["verified"] is True
    # copied into another leaderboard, as by a pull request
    other = tmp_path / "other"
    assert run("add", entries_of(real)[0], other).exit_code == 0
    assert read_result(entries_of(other)[0]) == read_result(entries_of(real)[0])


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("metrics", "d_cluster", "value"), 0.001, "model_1: d_cluster.value: 0.001 is stated"),
        (("metrics", "failed_percent", "lower"), 1.0, "model_1: failed_percent.lower: 1 is stated"),
        (("metrics", "d_cluster", "floor"), 0.5, "model_1: d_cluster.floor: 0.5 is stated"),
        (("n_analysed",), 7, "model_1: n_analysed: 7 is stated, 8 was computed"),
        (("content_hash",), "0" * 64, "model_1.npz holds other structures than stated"),
    ],
)
def test_number_changed_by_hand_is_named(real, path, value, words):
    """The entry is given the name that its changed content has: only computing again tells."""
    folder = entries_of(real)[0]
    values = json.loads((folder / "result.json").read_text())
    target = values["models"][1]
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    (folder / "result.json").write_text(json.dumps(values))
    folder = folder.rename(place_of(real, read_result(folder)))
    result = run("verify", real)
    assert result.exit_code == 1
    assert words in result.output
    assert "1 problems" in result.output


@pytest.mark.engine
@pytest.mark.slow
def test_structures_that_were_exchanged_with_all_checksums_right(real):
    folder = entries_of(real)[0]
    values = json.loads((folder / "result.json").read_text())
    shutil.copy(folder / "model_0.npz", folder / "model_1.npz")
    values["models"][1] |= {name: values["models"][0][name] for name in ("sha256", "content_hash")}
    (folder / "result.json").write_text(json.dumps(values))
    result = run("verify", folder)
    assert result.exit_code == 1
    assert "model_1: d_cluster.value" in result.output
    assert "model_0: d_cluster" not in result.output


@pytest.mark.engine
@pytest.mark.slow
def test_results_without_aiida_are_computed_again_before_they_are_added(models, tmp_path):
    files = models[0].reference.parent
    words = (tmp_path / "board", "--dataset", SET, "--author", AUTHOR, "--model", "mine")
    given = ("--structures", files / "generated.npz", "--reference", files / "reference.npz")
    parameters = tmp_path / "parameters.json"
    parameters.write_text(json.dumps({"alloy": models[0].parameters["alloy"]}))
    result = run("add", files / "results.json", *words, *given, "--parameters", parameters)
    assert result.exit_code == 0, result.output
    (folder,) = entries_of(tmp_path / "board")
    assert read_result(folder).models[0].metrics["d_cluster"].value == models[0].metrics["d_cluster"]["value"]
    other = models[1].reference.parent / "generated.npz"
    swapped = run("add", files / "results.json", *words, "--structures", other, *given[2:], "--parameters", parameters)
    assert swapped.exit_code == 1
    assert "d_cluster.value" in swapped.output
    assert "those that it was computed from?" in swapped.output
    assert len(entries_of(tmp_path / "board")) == 1


@pytest.mark.engine
def test_files_of_results_that_are_others(models, tmp_path):
    files = models[0].reference.parent
    words = ("add", files / "results.json", tmp_path / "board", "--dataset", SET, "--author", AUTHOR)
    one_line(run(*words), "--structures and --reference")
    given = ("--structures", files / "generated.npz", "--reference", files / "generated.npz")
    one_line(run(*words, *given), "--model: name the model")
    one_line(run(*words, *given, "--model", "mine"), "not a reference")
    other = tmp_path / "other.json"
    other.write_text("{}")
    given = (*given[:3], files / "reference.npz", "--model", "mine")
    one_line(run("add", other, *words[2:], *given), "not the results of `dismai metrics`")


@pytest.mark.engine
def test_what_cannot_be_added(flow, models, tmp_path, aiida_profile):
    board = tmp_path / "board"
    one_line(run("add", flow.pk, board, "--author", AUTHOR), "--dataset: name the data set")
    one_line(run("add", flow.pk, board, "--dataset", "a/b", "--author", AUTHOR), "dataset.name")
    words = ("--dataset", SET, "--author", AUTHOR)
    one_line(run("add", flow.outputs.metrics.model_0.pk, board, *words), "give a finished benchmark")
    train = flow.inputs.train
    one_line(run("add", train.creator.pk if train.creator else flow.called[-1].pk, board, *words), "has no metrics")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years")
    one_line(run("add", flow.pk, mine, *words), "is no leaderboard")
    assert not board.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_changed_files_of_somebody_are_not_copied(board, tmp_path):
    result = run("add", entries_of(board)[0], tmp_path / "mine")
    assert result.exit_code == 1
    assert "2 problems of the result" in result.output or "3 problems of the result" in result.output
    assert not (tmp_path / "mine" / "results").exists()


def test_schema_is_stable():
    """What is published today must be read tomorrow: the fields of version 1, by checksum of their names."""
    names = sorted(Result.model_fields)
    assert hashlib.sha256(",".join(names).encode()).hexdigest()[:12] == "0113e00c9934"


def test_reading_a_result_needs_its_file(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        read_result(tmp_path)
