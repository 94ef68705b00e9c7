"""Bundles: what is in them, that they come back whole in an empty profile, and what strangers may not do with them."""

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from aiida import orm
from ase.io import read
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli import main
from aiida_dismai.cli.bundle.people import read_author
from aiida_dismai.cli.bundle.read import check_bundle
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import read_npz

AUTHOR = "Ada Lovelace <0000-0002-1825-0097>; Some University"


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def run(*words):
    return CliRunner().invoke(main, ["dataset", *map(str, words)])


def one_line(result, words):
    assert result.exit_code == 1, result.output
    assert words in result.output
    assert result.output.strip().splitlines()[-1].startswith(("Error: ", "- "))


@pytest.fixture(scope="module")
def bundle(graph, tmp_path_factory):
    """The bundle of the data set of the graph, with its zip file beside it."""
    folder = tmp_path_factory.mktemp("published") / "interfaces"
    words = ("--author", AUTHOR, "--title", "Interfaces", "--doi", "https://doi.org/10.5281/zenodo.1234567", "--zip")
    result = run("publish", graph.dataset.pk, folder, *words)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def copy(bundle, tmp_path):
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def test_every_file_has_its_checksum(bundle):
    stated = dict(reversed(line.split("  ")) for line in (bundle / "SHA256SUMS").read_text().splitlines())
    assert set(stated) == {path.name for path in bundle.iterdir()} - {"SHA256SUMS"}
    assert all(hashlib.sha256((bundle / name).read_bytes()).hexdigest() == digest for name, digest in stated.items())


def test_files_hold_the_structures_of_the_nodes(graph, bundle):
    for name in ("train", "validation", "dataset", "labelled"):
        node = graph.outputs[name]
        assert read_npz(bundle / f"{name}.npz").content_hash == node.content_hash
        frames = read(bundle / f"{name}.extxyz", ":")
        positions = np.concatenate([frame.positions for frame in frames])
        np.testing.assert_array_equal(positions, node.structures.positions)


def test_readers_are_told_what_it_is_and_what_it_is_not(bundle):
    text = (bundle / "README.md").read_text()
    assert text.startswith("# Interfaces\n\n**Energies are not DFT")
    assert "`vasp.vasp` (dataset / label): 2 jobs" in text
    assert "POTCARs: Li" in text
    assert "licensed by the owners of VASP" in text
    assert "SPDX-License-Identifier: CC-BY-4.0" in (bundle / "LICENSE.txt").read_text()


def test_metadata_for_machines(graph, bundle):
    citation = yaml.safe_load((bundle / "CITATION.cff").read_text())
    assert (citation["cff-version"], citation["type"], citation["doi"]) == (
        "1.2.0",
        "dataset",
        "10.5281/zenodo.1234567",
    )
    assert citation["authors"] == [
        {
            "family-names": "Lovelace",
            "given-names": "Ada",
            "orcid": "https://orcid.org/0000-0002-1825-0097",
            "affiliation": "Some University",
        }
    ]
    zenodo = json.loads((bundle / "zenodo.json").read_text())["metadata"]
    assert (zenodo["upload_type"], zenodo["creators"][0]["name"]) == ("dataset", "Lovelace, Ada")
    entities = {item["@id"]: item for item in json.loads((bundle / "ro-crate-metadata.json").read_text())["@graph"]}
    assert entities["ro-crate-metadata.json"]["conformsTo"]["@id"] == "https://w3id.org/ro/crate/1.1"
    root = entities["./"]
    assert root["license"]["@id"] in entities
    for part in (*root["hasPart"], *root["author"], *root["mentions"]):
        assert part["@id"] in entities
    train = entities["train.npz"]
    assert train["sha256"] == hashlib.sha256((bundle / "train.npz").read_bytes()).hexdigest()
    assert graph.outputs["train"].uuid in train["description"]
    assert {item["@id"] for item in root["hasPart"]} >= {"provenance.aiida", "README.md", "LICENSE.txt"}


