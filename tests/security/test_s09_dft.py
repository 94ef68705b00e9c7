"""S9: outputs and inputs of DFT codes that somebody else wrote: bounded, text, and refused in one line."""

import io

import numpy as np
import pytest
from readers.guards import bounded

from aiida_dismai.dft.vasp import vasprun
from aiida_dismai.dft.vasp.vasprun import read_vasprun
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.standin.inputs import read_job
from aiida_dismai.standin.main import run
from aiida_dismai.standin.potcars import write_potcar_family

HEAD = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n'
STEP = (
    b"<calculation><scstep/><structure><crystal><varray name='basis'>"
    b"<v>5 0 0</v><v>0 5 0</v><v>0 0 5</v></varray></crystal>"
    b"<varray name='positions'><v>0 0 0</v></varray></structure>"
    b"<varray name='forces'><v>0 0 0</v></varray><energy><i name='e_fr_energy'>-1</i></energy></calculation>"
)


def read(content):
    with bounded(seconds=60, megabytes=512):
        return read_vasprun(io.BytesIO(content))


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (i + 1, b"&l%d;" % i * 10) for i in range(9))


@pytest.mark.parametrize(
    "doctype",
    [
        b'<!DOCTYPE modeling [<!ENTITY l0 "ha">' + LAUGHS + b"]>",
        b'<!DOCTYPE modeling [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE modeling SYSTEM "http://localhost:1/x.dtd">',
        b'<!DOCTYPE modeling [<!ENTITY % x SYSTEM "file:///dev/zero"> %x;]>',
        b'<!DOCTYPE modeling [<!ATTLIST varray name CDATA "forces">]>',
    ],
)
def test_s9_a_vasprun_with_entities_is_not_vasps(doctype):
    found = read(HEAD + doctype + b"<modeling>&l9;&x;" + STEP + b"</modeling>")
    assert found.steps == []
    assert "document type" in found.remark


def test_s9_a_vasprun_nested_without_end_is_refused():
    found = read(HEAD + b"<modeling>" + b"<a>" * 2_000_000)
    assert "more than 64 deep" in found.remark


def test_s9_arrays_of_a_vasprun_are_bounded(monkeypatch):
    monkeypatch.setattr(vasprun, "MAX_ROWS", 1000)
    monkeypatch.setattr(vasprun, "MAX_STEPS", 50)
    wide = STEP.replace(b"<varray name='forces'><v>0 0 0</v>", b"<varray name='forces'><v>" + b"1 " * 2000 + b"</v>")
    long = STEP.replace(b"<varray name='forces'>", b"<varray name='forces'>" + b"<v>0 0 0</v>" * 200_000)
    found = read(HEAD + b"<modeling>" + STEP + wide + long + STEP + b"</modeling>")
    assert [np.isfinite(step.forces).all() for step in found.steps] == [True, False, False, True]
    assert max(len(step.forces) for step in found.steps) == 1
    names = b"<atominfo><array name='atoms'>" + b"<rc><c>Si</c><c>1</c></rc>" * 5000 + b"</array></atominfo>"
    assert len(read(HEAD + b"<modeling>" + names + STEP + b"</modeling>").symbols) <= 1001
    assert "more than 50 ionic steps" in read(HEAD + b"<modeling>" + STEP * 60 + b"</modeling>").remark


@pytest.mark.parametrize("word", [b"1_0", b"0x10", b"\xb2", b"1e999", b"nan", b"****", b""])
def test_s9_numbers_of_a_vasprun_are_numbers(word):
    found = read(HEAD + b"<modeling>" + STEP.replace(b">-1<", b">" + word + b"<") + b"</modeling>")
    assert not np.isfinite(found.steps[0].energy)


def test_s9_a_long_line_of_pw_is_read_in_pieces():
    from aiida_dismai.dft.quantumespresso.engine import MAX_LINE, _lines

    class Endless(io.RawIOBase):
        left = 64 * 2**20

        def readline(self, n=-1):
            taken = min(n if n >= 0 else self.left, self.left)
            self.left -= taken
            return b"x" * taken

    with bounded(seconds=60, megabytes=256):
        assert max(len(line) for line in _lines(Endless())) <= MAX_LINE


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"functional='" * 200_000, b"functional = '" + b" " * 2_000_000, b"\n" * 2_000_000,
     b" a" * 500_000 + b"\n", (b"a" + b" " * 99) * 10_000],
)  # fmt: skip
def test_s9_a_pseudopotential_of_anything_has_no_functional(content):
    from aiida_dismai.dft.quantumespresso import pseudos

    class Node:
        def open(self, mode):
            assert mode == "rb"
            return io.BytesIO(content)

    with bounded(seconds=60, megabytes=512):
        text = pseudos._text_of(Node())
        found = pseudos._HEADER.search(text) or pseudos._HEADER_V1.search(text)
        assert found is None or len(found[1]) <= 201
        assert not pseudos.has_shell(Node(), "3d")


