"""S9: what is no file, no text, or another format under a known name is refused in one line, and never waited for."""

import gzip
import io
import lzma
import os
import socket
import tarfile
import zipfile

import pytest
from readers.guards import bounded

from aiida_dismai.engine.errors import BadInput, BadWeights, DismaiError
from aiida_dismai.engine.ownership import Owner
from aiida_dismai.engine.store import Store
from aiida_dismai.engine.structures import StructureStream, load_structures
from aiida_dismai.engine.trained import GENERATOR, POTENTIAL
from aiida_dismai.engine.untrusted import read_json
from aiida_dismai.workchains.protocols.files import read_mapping

TEXTS = {
    "x.extxyz": '1\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3\nSi 0 0 0\n',
    "POSCAR": "x\n1\n5 0 0\n0 5 0\n0 0 5\nSi\n1\nDirect\n0 0 0\n",
    "x.data": "t\n\n1 atoms\n1 atom types\n0 5 xlo xhi\n0 5 ylo yhi\n0 5 zlo zhi\n\nMasses\n\n1 28.085 # Si\n\n"
    "Atoms # atomic\n\n1 1 0 0 0\n",
    "x.dump": "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 5\n0 5\n"
    "ITEM: ATOMS id type element x y z\n1 1 Si 0 0 0\n",
    "x.cif": "data_x\n_space_group_IT_number 1\n" + "".join(f"_cell_length_{x} 5\n" for x in "abc")
    + "".join(f"_cell_angle_{x} 90\n" for x in ("alpha", "beta", "gamma"))
    + "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    "Si1 Si 0 0 0\n",
}  # fmt: skip


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.extxyz", content)
    return buffer.getvalue()


