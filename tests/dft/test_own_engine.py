"""A second DFT engine, installed as anyone's would be: from a code to labels, and all that asks for an engine."""

import sys
from pathlib import Path

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import CalcFunctionNode, CalcJobNode, InstalledCode, SinglefileData
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.units import GPa
from click.testing import CliRunner
from support.plugins import install

from aiida_dismai.cli import main
from aiida_dismai.cli.archive.licence import licensed_content
from aiida_dismai.cli.potentials import needed_potentials
from aiida_dismai.data.structures import set_to_structure_data
from aiida_dismai.dft import Potentials, engine_for, engine_of_plugin, engines, find
from aiida_dismai.dft.origin import not_dft, stand_ins_of
from aiida_dismai.dft.registry import job_types
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import from_ase, to_ase
from aiida_dismai.workchains.dataset_interface import InterfaceDatasetWorkChain
from aiida_dismai.workchains.label import LabelWorkChain
from aiida_dismai.workchains.label_structure import LabelStructureWorkChain
from aiida_dismai.workchains.request import problems_of

FOLDER = Path(__file__).parent / "pairs"


@pytest.fixture
def pairs(aiida_profile, entry_points, monkeypatch, tmp_path):
    """Install the engine of pairs/ and return it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    install(monkeypatch, tmp_path / "site", "dismai.dft", pairs="pairs_engine:ENGINE")
    import pairs_engine

    entry_points.add(pairs_engine.PairsCalculation, "aiida.calculations:pairs.run")
    entry_points.add(pairs_engine.PairsParser, "aiida.parsers:pairs.parser")
    entry_points.add(pairs_engine.PairsWorkChain, "aiida.workflows:pairs.base")
    return pairs_engine


@pytest.fixture
def pairs_code(pairs, quick_computer, tmp_path):
    script = tmp_path / "pairs.sh"
    script.write_text(f"#!/bin/sh\nOMP_NUM_THREADS=1 exec {sys.executable} {FOLDER / 'run_pairs.py'}\n")
    script.chmod(0o755)
    return InstalledCode(
        label="pairs", computer=quick_computer, filepath_executable=str(script), default_calc_job_plugin="pairs.run"
    ).store()


def test_from_a_code_to_labels_without_a_change_of_any_workchain(pairs, pairs_code, slabs):
    structures = slabs(2)
    outputs, node = run_get_node(LabelWorkChain.get_builder_from_protocol(pairs_code, structures, "demo"))
    assert node.is_finished_ok, node.exit_message
    labelled = outputs["labelled"].structures
    assert labelled.values("trajectory").tolist() == [0] * 5 + [1] * 5
    assert labelled.values("stage").tolist() == [1, 1, 2, 2, 2] * 2
    assert set(labelled.values("source")) == {pairs_code.full_label}
    for i, frame in enumerate(to_ase(labelled.without_properties())):
        frame.pbc, frame.calc = True, LennardJones(**pairs.PAIR)
        assert labelled.values("energy")[i] == pytest.approx(frame.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(labelled.values("forces")[labelled.atoms_of(i)], frame.get_forces(), atol=1e-6)
        np.testing.assert_allclose(labelled.values("stress")[i], frame.get_stress(voigt=False) / GPa, atol=1e-6)
    for trajectory in (0, 1):
        start = structures.structures[trajectory]
        positions = labelled[np.flatnonzero(labelled.values("trajectory") == trajectory)].positions.reshape(5, 4, 3)
        np.testing.assert_array_equal(labelled.numbers[:4], start.numbers)
        np.testing.assert_allclose(positions[0], start.positions, atol=1e-6)
        moved = np.abs(positions[1] - positions[0]).max(axis=1) > 1e-6
        assert moved.tolist() == (start.values("region") == 0).tolist()  # stage 1 moves region 0 alone
        assert (np.abs(positions[4] - positions[3]).max(axis=1) > 1e-6).all()
    assert outputs["summary"]["labelled_steps"] == 10
    collected = [call for call in node.called_descendants if call.process_label == "collect_steps"]
    assert {call.inputs.engine.value for call in collected} == {"pairs"}
    assert all(isinstance(call, CalcFunctionNode) for call in collected)
    # who computed the energies is asked of the engine
    assert {call.process_type for call in node.called_descendants if isinstance(call, CalcJobNode)} == {
        "aiida.calculations:pairs.run"
    }
    assert stand_ins_of(node) == [pairs_code.full_label]
    assert f"{pairs_code.full_label} is a stand-in for Pairs." in not_dft(stand_ins_of(node))


def test_steps_of_a_stage_that_fails_are_labels(pairs_code, slabs):
    overrides = {"pre_relaxed": True, "stage_2": {"settings": {"parameters": {"crash": True}}}}
    builder = LabelStructureWorkChain.get_builder_from_protocol(pairs_code, slabs(1), 0, "demo", overrides)
    outputs, node = run_get_node(builder)
    assert node.exit_status == LabelStructureWorkChain.exit_codes.ERROR_STAGE_2_FAILED.status
    assert len(outputs["labelled"]) == 3


def test_what_the_engine_refuses_is_refused_before_the_submission(pairs_code, slabs):
    def refused(**overrides):
        with pytest.raises(BadInput) as error:
            LabelWorkChain.get_builder_from_protocol(pairs_code, slabs(1), "demo", overrides)
        return str(error.value)

    said = refused(potential_family="other", stage_2={"settings": {"parameters": {"encut": 300}}})
    assert "dft: no family 'other': pairs install" in said
    assert "stage_2.settings: unknown parameter 'encut' of Pairs" in said
    with pytest.raises(
        BadInput, match=r"Pairs has no settings for the protocol 'paper' of dismai\.label; it has: demo"
    ):
        LabelWorkChain.get_builder_from_protocol(pairs_code, slabs(1), "paper")


def test_data_sets_and_pipelines_ask_the_same_engine(pairs_code, dismai_code):
    frames = [bulk("Li", cubic=True), bulk("Cu", cubic=True)]
    lower, upper = set_to_structure_data(from_ase(frames))
    overrides = {"n_check": 2, "label": {"potential_family": "other"}}
    builder = InterfaceDatasetWorkChain.get_builder_from_protocol(
        dismai_code, lower, upper, 1, dft_code=pairs_code, protocol="demo", overrides=overrides
    )
    assert builder.label.stage_2.settings.get_dict()["parameters"] == {"steps": 3, "step_size": 0.05}
    problems = problems_of(InterfaceDatasetWorkChain, builder._inputs(prune=True))
    found = {problem.path: problem.message for problem in problems}
    assert found["label.dft"] == "no family 'other': pairs install"
    assert found["train.check.label.dft"] == "family 'pairs-1.0' has no Li"


def test_the_plugin_of_a_code_chooses_the_engine(pairs, pairs_code, vasp_code, quick_computer):
    assert engine_for(pairs_code) is pairs.ENGINE
    assert engine_for(vasp_code()) is find("vasp")
    assert engine_of_plugin("pairs.other") is pairs.ENGINE
    assert [engine.name for engine in engines()] == ["pairs", "quantumespresso", "vasp"]
    plugins = ("pairs.run", "pairs.other", "quantumespresso.pw", "vasp.vasp")
    assert set(job_types()) == {f"aiida.calculations:{name}" for name in plugins}
    other = InstalledCode(label="add", computer=quick_computer, filepath_executable="/bin/true")
    other.default_calc_job_plugin = "core.arithmetic.add"
    with pytest.raises(BadInput, match=r"which no DFT engine drives; .*: pairs \(pairs.run, pairs.other\), quant"):
        engine_for(other.store())


def test_two_engines_of_one_plugin_are_refused(pairs, pairs_code, monkeypatch):
    monkeypatch.setattr(type(find("vasp")), "plugins", ("vasp.vasp", "pairs.run"))
    with pytest.raises(BadInput, match=r"several DFT engines drive its plugin 'pairs\.run': pairs, vasp; keep one"):
        engine_for(pairs_code)


def test_an_engine_that_cannot_be_imported_is_named(aiida_profile, monkeypatch, tmp_path, quick_computer):
    install(monkeypatch, tmp_path / "site", "dismai.dft", absent="no_such_module:ENGINE")
    assert [engine.name for engine in engines()] == ["quantumespresso", "vasp"]
    code = InstalledCode(label="absent", computer=quick_computer, filepath_executable="/bin/true").store()
    with pytest.raises(BadInput, match=r"absent \(broken: ModuleNotFoundError: No module named 'no_such_module'\)"):
        engine_for(code)


def test_setup_asks_the_engines(pairs, pairs_code, quick_computer):
    assert needed_potentials(pairs.ENGINE, "demo") == [Potentials("pairs-1.0")]

    def run(*arguments):
        return CliRunner().invoke(main, ["setup", *arguments])

    found = run("potentials", "--engine", "pairs", "--protocol", "demo")
    assert found.exit_code == 0, found.output
    assert "Pairs, family 'pairs-1.0'" in found.output
    missing = run("potentials", "--engine", "pairs", "--protocol", "demo", "--family", "none", "--path", "here")
    assert missing.exit_code == 1
    assert "no family 'none', or nothing in it; install it: pairs install here none" in missing.output
    looked = CliRunner().invoke(main, ["doctor", "--no-job", "--protocol", "demo"])
    assert "code pairs@localhost" in " ".join(looked.output.replace("│", " ").split())
    checked = CliRunner().invoke(main, ["doctor", "--no-job", "--protocol", "paper"])
    assert "Pairs has no settings for the protocol 'paper'" in " ".join(checked.output.replace("│", " ").split())
    both = run("code", "--computer", "localhost", "--dft-executable", "/bin/true", "--engine", "pairs", "--label", "b")
    assert both.exit_code == 0, both.output
    from aiida.orm import load_code

    assert load_code("b@localhost").default_calc_job_plugin == "pairs.run"


def test_which_engine_is_meant(pairs, aiida_profile_clean):
    result = CliRunner().invoke(main, ["setup", "potentials"])
    assert result.exit_code == 1
    assert "--engine: choose one of pairs, quantumespresso, vasp" in result.output


def test_licensed_files_of_each_engine(pairs, tmp_path):
    (tmp_path / "a.pair").write_text("x")
    (tmp_path / "b.txt").write_text("all the SECRET PAIRS")
    (tmp_path / "POTCAR").write_text("x")
    held = list(licensed_content([SinglefileData(tmp_path / name).store() for name in ("a.pair", "b.txt", "POTCAR")]))
    assert [item.files.noun for item in held] == ["pair potentials", "pair potentials", "POTCARs"]
    assert "'a.pair'" in held[0].where
    assert "in 'b.txt'" in held[1].where