def test_round_trip_into_an_empty_profile(graph, bundle):
    before = orm.QueryBuilder().append(orm.Node).count()
    result = run("fetch", bundle.with_name("interfaces.zip"), "--name", "fetched")
    assert result.exit_code == 0, result.output
    assert "sets of structures in it are those of the files" in result.output
    assert "registered names only" in result.output
    assert orm.QueryBuilder().append(orm.Node).count() == before
    there = json.loads(other_profile("fetched", "trace", graph.outputs["train"].uuid, "--json"))
    assert [row["jobs"] for row in there["dft"]] == [2]
    assert {item["uuid"] for item in there["origins"]} == {node.uuid for node in graph.crystals}
    # again, under the same name, nothing happens
    one_line(run("fetch", bundle, "--name", "fetched"), "there is a profile 'fetched' already")


def other_profile(name, *words):
    from aiida.manage.configuration.settings import AiiDAConfigDir

    run = subprocess.run(
        [Path(sys.executable).parent / "aiida-dismai", "-p", name, *words],
        env=os.environ | {"AIIDA_PATH": str(AiiDAConfigDir.get())},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def test_structures_alone_come_into_the_profile_with_their_origin(graph, bundle):
    result = run("fetch", bundle, "--structures-only")
    assert result.exit_code == 0, result.output
    found = orm.QueryBuilder().append(StructureSetData, filters={"extras": {"has_key": "dismai_bundle"}}).all(flat=True)
    train = next(node for node in found if node.label == "train")
    assert train.content_hash == graph.outputs["train"].content_hash
    origin = train.base.extras.get("dismai_bundle")
    assert (origin["doi"], origin["licence"]) == ("10.5281/zenodo.1234567", "CC-BY-4.0")
    assert origin["uuid"] == graph.outputs["train"].uuid
    assert "Ada Lovelace" in train.description


def test_single_set_and_archive_alone(graph, tmp_path):
    folder = tmp_path / "one"
    assert run("publish", graph.outputs["train"].pk, folder, "--author", "Li, Bo").exit_code == 0
    manifest = check_bundle(folder)
    assert [(item.name, item.count) for item in manifest.sets] == [("structures", 8)]
    assert manifest.authors[0].name == "Bo Li"
    result = run("fetch", folder / "provenance.aiida", "--name", "alone")
    assert result.exit_code == 0, result.output
    one_line(run("fetch", folder / "provenance.aiida", "--structures-only"), "needs a bundle")
    one_line(run("fetch", folder / "provenance.aiida", "--check"), "archive check")


# ---------------------------------------------------------------------- what publish refuses
def test_folder_that_is_no_bundle_is_never_replaced(graph, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    words = ("publish", graph.outputs["train"].pk, mine, "--author", AUTHOR)
    one_line(run(*words), "is not empty")
    one_line(run(*words, "--force"), "holds no bundle")
    assert (mine / "thesis.tex").read_text() == "years of work"


def test_bundle_is_replaced_when_asked(graph, copy):
    words = ("publish", graph.outputs["train"].pk, copy, "--author", AUTHOR)
    one_line(run(*words), "is not empty")
    assert run(*words, "--force").exit_code == 0
    assert [item.name for item in check_bundle(copy).sets] == ["structures"]
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--licence", "CC-BY-5"), "give one of CC-BY-4.0"),
        (("--doi", "zenodo 12"), "not a DOI"),
        (("--author", "Ada <0000-0002-1825-0098>"), "its checksum is wrong"),
        (("--author", "<>"), "--author"),
    ],
)
def test_wrong_words_about_it_are_refused_before_anything_is_written(graph, tmp_path, words, said):
    words = words if words[0] == "--author" else (*words, "--author", AUTHOR)
    one_line(run("publish", graph.outputs["train"].pk, tmp_path / "out", *words), said)
    assert not list(tmp_path.iterdir())


