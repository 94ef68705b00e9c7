"""What generators leave is read whole, with the names of files and frames, or refused by name."""

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.db import connect
from ase.io import write
from support.cifs import PARTIAL_LABELLED

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.gathering import gather
from aiida_dismai.engine.structures import from_ase, to_pymatgen, write_npz


def frames(n=3):
    found = []
    for i in range(n):
        atoms = bulk("NaCl", "rocksalt", a=5.6 + 0.01 * i, cubic=True)
        atoms.rattle(0.05, seed=i)
        found.append(atoms)
    return found


SET = from_ase(frames())
POSITIONS = SET.positions


def check(given, files, numbers=None, tolerance=1e-5):
    """The structures are those of the set, whatever the order of their atoms, and bear the names of their files."""
    assert list(zip(given.files, given.frames, strict=True)) == files
    assert len(given.structures) == len(files)
    for i, one in enumerate(given.structures):
        assert np.allclose(one.cells[0], SET.cells[i], atol=tolerance)
        assert sorted(one.numbers.tolist()) == sorted(SET[i].numbers.tolist())
        there = np.round(np.linalg.solve(one.cells[0].T, one.positions.T).T, 4) % 1.0
        expected = np.round(np.linalg.solve(SET.cells[i].T, SET[i].positions.T).T, 4) % 1.0
        order, wanted = np.lexsort(there.T), np.lexsort(expected.T)
        apart = there[order] - expected[wanted]
        assert np.abs(apart - np.round(apart)).max() < 2e-4


def test_one_file_of_many_frames(tmp_path):
    write(tmp_path / "gen.extxyz", frames())
    text = (tmp_path / "gen.extxyz").read_bytes()
    (tmp_path / "gen.extxyz.gz").write_bytes(gzip.compress(text))
    (tmp_path / "gen.extxyz.bz2").write_bytes(bz2.compress(text))
    (tmp_path / "gen.extxyz.xz").write_bytes(lzma.compress(text))
    for name in ("gen.extxyz", "gen.extxyz.gz", "gen.extxyz.bz2", "gen.extxyz.xz"):
        given = gather(tmp_path / name)
        assert given.single
        check(given, [(name, 0), (name, 1), (name, 2)])


def folder_of(tmp_path, form, name):
    folder = tmp_path / "gen"
    folder.mkdir()
    for i, atoms in enumerate(frames()):
        write(folder / name.format(i=10 * i), atoms, format=form)
    return folder


