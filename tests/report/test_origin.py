"""Who computed the energies: found from the ancestors of the data, by what the jobs wrote, else by the code's name."""

import numpy as np
import pytest
from aiida import orm
from support import handmade
from support.printed import printed

from aiida_dismai.data import StructureSetData
from aiida_dismai.dft import origin
from aiida_dismai.report.collect import collect
from aiida_dismai.report.export import to_dict
from aiida_dismai.report.html import page
from aiida_dismai.standin.outputs import notice_for

WARNING = "Energies are not DFT: vasp@localhost is a stand-in for VASP"


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def vasp_job(graph, label, executable, **files):
    """Return what a VASP job gave out that ran this executable and kept these files."""
    code = handmade.code(graph.code.computer, label, "vasp.vasp", executable)
    retrieved = orm.FolderData()
    for name, text in files.items():
        retrieved.base.repository.put_object_from_bytes(text.encode(), name)
    outputs = {"misc": orm.Dict({"energy": len(label)}), "retrieved": retrieved}
    kind = "aiida.calculations:vasp.vasp"
    handmade.process(orm.CalcJobNode, kind, "VaspCalculation", {"structure": graph.crystals[0], "code": code}, outputs)
    return outputs["misc"]


@pytest.mark.parametrize("name", ["pipeline", "dataset", "benchmark", "evaluate"])
def test_a_stand_in_is_named_wherever_its_labels_lead_to(graph, name):
    report = collect(getattr(graph, name))
    assert report.stand_ins == ["vasp@localhost"]
    assert WARNING in printed(report)
    assert WARNING in page(report)
    written = to_dict(report)
    assert written["stand_ins"] == ["vasp@localhost"]
    assert WARNING in written["notes"][0]
    for text in (printed(report), page(report), " ".join(written["notes"])):
        assert "relaxed with DFT" not in text
        assert "DFT relaxations" not in text
    assert "2 interfaces relaxed with the stand-in, not DFT (950)" in " ".join(report.notes)


def test_an_evaluation_whose_potential_is_from_labels_of_a_stand_in(graph):
    """Nothing but the relaxation of what was generated leads to VASP."""
    node = handmade.process(
        orm.WorkChainNode,
        handmade.WORKFLOWS + "evaluate",
        "EvaluateWorkChain",
        {"structures": StructureSetData(handmade.structures(2, 90)), "potential": graph.outputs["potential"]},
    )
    handmade.finish(node, {"metrics": handmade.metrics(0.1, 0.0, 2).store()})
    report = collect(node)
    assert not report.datasets
    assert report.stand_ins == ["vasp@localhost"]


def test_a_running_benchmark_warns_already(graph):
    given = {"train": graph.outputs["train"]}
    kind = handmade.WORKFLOWS + "benchmark"
    node = handmade.process(orm.WorkChainNode, kind, "BenchmarkWorkChain", given)
    assert origin.stand_ins_of(node) == ["vasp@localhost"]


def test_a_potential_and_labels_have_reports_of_their_own(graph, tmp_path):
    outputs = {
        "potential": graph.outputs["potential"],
        "results": graph.outputs["potential_results"],
        "curves": graph.outputs["potential_curves"],
        "parity": graph.outputs["potential_parity"],
    }
    potential = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "potential", "PotentialWorkChain")
    handmade.finish(potential, outputs)
    report = collect(potential)
    assert WARNING in printed(report)
    assert "45.6" in printed(report)
    assert "forces, meV/Å" in page(report)
    label = next(row for row in collect(graph.dataset).tree.processes if row["label"] == "LabelWorkChain")
    labels = collect(orm.load_node(label["pk"]))
    assert labels.labels["labelled_steps"] == 6
    assert "relaxations with the stand-in (not DFT)" in printed(labels)


def test_real_vasp_is_not_called_a_stand_in(graph, aiida_profile, tmp_path):
    misc = vasp_job(graph, "real", "/opt/vasp/vasp_gam")
    assert origin.stand_ins_behind([misc]) == []
    # nor where its label is unlucky, if its files say that it was VASP
    signed = vasp_job(graph, "not-the-standin", "/opt/vasp/vasp_std", OUTCAR=" vasp.6.4.2 20Jul22 (build …) complex\n")
    assert origin.stand_ins_behind([signed]) == []


