"""Structures that cannot be read count as failed if asked for: the same share without and with AiiDA."""

import csv
import json

import pytest
from aiida import orm
from ase.io import write
from click.testing import CliRunner
from support import handmade
from support.cifs import PARTIAL
from support.commands import refused, run

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.main import cli
from aiida_dismai.engine.small.catalogue import find
from aiida_dismai.engine.structures import to_ase, write_extxyz
from aiida_dismai.report.collect import collect
from aiida_dismai.report.documents import to_markdown
from aiida_dismai.report.export import to_csv
from aiida_dismai.report.verdict import verdict


def break_two(folder):
    """Add two files that are no structures to four that are."""
    (folder / "g1b.cif").write_text(PARTIAL)
    (folder / "g4.cif").write_text("data_cut\n_cell_length_a 5\n")


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("files"))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "gen"
    place.mkdir()
    for i, atoms in enumerate(to_ase(handmade.structures(4, 7))):
        write(place / f"g{i}.cif", atoms)
    break_two(place)
    return place


def test_they_are_refused_or_go_with_the_node(graph, folder):
    options = ("evaluate", folder, "--dataset", graph.dataset.pk, "--code", "dismai@localhost", "--protocol", "demo")
    line = refused(*options, "--dry-run")
    assert "2 of 6 structures cannot be read: gen/g1b.cif" in line
    assert "gen/g4.cif" in line
    assert "--count-unreadable" in line
    result = run(*options, "--count-unreadable", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "they count as failed" in result.output
    notes = [line.removeprefix("# ") for line in result.output.splitlines() if line.startswith("# ")]
    assert "evaluates 4 structures, 24 atoms; 2 more could not be read and count as failed" in notes
    # before anything is submitted, what it will take: M3GNet's rate at 264 atoms and 200 evaluations a structure
    table = {line.split()[0]: line.split() for line in notes if line.split()[0] in ("postprocess", "relax", "metrics")}
    assert list(table) == ["postprocess", "relax", "metrics"]
    assert float(table["relax"][2]) == pytest.approx((4 * 200 * 0.138 * 6 / 264 + 6) / 3600, rel=0.05)


def test_the_list_is_kept_in_the_node(graph, folder):
    from aiida_dismai.cli.evaluate import generated_input

    node = generated_input(str(folder), count_unreadable=True).store()
    again = orm.load_node(node.pk)
    assert (len(again), again.n_unread) == (4, 2)
    assert [(row["file"], row["frame"]) for row in again.unread] == [("g1b.cif", 0), ("g4.cif", 0)]
    assert "occupanc" in again.unread[0]["reason"]
    # the list is part of the node and of what it is known by
    whole = StructureSetData(node.structures).store()
    assert (whole.n_unread, whole.unread) == (0, [])
    assert whole.content_hash == again.content_hash
    assert whole.base.caching.compute_hash() != again.base.caching.compute_hash()
    shown = run("dataset", "show", node.pk).output
    assert "2 more, which count as failed" in " ".join(shown.split())


def test_a_list_that_is_none_is_refused():
    node = StructureSetData(handmade.structures(1, 1), [("a.cif", 0, "damaged")])
    node.base.attributes.set("n_unread", 3)
    with pytest.raises(BadInput, match="not the list of 3 structures"):
        _ = node.unread


def test_names_and_reasons_of_strangers_are_text(graph):
    node = StructureSetData(handmade.structures(1, 1), [("a\x1b[31m.cif", 2, "x\n" * 400)])
    row = node.unread[0]
    assert row["file"] == "a\\x1b[31m.cif"
    assert "\n" not in row["reason"]
    assert len(row["reason"]) < 900


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.usefixtures("aiida_profile_clean")
def test_without_and_with_aiida_the_same_share(dismai_code, tmp_path):
    shipped = find("alloy_300K_wide")
    write_extxyz(shipped.load("train")[:60], tmp_path / "train.extxyz")
    place = tmp_path / "gen"
    place.mkdir()
    for i, atoms in enumerate(to_ase(shipped.load("validation")[:4].without_properties())):
        write(place / f"g{i}.cif", atoms)
    break_two(place)
    (tmp_path / "more.json").write_text(json.dumps(dict(shipped.metrics)))
    train = tmp_path / "train.extxyz"

    own = [
        "--reference",
        train,
        "--kind",
        "alloy",
        "--parameters",
        tmp_path / "more.json",
        "--output",
        tmp_path / "out",
    ]
    plain = CliRunner().invoke(
        cli, ["evaluate", *map(str, [place, *own, "--count-unreadable", "--report", tmp_path / "plain.html"])]
    )
    assert plain.exit_code == 0, plain.output
    expected = json.loads((tmp_path / "out" / "results.json").read_text())

    page = tmp_path / "page.html"
    overrides = [f"metrics.parameters.alloy.{name}={value}" for name, value in shipped.metrics["alloy"].items()]
    options = ["--dataset", train, "--kind", "alloy", "--code", dismai_code.pk, "--protocol", "demo"]
    options += [word for override in overrides for word in ("--set", override)]
    result = run("evaluate", place, *options, "--count-unreadable", "--run", "--report", page)
    assert result.exit_code == 0, result.output
    node = (
        orm.QueryBuilder().append(orm.WorkChainNode, filters={"process_type": {"like": "%:dismai.evaluate"}}).one()[0]
    )
    found = node.outputs.metrics.get_dict()

    assert expected["failed_percent"]["value"] == pytest.approx(100 * 2 / 6)
    for name in ("failed_percent", "d_cluster", "vacancy_percent"):
        assert found[name] == pytest.approx(expected[name]), name
    assert (found["n_generated"], found["n_analysed"]) == (6, 4)

    # the reasons, in the list of structures, the verdict and the table of what was lost
    for listed in (rows_of(tmp_path / "out" / "structures.csv"), rows_of(tmp_path / "page.csv")):
        assert [row["outcome"] for row in listed] == ["measured"] * 4 + ["failed"] * 2
        assert [(row["file"], row["stage"]) for row in listed[4:]] == [("g1b.cif", "reading"), ("g4.cif", "reading")]
        assert "occupanc" in listed[4]["reason"]
    report = collect(node)
    assert verdict(report)[1] == "2 of 6 generated structures failed (33.3 %): 2 could not be read."
    assert report.tree.losses[0] | {"what": ""} == {"stage": "reading", "what": "", "count": 2, "of": 6}
    assert "could not be read: gen/g1b.cif" in report.tree.losses[0]["what"]
    assert "| reading | could not be read: gen/g1b.cif" in to_markdown(report)
    assert to_csv(report, "structure") == (tmp_path / "page.csv").read_text()
    for text in (page.read_text(), (tmp_path / "plain.html").read_text()):
        assert "2 of 6 generated structures failed (33.3 %): 2 could not be read." in text
        assert "could not be read: gen/g1b.cif" in text