def tarred(content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("x.extxyz")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


SPOILT = {
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, big end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "UTF-7": lambda text: b"+AAoACg-" + text.encode("utf-7"),
    "EBCDIC": lambda text: text.encode("cp500"),
    "NUL in front": lambda text: b"\0" + text.encode(),
    "NUL inside": lambda text: text.encode().replace(b"Si", b"S\0i"),
    "a long line in front": lambda text: b"#" * (5 * 2**20) + b"\n" + text.encode(),
    "gz in gz": lambda text: gzip.compress(gzip.compress(text.encode())),
    "xz in gz": lambda text: gzip.compress(lzma.compress(text.encode())),
    "zip": lambda text: zipped(text.encode()),
    "zip in zip": lambda text: zipped(zipped(text.encode())),
    "tar": lambda text: tarred(text.encode()),
    "HTML": lambda text: b"<!DOCTYPE html><pre>" + text.encode(),
}


def read_in_each_way(path):
    """Return what all readers of structures say of a file."""
    said = []
    for read in (load_structures, lambda item: list(StructureStream(item).blocks())):
        with bounded(seconds=60, megabytes=1024), pytest.raises(BadInput) as error:
            read(path)
        said.append(str(error.value))
    return said


@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("name", TEXTS)
def test_s9_text_that_is_none_is_refused(name, kind, tmp_path):
    if kind == "UTF-7" and name in ("POSCAR", "x.data"):
        return  # letters and signs of ASCII, in a line that may hold any
    if kind == "a long line in front" and name == "x.cif":
        return  # a comment, which CIF allows and does not bound
    (tmp_path / name).write_bytes(SPOILT[kind](TEXTS[name]))
    for said in read_in_each_way(tmp_path / name):
        assert name in said
        assert said.isprintable()
        assert len(said) < 1000


@pytest.mark.parametrize("name", TEXTS)
def test_the_same_text_unspoilt_is_read(name, tmp_path):
    for content in (TEXTS[name], TEXTS[name].replace("\n", "\r\n")):
        (tmp_path / name).write_bytes(content.encode())
        assert load_structures(tmp_path / name).numbers.tolist() == [14]


@pytest.mark.parametrize(
    ("name", "of"),
    [("X.EXTXYZ", "x.extxyz"), ("x.XyZ", "x.extxyz"), ("a.VASP", "POSCAR"), ("A.CIF", "x.cif")],
)
def test_names_are_read_whatever_their_case(name, of, tmp_path):
    (tmp_path / name).write_text(TEXTS[of])
    assert load_structures(tmp_path / name).numbers.tolist() == [14]


@pytest.fixture(params=["pipe", "socket", "device", "folder", "circle", "sparse", "nothing"])
def no_file(request, monkeypatch, tmp_path):
    """Return a function that puts something else in the place of a file."""

    def put(path):
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "socket":
            monkeypatch.chdir(path.parent)  # the path of a socket may have 107 bytes
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
        elif request.param == "device":
            path.symlink_to("/dev/zero")
        elif request.param == "folder":
            path.mkdir()
        elif request.param == "circle":
            path.symlink_to(path)
        elif request.param == "sparse":
            path.touch()
            os.truncate(path, 2**40)
        return path

    return put


@pytest.mark.parametrize("name", ["x.extxyz", "x.npz", "POSCAR", "x.cif", "x.traj", "x.extxyz.gz", "x.json"])
def test_s9_what_is_no_file_is_not_waited_for(name, no_file, tmp_path):
    for said in read_in_each_way(no_file(tmp_path / name)):
        assert name in said
        assert said.isprintable()


@pytest.mark.parametrize("format", [POTENTIAL, GENERATOR])
@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_s9_weights_that_are_no_file_are_not_waited_for(format, name, no_file, tmp_path):
    for file in format.files:
        (tmp_path / file).write_bytes(b"{}")
    content = {key: {} for key in format.keys} | {"elements": [], "data_std": 1, "architecture": "x", "model": "x"}
    format.write_config(tmp_path, content | {"model_version": 1})
    (tmp_path / name).unlink()
    no_file(tmp_path / name)
    if (tmp_path / name).is_file() and name != "config.json":
        return  # a sparse file is as long as it says, and its sum takes as long
    with bounded(seconds=60, megabytes=1024), pytest.raises(BadWeights, match=name):
        format.read_config(tmp_path)


def test_s9_json_stores_and_expansions_that_are_no_file_are_not_waited_for(no_file, tmp_path):
    from aiida_dismai.engine.alloys.expansion import read_file

    path = no_file(tmp_path / "x.json")
    with bounded(seconds=60, megabytes=1024):
        for read in (read_json, read_file):
            with pytest.raises(DismaiError, match=r"x\.json"):
                read(path)
        if path.is_file():
            with pytest.raises(BadInput, match=r"x\.json"):
                Store(path, Owner({"a": 1}))
        else:
            assert not Store(path, Owner({"a": 1})).exists


@pytest.mark.parametrize("kind", ["UTF-16", "UTF-32", "UTF-7", "NUL inside", "zip", "gz in gz"])
def test_s9_json_and_yaml_in_other_codings_are_refused(kind, tmp_path):
    (tmp_path / "x.json").write_bytes(SPOILT[kind]('{"Si": 1}'))
    (tmp_path / "x.yaml").write_bytes(SPOILT[kind]("Si: 1\n"))
    with pytest.raises(BadInput, match=r"x\.json"):
        read_json(tmp_path / "x.json")
    if kind == "UTF-7":  # letters and signs of ASCII
        assert isinstance(read_mapping(tmp_path / "x.yaml", "overrides"), dict)
        return
    with pytest.raises(BadInput, match=r"x\.yaml") as error:
        read_mapping(tmp_path / "x.yaml", "overrides")
    assert str(error.value).isprintable()


def test_s9_marks_of_direction_are_shown(tmp_path):
    path = tmp_path / "a\u202egnp.\u2066x\u200b.extxyz"
    path.write_text('1\nLattice="5 0 0 0 5 0 0 0 5" \u202ekey\u2066="\u202e" x="_JSON {"\nSi 0 0 0\n')
    for said in read_in_each_way(path):
        assert r"\u202e" in said
        assert said.isprintable()