@pytest.mark.parametrize("name", ["OUTCAR", "vasprun.xml", "vasp_output"])
def test_a_stand_in_behind_any_name_is_known_by_what_it_wrote(graph, name):
    first = vasp_job(graph, f"vasp-{name}", "/home/me/bin/run_vasp.sh", **{name: f" vasp.6.4.2 {notice_for('emt')}\n"})
    assert origin.stand_ins_behind([first]) == [f"vasp-{name}@localhost"]


def test_files_of_the_stand_in_begin_with_what_it_is_known_by(tmp_path):
    from aiida_dismai.standin import MARK

    assert MARK in notice_for("chgnet")


def test_dft_on_structures_that_a_stand_in_relaxed_is_dft(graph):
    real = handmade.code(graph.code.computer, "true", "vasp.vasp", "/opt/vasp/vasp_ncl")
    structure = orm.StructureData(cell=np.diag([4.0, 4.0, 4.0]).tolist())
    structure.append_atom(symbols="Li", position=[0.0, 0.0, 0.0])
    inputs = {"structures": graph.outputs["dataset"]}
    handmade.process(orm.CalcFunctionNode, "", "take_structure", inputs, {"result": structure})
    assert origin.stand_ins_behind([structure]) == ["vasp@localhost"]
    misc = orm.Dict({"energy": -3.0})
    kind = "aiida.calculations:vasp.vasp"
    handmade.process(orm.CalcJobNode, kind, "VaspCalculation", {"structure": structure, "code": real}, {"misc": misc})
    assert origin.stand_ins_behind([misc]) == []


def test_labels_from_a_file_name_their_source(graph):
    frames = handmade.structures(2, 91, energy=[1.0, 2.0], source=["vasp-standin@localhost", "vasp@cluster"])
    node = StructureSetData(frames).store()
    assert origin.stand_ins_behind([node]) == ["vasp-standin@localhost"]


def test_crystals_have_no_origin(graph):
    assert origin.stand_ins_behind(graph.crystals) == []


def test_queries_do_not_grow_with_the_number_of_paths(graph, monkeypatch):
    """Twelve diamonds on top of each other are 4096 paths; a level is three queries for all of its nodes."""
    from aiida.orm import QueryBuilder

    current = graph.outputs["labelled"]
    for level in range(12):
        sides = [orm.Dict({"side": side, "level": level}) for side in (0, 1)]
        handmade.process(orm.CalcFunctionNode, "", "split", {"data": current}, {"a": sides[0], "b": sides[1]})
        current = orm.Dict({"level": level})
        handmade.process(orm.CalcFunctionNode, "", "join", {"a": sides[0], "b": sides[1]}, {"result": current})
    count = []
    iterall = QueryBuilder.iterall
    monkeypatch.setattr(QueryBuilder, "iterall", lambda *a, **k: count.append(1) or iterall(*a, **k))
    assert origin.stand_ins_behind([current]) == ["vasp@localhost"]
    assert len(count) < 100


def test_exported_files_and_show_say_it_and_are_read_back_unchanged(graph, tmp_path):
    from ase.io import read
    from click.testing import CliRunner

    from aiida_dismai.cli import main

    node = graph.outputs["dataset"]
    for name in ("a.extxyz", "a.npz"):
        said = CliRunner().invoke(main, ["dataset", "export", str(node.pk), str(tmp_path / name)])
        assert said.exit_code == 0, said.output
        assert WARNING in said.output
        assert StructureSetData.from_file(tmp_path / name).content_hash == node.content_hash
    assert read(tmp_path / "a.extxyz", 0).info["dismai_note"].startswith(WARNING)
    with np.load(tmp_path / "a.npz") as arrays:
        assert WARNING in str(arrays["meta"])
    assert WARNING in CliRunner().invoke(main, ["dataset", "show", str(node.pk)]).output
    plain = StructureSetData(handmade.structures(1, 95, energy=[1.0])).store()
    said = CliRunner().invoke(main, ["dataset", "export", str(plain.pk), str(tmp_path / "b.extxyz")])
    assert "DFT" not in said.output
    assert "dismai_note" not in (tmp_path / "b.extxyz").read_text()


def test_an_imported_archive_says_the_same(graph, aiida_profile, tmp_path):
    from aiida.tools.archive import import_archive

    from aiida_dismai.cli.archive.commands import write_archive

    uuid = graph.benchmark.uuid
    write_archive(graph.benchmark, tmp_path / "benchmark.aiida")
    aiida_profile.reset_storage()
    import_archive(tmp_path / "benchmark.aiida")
    assert WARNING in collect(orm.load_node(uuid)).notes[0]
