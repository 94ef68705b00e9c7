"""Archives of a graph made by hand: what is in them, that they can be checked, and what is kept out."""

import shutil
import zipfile

import pytest
from aiida import orm
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli import main
from aiida_dismai.cli.archive import commands
from aiida_dismai.cli.archive.commands import check_archive, write_archive
from aiida_dismai.cli.archive.graph import provenance, root_process
from aiida_dismai.cli.archive.licence import licensed_content
from aiida_dismai.data import StructureSetData

POTCAR = b""" PAW_PBE Li_sv 10Sep2004
 3.00000000000000
 parameters from PSCTR are:
   VRHFIN =Li: 1s2s2p
   LEXCH  = PE
   TITEL  = PAW_PBE Li_sv 10Sep2004
   END of PSCTR-controll parameters
 local part
  98.2654337744156
"""


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def archive(graph, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "pipeline.aiida"
    write_archive(graph.pipeline, path)
    return path


def uuids(pks):
    return {orm.load_node(pk).uuid for pk in pks}


def test_pipeline_brings_everything(graph):
    chosen = provenance(graph.pipeline)
    assert {node.pk for node in (*graph.vasp, *graph.crystals, graph.benchmark, graph.dataset)} <= chosen
    assert {node.pk for node in graph.outputs.values()} <= chosen


def test_data_set_leaves_the_benchmark_out(graph):
    assert root_process(graph.outputs["dataset"]).pk == graph.dataset.pk
    for node in (graph.outputs["dataset"], graph.dataset):
        chosen = provenance(node)
        assert {item.pk for item in (*graph.vasp, *graph.crystals)} <= chosen
        assert not {graph.pipeline.pk, graph.benchmark.pk, graph.outputs["summary"].pk} & chosen


def test_benchmark_brings_the_workflow_that_made_its_data_set(graph):
    chosen = provenance(graph.benchmark)
    assert {graph.dataset.pk, *(node.pk for node in graph.vasp)} <= chosen
    assert graph.pipeline.pk not in chosen


def test_other_users_of_the_data_stay_out(graph):
    other = handmade.process(
        orm.CalcJobNode, handmade.CALCULATIONS + "relax", "RelaxCalculation", {"structures": graph.outputs["train"]}
    )
    assert other.pk not in provenance(graph.pipeline)


def check(path):
    """Return what the command ended with, and what it found by its check."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "check_archive", lambda path: found.extend(check_archive(path)) or found)
        result = CliRunner().invoke(main, ["archive", "check", str(path)])
    return result, {item["check"]: item for item in found}


def test_round_trip_which_leaves_the_profile_alone(archive, graph):
    before = orm.QueryBuilder().append(orm.Node).count()
    result, findings = check(archive)
    assert result.exit_code == 0, result.output
    assert "content hashes of structure sets" in result.output
    assert "FAILED" not in result.output
    assert orm.QueryBuilder().append(orm.Node).count() == before
    assert all(item["passed"] for item in findings.values()), findings
    count = len(provenance(graph.pipeline))
    assert findings["nodes"]["found"] == f"{count} imported of {count} stated"
    assert "2 of 2 finished DFT jobs" in findings["metrics traced to every DFT job"]["found"]
    # a potential and two generators
    assert findings["SHA-256 of weights"]["found"] == "3 of 3 match"
    # two models and their summary
    assert "3 of 3 metrics to 2 crystals" in findings["metrics traced to bulk crystals"]["found"]
    assert findings["POTCARs by hash only"]["found"] == "1 hashes, 0 with content"


def test_truncated_and_foreign_files_give_one_line(archive, tmp_path):
    truncated = tmp_path / "truncated.aiida"
    truncated.write_bytes(archive.read_bytes()[:-1000])
    foreign = tmp_path / "foreign.aiida"
    with zipfile.ZipFile(foreign, "w") as handle:
        handle.writestr("hello.txt", "no archive")
    for path, words in ((truncated, "truncated"), (foreign, "not an AiiDA archive")):
        result = CliRunner().invoke(main, ["archive", "check", str(path)])
        assert result.exit_code == 1
        assert words in result.output
        assert len(result.output.strip().splitlines()) == 1


def test_damaged_content_is_found(archive, tmp_path):
    damaged = tmp_path / "damaged.aiida"
    shutil.copy(archive, damaged)
    with zipfile.ZipFile(damaged) as handle:
        entry = max(handle.infolist(), key=lambda item: item.compress_size)
        place = entry.header_offset + 200 + entry.compress_size // 2
    content = bytearray(damaged.read_bytes())
    content[place] ^= 0xFF
    damaged.write_bytes(bytes(content))
    result = CliRunner().invoke(main, ["archive", "check", str(damaged)])
    assert result.exit_code == 1
    assert "damaged" in result.output or "not an AiiDA archive" in result.output


def test_wrong_hash_and_missing_origin_fail(aiida_profile, graph, tmp_path):
    wrong = StructureSetData(handmade.structures(2, 99))
    wrong.base.attributes.set("content_hash", "0" * 64)
    path = tmp_path / "wrong.aiida"
    write_archive(wrong.store(), path)
    result, findings = check(path)
    assert result.exit_code == 1
    assert not findings["content hashes of structure sets"]["passed"]
    assert wrong.uuid in findings["content hashes of structure sets"]["found"]
    # it was made from nothing that is known
    assert not findings["structure sets traced to bulk crystals"]["passed"]


def test_metrics_of_files_are_traced_to_the_files(graph, tmp_path):
    sets = {
        name: StructureSetData(handmade.structures(2, seed)) for name, seed in (("structures", 5), ("reference", 6))
    }
    node = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "evaluate", "EvaluateWorkChain", sets)
    found = handmade.metrics(0.1, 0.0, 2)
    job = {"code": graph.code, **sets}
    kind = handmade.CALCULATIONS + "metrics"
    handmade.process(orm.CalcJobNode, kind, "MetricsCalculation", job, {"results": found}, node, "metrics")
    handmade.finish(node, {"metrics": found})
    path = tmp_path / "files.aiida"
    write_archive(node, path)
    findings = {item["check"]: item for item in check_archive(path)}
    assert all(item["passed"] for item in findings.values()), findings
    traced = findings["metrics traced to structure sets from files"]["found"]
    assert traced == "1 of 1 metrics to 2 structure sets from files"


def test_potcar_content_is_refused(graph, tmp_path):
    (tmp_path / "vasp.out").write_bytes(b"head\n" + POTCAR)
    held = orm.SinglefileData(tmp_path / "vasp.out").store()
    assert len(list(licensed_content([held]))) == 1
    job = handmade.process(orm.CalcJobNode, "aiida.calculations:vasp.vasp", "VaspCalculation", {"file": held})
    result = CliRunner().invoke(main, ["archive", "create", str(job.pk), str(tmp_path / "out.aiida")])
    assert result.exit_code == 1
    assert "licensed" in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out.aiida").exists()


def test_header_in_outcar_is_allowed_and_a_file_named_potcar_is_not(graph, tmp_path):
    header = POTCAR.split(b"   END of")[0]
    (tmp_path / "OUTCAR").write_bytes(header)
    (tmp_path / "POTCAR").write_bytes(header)
    assert list(licensed_content([orm.SinglefileData(tmp_path / "OUTCAR").store()])) == []
    assert len(list(licensed_content([orm.SinglefileData(tmp_path / "POTCAR").store()]))) == 1


def test_potcar_file_node_is_content(graph, tmp_path):
    from aiida_vasp.data.potcar import PotcarFileData

    folder = tmp_path / "family" / "Li_sv"
    folder.mkdir(parents=True)
    (folder / "POTCAR").write_bytes(POTCAR)
    node, _ = PotcarFileData.get_or_create(folder / "POTCAR")
    assert "PotcarFileData" in next(licensed_content([node])).where
    # aiida-vasp never links it to a calculation, so no archive of ours reaches it
    assert node.pk not in provenance(graph.pipeline)


def test_running_process_is_refused(graph, tmp_path):
    running = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "pipeline", "PipelineWorkChain")
    result = CliRunner().invoke(main, ["archive", "create", str(running.pk), str(tmp_path / "out.aiida")])
    assert result.exit_code == 1
    assert "have not ended" in result.output


def test_create_does_not_overwrite_unasked(graph, tmp_path):
    path = tmp_path / "there.aiida"
    path.write_text("mine")
    result = CliRunner().invoke(main, ["archive", "create", str(graph.dataset.pk), str(path)])
    assert "exists" in result.output
    assert path.read_text() == "mine"
    assert CliRunner().invoke(main, ["archive", "create", str(graph.dataset.pk), str(path), "--force"]).exit_code == 0
    assert zipfile.is_zipfile(path)
