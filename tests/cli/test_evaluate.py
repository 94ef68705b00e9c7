"""``aiida-dismai evaluate``: what generators leave becomes a node, and with ``--run`` a page."""

import csv
import zipfile

import pytest
from aiida import orm
from ase.io import write
from support import handmade
from support.commands import dry, refused, run

from aiida_dismai.engine.structures import to_ase, write_extxyz


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("files"))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "gen"
    place.mkdir()
    for i, atoms in enumerate(to_ase(handmade.structures(3, 7))):
        write(place / f"g{i}.cif", atoms)
    (place / "log.txt").write_text("x")
    return place


def test_folders_and_archives(graph, folder, tmp_path):
    options = ("--dataset", graph.dataset.pk)
    assert dry("evaluate", folder, *options)["inputs"]["structures"] == "StructureSetData<gen>"
    with zipfile.ZipFile(tmp_path / "gen.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    assert dry("evaluate", tmp_path / "gen.zip", *options)["inputs"]["structures"] == "StructureSetData<gen.zip>"


def test_what_cannot_be_read_stops_it(graph, folder):
    (folder / "g9.cif").write_text("data_x\n")
    line = refused("evaluate", folder, "--dataset", graph.dataset.pk, "--code", "dismai@localhost", "--dry-run")
    assert "1 of 4 structures cannot be read: gen/g9.cif" in line
    (folder / "g9.cif").write_text("<!DOCTYPE html>")
    line = refused("evaluate", folder, "--dataset", graph.dataset.pk, "--code", "dismai@localhost", "--dry-run")
    assert "a web page (HTML)" in line


def test_a_page_needs_an_end_to_wait_for(graph, folder, tmp_path):
    options = ("evaluate", folder, "--dataset", graph.dataset.pk, "--code", "dismai@localhost")
    assert "needs --run" in refused(*options, "--report", tmp_path / "page.html")
    assert "there is no folder" in refused(*options, "--run", "--report", tmp_path / "nowhere" / "page.html")


def test_of_a_run_that_failed_the_page_shows_what_there_is(graph, folder, tmp_path):
    silent = tmp_path / "dismai"
    silent.write_text('#!/bin/sh\n[ "$1" = list ] && echo generator.train\nexit 0\n')
    silent.chmod(0o755)
    assert run("setup", "code", "--computer", "localhost", "--label", "mute", "--executable", silent).exit_code == 0
    options = ("--dataset", graph.dataset.pk, "--code", "mute@localhost", "--protocol", "demo", "--label", "mine")
    result = run("evaluate", folder, *options, "--run", "--report", tmp_path / "page.html")
    assert result.exit_code == 1
    page = (tmp_path / "page.html").read_text()
    assert "The process failed in the stage" in page
    assert "What failed" in page
    node = orm.QueryBuilder().append(orm.WorkChainNode, filters={"label": "mine"}).one()[0]
    structures = node.inputs.structures.structures
    assert structures.values("file").tolist() == ["g0.cif", "g1.cif", "g2.cif"]


def test_the_list_of_structures_names_files_and_reasons(graph, tmp_path):
    """Of an evaluation of the graph, as if its structures came from files."""
    from aiida_dismai.report.collect import collect
    from aiida_dismai.report.export import to_csv

    write_extxyz(handmade.structures(5, 3), tmp_path / "gen.extxyz")
    report = collect(graph.evaluate)
    rows = list(csv.DictReader(to_csv(report, "structure").splitlines()))
    assert len(rows) == 5
    assert [row["outcome"] for row in rows] == ["measured"] * 4 + ["failed"]
    assert (rows[4]["stage"], rows[4]["d_all"]) == ("relaxation", "")
    assert rows[4]["reason"] == "ran out of steps before the force tolerance was met"
    assert float(rows[0]["d_all"]) == report.models[0].per_structure["d_all"][0]
