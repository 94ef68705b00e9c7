"""S12: licensed potentials stay out of archives, however they are wrapped."""

import base64
import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from datetime import UTC, datetime

import pytest
from aiida import orm
from support import handmade

from aiida_dismai.cli.archive.licence import licensed_content


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


HEAD = " PAW_PBE Xx 01Jan2000\n 3.0\n parameters from PSCTR are:\n   TITEL  = PAW_PBE Xx 01Jan2000\n"


TABLE = "".join(f"  {0.1 * i:.8E}  {-0.2 * i:.8E}  {0.3 * i:.8E}\n" for i in range(80))


POTCAR = f"{HEAD}   END of PSCTR-controll parameters\n local part\n  98.2654337744156\n{TABLE}"


SPELT = POTCAR.replace("controll", "control")


WITHOUT_HEAD = f"some notes\n Reciprocal Space Part\n{TABLE}"


def zipped(content, name="a.txt"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def tarred(content, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


FILES = {
    "plain": POTCAR.encode(),
    "spelt right": SPELT.encode(),
    "line ends of DOS": POTCAR.replace("\n", "\r\n").encode(),
    "capitals": POTCAR.upper().encode(),
    "one table": WITHOUT_HEAD.encode(),
    "UTF-16": POTCAR.encode("utf-16"),
    "UTF-32": POTCAR.encode("utf-32-le"),
    "gz": gzip.compress(POTCAR.encode()),
    "bz2": bz2.compress(SPELT.encode()),
    "xz": lzma.compress(POTCAR.encode()),
    "zip": zipped(POTCAR),
    "tgz": tarred(POTCAR.encode()),
    "tar of gz": tarred(gzip.compress(POTCAR.encode()), "w"),
    "gz in zip": zipped(gzip.compress(POTCAR.encode())),
    "name in zip": zipped("nothing", "run/POTCAR"),
    "JSON": json.dumps({"lines": POTCAR.splitlines()}).encode(),
    "base64": base64.encodebytes(POTCAR.encode()),
    "behind much else": bytes(9_000_000) + POTCAR.encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_s12_licensed_files_are_found_in_any_wrapping(aiida_profile, name):
    held = list(licensed_content([orm.SinglefileData(io.BytesIO(FILES[name]), "notes.dat").store()]))
    assert len(held) == 1
    assert "notes.dat" in held[0].where


def nodes_with_text():
    yield "Dict", orm.Dict({"input": {"text": SPELT}})
    yield "Str", orm.Str(POTCAR)
    yield "List", orm.List(POTCAR.splitlines())
    described = orm.Int(1)
    described.description = POTCAR
    yield "description", described
    extra = orm.Int(2).store()
    extra.base.extras.set("notes", POTCAR)
    yield "extra", extra
    commented = orm.Int(3).store()
    commented.base.comments.add(POTCAR)
    yield "comment", commented
    logged = orm.CalculationNode().store()
    orm.Log(datetime.now(tz=UTC), "aiida", "REPORT", logged.pk, POTCAR)
    yield "log", logged


def test_s12_licensed_files_are_found_in_texts_of_nodes(aiida_profile):
    for name, node in nodes_with_text():
        held = list(licensed_content([node if node.is_stored else node.store()]))
        assert len(held) == 1, name


def test_s12_what_is_no_potential_is_not_taken_for_one(graph):
    outcar = f"{HEAD} local pseudopotential read in\n  real space projection operators read in\n{TABLE}"
    held = orm.SinglefileData(io.BytesIO(outcar.encode()), "OUTCAR").store()
    about = orm.Str("END of PSCTR-controll parameters is the last line of the header of a POTCAR").store()
    assert list(licensed_content([held, about])) == []