def test_user_without_a_name_has_to_say_who(graph, tmp_path):
    one_line(run("publish", graph.outputs["train"].pk, tmp_path / "out"), "has no name in this profile")


def test_what_has_no_structures_is_refused(graph, tmp_path):
    result = run("publish", graph.outputs["potential"].pk, tmp_path / "out", "--author", AUTHOR)
    one_line(result, "has no structures")
    one_line(run("publish", graph.dataset.pk, tmp_path / "no" / "out", "--author", AUTHOR), "there is no folder")


def test_secrets_are_not_published(graph, tmp_path):
    node = StructureSetData(handmade.structures(1, 3))
    node.description = "password = hunter2hunter2"
    node.store()
    words = ("publish", node.pk, tmp_path / "out", "--author", AUTHOR)
    one_line(run(*words), "look secret")
    assert not list(tmp_path.iterdir())
    assert run(*words, "--despite-secrets").exit_code == 0


def test_running_process_is_not_published(graph, tmp_path):
    node = handmade.process(
        orm.CalcJobNode,
        handmade.CALCULATIONS + "relax",
        "RelaxCalculation",
        {"code": graph.code},
        {"structures": StructureSetData(handmade.structures(1, 4))},
        exit_status=None,
    )
    one_line(run("publish", node.pk, tmp_path / "out", "--author", AUTHOR), "have not ended")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "given", "family"),
    [("Ada Lovelace", "Ada", "Lovelace"), ("Lovelace, Ada K.", "Ada K.", "Lovelace"), ("The group", "The", "group")],
)
def test_names(text, given, family):
    assert (read_author(text).given, read_author(text).family) == (given, family)


# ---------------------------------------------------------------------- what fetch refuses
def test_changed_missing_and_added_files_are_named(copy):
    (copy / "train.npz").write_bytes((copy / "train.npz").read_bytes()[:-10])
    (copy / "validation.npz").unlink()
    (copy / "run_me.py").write_text("print()")
    (copy / "labelled.extxyz").write_text("<!DOCTYPE html><html>log in</html>")
    (copy / "dataset.npz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    result = run("fetch", copy, "--check")
    assert result.exit_code == 1
    lines = result.output.strip().splitlines()
    assert lines[0] == "Error: 5 problems of the bundle:"
    for name, words in (
        ("train.npz", "changed or truncated"),
        ("validation.npz", "missing"),
        ("run_me.py", "is not in bundle.json"),
        ("labelled.extxyz", "a web page (HTML)"),
        ("dataset.npz", "a Git LFS pointer"),
    ):
        assert any(name in line and words in line for line in lines), (name, lines)


def test_sets_that_disagree_with_what_is_said(copy):
    """All checksums are right, and yet one file holds something else."""
    shutil.copy(copy / "validation.extxyz", copy / "train.extxyz")
    _seal(copy)
    one_line(run("fetch", copy, "--check"), "train.extxyz: holds other structures than train.npz")


def test_node_in_the_archive_that_is_not_the_set_of_the_file(copy):
    manifest = json.loads((copy / "bundle.json").read_text())
    train, validation = (next(s for s in manifest["sets"] if s["name"] == name) for name in ("train", "validation"))
    train["uuid"] = validation["uuid"]
    (copy / "bundle.json").write_text(json.dumps(manifest))
    one_line(run("fetch", copy, "--name", "swapped"), "the node of train in provenance.aiida does not hold")


def _seal(folder):
    manifest = json.loads((folder / "bundle.json").read_text())
    for name, item in manifest["files"].items():
        content = (folder / name).read_bytes()
        item |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (folder / "bundle.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "something"}, "not a bundle of aiida-dismai"),
        ({"version": 99}, "newer than this program"),
        ({"archive": "../../etc/passwd"}, "archive"),
        ({"authors": []}, "authors"),
        ({"evil": 1}, "unknown parameter 'evil'"),
    ],
)
def test_manifest_of_a_stranger(copy, change, words):
    manifest = json.loads((copy / "bundle.json").read_text()) | change
    (copy / "bundle.json").write_text(json.dumps(manifest))
    one_line(run("fetch", copy, "--check"), words)


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt", "a\\..\\b", "C:outside", "x/../../y"])
def test_zip_that_would_write_outside(bundle, tmp_path, name):
    path = tmp_path / "evil.zip"
    shutil.copy(bundle.with_name("interfaces.zip"), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "outside")
    one_line(run("fetch", path, "--check"), "would be written outside")
    assert [item.name for item in tmp_path.iterdir()] == ["evil.zip"]