# ---------------------------------------------------------------------- the stand-in for VASP
INPUTS = {
    "INCAR": "NSW = 1\nIBRION = 2\n",
    "POSCAR": "x\n1\n5 0 0\n0 5 0\n0 0 5\nSi\n1\nDirect\n0 0 0\n",
    "KPOINTS": "x\n0\nGamma\n1 1 1\n",
}


@pytest.fixture
def folder(tmp_path):
    made = write_potcar_family(tmp_path / "family", ["Si"])
    job = tmp_path / "job"
    job.mkdir()
    for name, text in INPUTS.items():
        (job / name).write_text(text)
    (job / "POTCAR").write_text((made / "Si" / "POTCAR").read_text())
    return job


POSCAR = INPUTS["POSCAR"]
ODD = {
    "long list": ("INCAR", b"MAGMOM = 9999999999*0.6\n"),
    "many lists": ("INCAR", b"MAGMOM = " + b"999999*0.6 " * 5000),
    "negative list": ("INCAR", b"MAGMOM = -3*0.6 1 2\n"),
    "infinite": ("INCAR", b"NSW = inf\n"),
    "not a number": ("INCAR", b"NSW = nan\n"),
    "huge": ("INCAR", b"NSW = 1e300\n"),
    "escape sequence": ("INCAR", b"NSW = \x1b[2J\n"),
    "binary": ("INCAR", b"\xff\xfe\x00"),
    "no volume": ("POSCAR", POSCAR.replace("0 0 5", "0 5 0").encode()),
    "scale of nothing": ("POSCAR", POSCAR.replace("x\n1\n", "x\n0\n").encode()),
    "negative volume of a plane": ("POSCAR", POSCAR.replace("x\n1\n", "x\n-9\n").replace("0 0 5", "0 5 0").encode()),
    "not finite": ("POSCAR", POSCAR.replace("5 0 0", "nan 0 0").encode()),
    "position not finite": ("POSCAR", POSCAR.replace("0 0 0\n", "inf 0 0\n").encode()),
    "many atoms": ("POSCAR", POSCAR.replace("\n1\nDirect", "\n999999999999\nDirect").encode()),
    "negative atoms": ("POSCAR", POSCAR.replace("\n1\nDirect", "\n-1\nDirect").encode()),
    "element": ("POSCAR", POSCAR.replace("Si", "\x1b[2J").encode()),
    "UTF-16": ("POSCAR", POSCAR.encode("utf-16")),
    "mesh": ("KPOINTS", b"x\n0\nGamma\n100000 100000 100000\n"),
    "mesh of digits": ("KPOINTS", b"x\n0\nGamma\n" + b"9" * 4000 + b" 1 1\n"),
    "negative mesh": ("KPOINTS", b"x\n0\nGamma\n-1 1 1\n"),
    "short mesh": ("KPOINTS", b"x\n0\nGamma\n1\n"),
    "kind": ("KPOINTS", b"x\n0\n\x1b[2J\n1 1 1\n"),
    "no numbers": ("POTCAR", b"TITEL = \x1b[2J; ENMAX = x\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_s9_inputs_of_the_stand_in_are_refused_in_one_line(name, folder, capsys):
    file, content = ODD[name]
    (folder / file).write_bytes(content)
    with bounded(seconds=60, megabytes=512):
        with pytest.raises(BadInput, match=file) as error:
            read_job(folder)
        assert run(folder, "lj") == 1
    assert str(error.value).isprintable()
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
    assert not (folder / "OUTCAR").exists()


@pytest.mark.parametrize("name", ["INCAR", "POSCAR", "POTCAR", "KPOINTS"])
def test_s9_inputs_that_are_no_file_are_not_waited_for(name, folder):
    import os

    (folder / name).unlink()
    os.mkfifo(folder / name)
    with bounded(seconds=60, megabytes=512), pytest.raises(BadInput, match=f"{name} in .*: a pipe or a device"):
        read_job(folder)


def test_s10_a_comment_in_a_poscar_is_one_line_of_text(folder):
    (folder / "POSCAR").write_text(POSCAR.replace("x", "a\x1b[2J\u202e" + "y" * 5000, 1))
    assert run(folder, "lj") == 0
    first = (folder / "CONTCAR").read_text().splitlines()[0]
    assert r"a\x1b[2J\u202e" in first
    assert first.isprintable()
    assert len(first) < 600


@pytest.mark.parametrize("name", ["OUTCAR", "OSZICAR", "XDATCAR", "vasprun.xml", "CONTCAR", "IBZKPT"])
def test_s16_outputs_of_the_stand_in_go_through_no_link(name, folder, tmp_path):
    (tmp_path / "victim").write_text("precious")
    (folder / name).symlink_to(tmp_path / "victim")
    run(folder, "lj")
    assert (tmp_path / "victim").read_text() == "precious"