@pytest.mark.parametrize(("form", "name"), [("cif", "g{i}.cif"), ("vasp", "POSCAR_{i}"), ("extxyz", "g{i}.xyz")])
def test_folders_and_archives_in_the_order_of_their_numbers(tmp_path, form, name):
    folder = folder_of(tmp_path, form, name)
    (folder / "README.txt").write_text("hello")
    (folder / ".DS_Store").write_bytes(b"\0")
    expected = [(name.format(i=i), 0) for i in (0, 10, 20)]
    given = gather(folder)
    assert not given.single
    assert given.ignored == ["README.txt"]
    check(given, expected)
    with zipfile.ZipFile(tmp_path / "gen.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir(), reverse=True):
            archive.write(path, f"run/{path.name}")
        archive.writestr("__MACOSX/run/._g0.cif", b"\0\5\26\7")
    check(gather(tmp_path / "gen.zip"), [(f"run/{file}", frame) for file, frame in expected])


def test_pymatgen_json(tmp_path):
    structures = [one.as_dict() for one in to_pymatgen(SET)]
    for content in (structures, {"structures": structures}, [{"structure": one, "energy": 1} for one in structures]):
        (tmp_path / "gen.json").write_text(json.dumps(content))
        check(gather(tmp_path / "gen.json"), [("gen.json", i) for i in range(3)])
    (tmp_path / "one.json.gz").write_bytes(gzip.compress(json.dumps(structures[0]).encode()))
    check(gather(tmp_path / "one.json.gz"), [("one.json.gz", 0)])


def test_classes_that_json_names_are_not_imported(tmp_path, monkeypatch):
    content = to_pymatgen(SET)[0].as_dict() | {"@module": "this_would_be_imported", "@class": "Structure"}
    (tmp_path / "gen.json").write_text(json.dumps(content))
    assert len(gather(tmp_path / "gen.json").structures) == 1


def test_files_of_ase(tmp_path):
    write(tmp_path / "gen.traj", frames())
    check(gather(tmp_path / "gen.traj"), [("gen.traj", i) for i in range(3)])
    with connect(tmp_path / "gen.db") as database:
        for atoms in frames():
            database.write(atoms, data={"score": [1.0]}, key_value_pairs={"run": 3})
    check(gather(tmp_path / "gen.db"), [("gen.db", i) for i in range(3)])


def test_a_column_of_cifs(tmp_path):
    import csv

    folder = folder_of(tmp_path, "cif", "{i}.cif")
    with (tmp_path / "gen.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["material_id", "cif"])
        rows.writerows([i, (folder / f"{10 * i}.cif").read_text()] for i in range(3))
    check(gather(tmp_path / "gen.csv"), [("gen.csv", i) for i in range(3)])


def test_our_own_file_keeps_what_the_metrics_read(tmp_path):
    kept = SET.with_property("energy", np.arange(3.0)).with_property("converged", np.array([True, False, True]))
    write_npz(kept, tmp_path / "gen.npz")
    given = gather(tmp_path / "gen.npz")
    check(given, [("gen.npz", i) for i in range(3)], tolerance=0)
    assert given.structures.values("energy").tolist() == [0, 1, 2]


def test_what_cannot_be_read_is_named_with_its_reason(tmp_path):
    folder = folder_of(tmp_path, "cif", "g{i}.cif")
    (folder / "g15.cif").write_text(PARTIAL_LABELLED)
    given = gather(folder)
    check(given, [("g0.cif", 0), ("g10.cif", 0), ("g20.cif", 0)])
    (refusal,) = given.refused
    assert (refusal.file, refusal.frame) == ("g15.cif", 0)
    assert refusal.reason.startswith("gen/g15.cif: data_x")
    assert "occupanc" in refusal.reason


def test_partial_occupancies_of_pymatgen(tmp_path):
    structures = [one.as_dict() for one in to_pymatgen(SET)]
    structures[1]["sites"][2]["species"] = [{"element": "Na", "occu": 0.5}, {"element": "K", "occu": 0.5}]
    (tmp_path / "gen.json").write_text(json.dumps(structures))
    given = gather(tmp_path / "gen.json")
    assert given.frames == [0, 2]
    assert "structure 1: site 2 has a partial occupancy" in given.refused[0].reason


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("g.cif", b"<!DOCTYPE html><html>sign in", "a web page"),
        ("g.cif", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n", "Git LFS pointer"),
        ("g.extxyz", b"", "empty file"),
        ("g.db", b"<html>", "a web page"),
        ("g.db", b"no database", "not a database of ASE"),
        ("gen.pt", b"PK\x03\x04", "dismai converter > convert.py"),
        ("gen.pkl", b"\x80\x04", "never loaded"),
        ("g.zip", b"PK\x03\x04 not a zip", "a damaged zip archive"),
        ("g.csv", b"a,b\n1,2\n", "has no column 'cif'"),
        ("g.json", b'[{"lattice": 1}]', "not a structure of pymatgen"),
        ("g.json", b'{"@module": "x", "n": 1}', "neither a structure of pymatgen nor a list"),
    ],
)
def test_files_that_are_not_what_their_name_says(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=said):
        gather(tmp_path / name)
    folder = tmp_path / "folder"
    folder.mkdir()
    if not name.endswith(".zip"):
        (tmp_path / name).rename(folder / name)
        write(folder / "a.extxyz", frames(1))
        # a wrong download among good files is no structure that a model got wrong
        if name != "g.json" or b"lattice" not in content:
            with pytest.raises(BadInput, match=said):
                gather(folder)


def test_nothing_there(tmp_path):
    with pytest.raises(BadInput, match="no such file or folder"):
        gather(tmp_path / "gen")
    (tmp_path / "gen").mkdir()
    (tmp_path / "gen" / "notes.txt").write_text("x")
    with pytest.raises(BadInput, match=r"no file of structures .*there are notes.txt"):
        gather(tmp_path / "gen")


def archive_with(path: Path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


@pytest.mark.parametrize("name", ["../out.cif", "/tmp/out.cif", "a/../../out.cif", "C:\\out.cif"])
def test_archives_that_lead_outside(tmp_path, name):
    archive_with(tmp_path / "g.zip", (name, b"x"))
    with pytest.raises(BadInput, match="would be written outside of the folder"):
        gather(tmp_path / "g.zip")
    assert not (tmp_path.parent / "out.cif").exists()


def test_archives_with_links(tmp_path):
    link = zipfile.ZipInfo("g.cif")
    link.external_attr = 0o120777 << 16
    archive_with(tmp_path / "g.zip", (link, "/etc/passwd"))
    with pytest.raises(BadInput, match="is a symbolic link"):
        gather(tmp_path / "g.zip")


def test_archives_that_unpack_to_much_more_than_they_are(tmp_path, monkeypatch):
    archive_with(tmp_path / "g.zip", ("g.cif", b"\0" * (64 * 2**20)))
    assert (tmp_path / "g.zip").stat().st_size < 2**20
    with pytest.raises(BadInput, match="unpacks to 64 MiB, 32 MiB are read"):
        gather(tmp_path / "g.zip")
    # one that says less than it holds
    content = bytearray((tmp_path / "g.zip").read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = (1000).to_bytes(4, "little")
    (tmp_path / "g.zip").write_bytes(content)
    with pytest.raises(BadInput, match=r"unpacks to more|a damaged zip archive"):
        gather(tmp_path / "g.zip")


def test_links_out_of_a_folder(tmp_path):
    folder = folder_of(tmp_path, "cif", "g{i}.cif")
    (tmp_path / "secret.cif").write_text("x")
    (folder / "h.cif").symlink_to(tmp_path / "secret.cif")
    with pytest.raises(BadInput, match=r"h\.cif is a link that leaves the folder"):
        gather(folder)


def test_a_csv_in_which_one_row_is_broken(tmp_path):
    folder = folder_of(tmp_path, "cif", "{i}.cif")
    good = (folder / "0.cif").read_text().replace('"', '""')
    (tmp_path / "gen.csv").write_text(f'id,cif\n1,"{good}"\n2,"data_nothing"\n3,"{PARTIAL_LABELLED}"\n')
    given = gather(tmp_path / "gen.csv")
    assert given.frames == [0]
    assert [refusal.frame for refusal in given.refused] == [1, 2]
    assert all(refusal.reason.startswith(str(tmp_path / "gen.csv") + ": line ") for refusal in given.refused)