def test_zip_with_a_link_is_not_followed(bundle, tmp_path):
    path = tmp_path / "evil.zip"
    shutil.copy(bundle.with_name("interfaces.zip"), path)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("interfaces/link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    one_line(run("fetch", path, "--check"), "symbolic link")


def test_zip_of_100_gb_is_not_unpacked(bundle, tmp_path):
    """A header that states 100 GB, and one that lies about it."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b/bundle.json", "{}")
        archive.writestr("b/bomb", b"\0" * 1000)
    content = path.read_bytes()
    place = content.rindex(b"PK\x01\x02")  # the directory's entry of the last file: its size is at 24
    path.write_bytes(content[: place + 24] + (0xF0000000).to_bytes(4, "little") + content[place + 28 :])
    one_line(run("fetch", path, "--check"), "not unpacked")
    lying = tmp_path / "lying.zip"
    with zipfile.ZipFile(lying, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b/bundle.json", "{}")
        archive.writestr("b/bomb", b"\0" * 100_000)
    content = lying.read_bytes()
    place = content.rindex(b"PK\x01\x02")
    lying.write_bytes(content[: place + 24] + (10).to_bytes(4, "little") + content[place + 28 :])
    result = run("fetch", lying, "--check")
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page (HTML)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"", "empty file"),
        (b"hello", "neither a bundle"),
        (b"PK\x03\x04 and then nothing", "damaged zip file"),
    ],
)
def test_other_files_under_its_name(tmp_path, content, words):
    path = tmp_path / "bundle.zip"
    path.write_bytes(content)
    one_line(run("fetch", path), words)


def test_folder_without_a_manifest(tmp_path):
    one_line(run("fetch", tmp_path), "bundle.json: no such file")
    one_line(run("fetch", tmp_path / "nothing"), "no such file or folder")


# ---------------------------------------------------------------------- from the web
@pytest.fixture
def server(bundle):
    """A web server on this machine with the folder of the bundle's zip file."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(bundle.parent))

        def do_GET(self):
            if self.path == "/short":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"short")
            elif self.path == "/huge":
                self.send_response(200)
                self.send_header("Content-Length", str(10**12))
                self.end_headers()
            elif self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_bundle_from_a_web_address(server):
    result = run("fetch", f"{server}/interfaces.zip", "--check")
    assert result.exit_code == 0, result.output
    assert "all files are what the bundle says" in result.output


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nothing.zip", "cannot be downloaded"),
        ("/short", "5"),
        ("/huge", "download it yourself"),
        ("/elsewhere", "cannot be downloaded"),
        ("/interfaces/README.md", "neither a bundle"),
    ],
)
def test_downloads_that_are_refused(server, path, words):
    one_line(run("fetch", f"{server}{path}"), words)


def test_other_addresses_are_refused():
    for address in ("file:///etc/passwd", "ftp://host/bundle.zip", "https://"):
        one_line(run("fetch", address), "not a web address")


def test_extxyz_of_the_manifest_must_be_listed(copy):
    manifest = json.loads((copy / "bundle.json").read_text())
    del manifest["files"]["train.extxyz"]
    (copy / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match=r"says nothing of the file train\.extxyz"):
        check_bundle(copy)
