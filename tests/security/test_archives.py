"""Archives: what goes in, what a rerun would execute, and where those of strangers go (S5, S6, S12, S13, S16)."""

import base64
import bz2
import gzip
import io
import json
import lzma
import stat
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.manage.configuration import get_config
from click.testing import CliRunner
from support import handmade, handnodes

from aiida_dismai.cli import main
from aiida_dismai.cli.archive.commands import write_archive
from aiida_dismai.cli.archive.licence import licensed_content
from aiida_dismai.cli.archive.private import private_content
from aiida_dismai.data import StructureSetData

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


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


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


@pytest.fixture
def job(graph, tmp_path):
    """A job whose inputs say more than they should."""
    (tmp_path / "run.log").write_text("started in /home/jane.doe/secret-project/run by jane@example.org\n")
    inputs = {
        "code": graph.code,
        "notes": orm.Dict({"api_key": "0123456789abcdef", "site_key": "xyz1234"}),
        "log": orm.SinglefileData(tmp_path / "run.log"),
    }
    node = orm.CalcJobNode(process_type=handmade.CALCULATIONS + "relax")
    node.computer = graph.code.computer
    node.set_option("prepend_text", "export WANDB_API_KEY=0a1b2c3d4e5f\nmodule load x")
    node.set_option("environment_variables", {"HF_TOKEN": "hf_abcdefghijklmnopqrstuv"})
    for name, value in inputs.items():
        node.base.links.add_incoming(value if value.is_stored else value.store(), LinkType.INPUT_CALC, name)
    node.store()
    handnodes.end(node)
    return node


def test_s13_create_prints_what_is_private_and_does_not_repeat_secrets(graph, job, tmp_path):
    result = CliRunner().invoke(main, ["archive", "create", str(job.pk), str(tmp_path / "a.aiida")])
    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    for text in ("WANDB_API_KEY", "HF_TOKEN", "api_key", "jane@example.org", "/home/jane.doe/secret-project"):
        assert text in shown, text
    assert job.user.email in shown
    assert job.computer.hostname in shown
    assert "look secret" in shown
    for secret in ("0a1b2c3d4e5f", "hf_abcdefghijklmnopqrstuv", "0123456789abcdef"):
        assert secret not in result.output
    assert "site_key" not in shown


SECRETS = [
    "Authorization: Bearer abcdefghijklmnopqrstuvwxyz",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "https://user:letmein@example.org/x",
    "AKIAABCDEFGHIJKLMNOP",
    "PASSWORD=hunter22",
    "my_secret: 'abcd1234'",
]


@pytest.mark.parametrize("text", SECRETS)
def test_s13_forms_of_secrets(aiida_profile, text):
    found = [item for item in private_content([orm.Str(f"first line\n{text}\n").store()]) if item.warning]
    assert found


def test_s13_science_looks_like_no_secret(graph):
    found = [item for item in private_content([graph.outputs["train"], *graph.crystals]) if item.warning]
    assert found == []


@pytest.fixture
def evil(graph, tmp_path):
    """An archive that would execute much if it were run again."""
    inputs = {
        "parameters": orm.Dict({"calculator": "os:system"}),
        "code": orm.PortableCode(label="inside", filepath_executable="run.sh", filepath_files=_program(tmp_path)),
    }
    node = handmade.process(orm.WorkChainNode, "stranger_module.work.Chain", "Chain", inputs)
    child = orm.CalcJobNode(process_type=handmade.CALCULATIONS + "relax")
    child.set_option("environment_variables", {"X": "$(touch y)"})
    child.base.links.add_incoming(node, LinkType.CALL_CALC, "job")
    child.store().seal()
    handmade.finish(node, {"train": StructureSetData(handmade.structures(2, 5)).store()})
    write_archive(node, tmp_path / "evil.aiida")
    return tmp_path / "evil.aiida"


def _program(folder):
    (folder / "files").mkdir()
    (folder / "files" / "run.sh").write_text("#!/bin/sh\ntouch executed\n")
    return folder / "files"


@pytest.mark.parametrize("damage", [False, True])
def test_s5_s6_archives_are_opened_in_a_profile_of_their_own(aiida_profile, evil, damage, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = get_config()
    before, default = orm.QueryBuilder().append(orm.Node).count(), config.default_profile_name
    name = f"stranger-{damage}"
    if damage:
        evil.write_bytes(evil.read_bytes()[:-500])
    result = CliRunner().invoke(main, ["archive", "open", str(evil), "--name", name])
    stored = json.loads(Path(config.filepath).read_text())
    assert orm.QueryBuilder().append(orm.Node).count() == before
    assert stored.get("default_profile") == default
    if damage:
        assert result.exit_code == 1
        assert len(result.output.strip().splitlines()) == 1
        assert name not in stored["profiles"]
        return
    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    table, _, rest = shown.partition("imported into the new profile")
    assert "os:system" in table
    assert "imports the Python module 'stranger_module.work'" in table
    assert "a program that is in the archive itself ('run.sh')" in table
    assert "environment_variables" in table
    assert "aiida-dismai -p stranger-False report" in rest
    assert name in stored["profiles"]
    again = CliRunner().invoke(main, ["archive", "open", str(evil), "--name", name])
    assert again.exit_code == 1
    assert "there is a profile" in again.output


def test_s16_an_archive_keeps_its_permissions_and_goes_through_no_link(graph, tmp_path):
    node = orm.Int(5).store()
    (tmp_path / "a.aiida").write_text("old")
    (tmp_path / "a.aiida").chmod(0o600)
    write_archive(node, tmp_path / "a.aiida")
    assert stat.S_IMODE((tmp_path / "a.aiida").stat().st_mode) == 0o600
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "b.aiida").symlink_to(tmp_path / "victim")
    write_archive(node, tmp_path / "b.aiida")
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "b.aiida").is_symlink()
    assert {item.name for item in tmp_path.iterdir()} == {"a.aiida", "b.aiida", "victim"}
