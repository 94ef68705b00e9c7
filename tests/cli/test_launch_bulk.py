"""`aiida-dismai launch bulk`: from the file of a crystal to a crystal that `--slab-a` takes."""

import numpy as np
import pytest
import yaml
from aiida.orm import ProcessNode, QueryBuilder
from ase.build import bulk
from click.testing import CliRunner
from support.pw import install_pseudos, make_pw_code
from support.standin import potcar_family, vasp_code

from aiida_dismai.cli import main
from aiida_dismai.cli.inputs import crystal_input

__all__ = ["potcar_family", "vasp_code"]


@pytest.fixture
def silicon_file(tmp_path):
    path = tmp_path / "Si.cif"
    bulk("Si", a=5.5).write(path)
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["launch", "bulk", *map(str, arguments)], env={"COLUMNS": "300"})


def test_what_would_be_run(quick_computer, silicon_file):
    code, name = make_pw_code(quick_computer, "/bin/true"), install_pseudos()
    before = QueryBuilder().append(ProcessNode).count()
    given = ("--crystal", silicon_file, "--dft-code", code.pk, "--set", f"potential_family={name}", "--dry-run")
    result = run(*given, "--protocol", "bulk_lsc", "--set", "stage_2.settings.kpoints.offset=[0, 0, 0]")
    assert result.exit_code == 0, result.output
    content = yaml.safe_load(result.output)
    assert content["process"] == "dismai.bulk"
    inputs = content["inputs"]
    assert "stage_1" not in inputs
    settings = inputs["stage_2"]["settings"]
    assert settings["parameters"]["CONTROL"]["calculation"] == "vc-relax"
    assert settings["parameters"]["CONTROL"]["forc_conv_thr"] == 3.889e-5  # 0.001 eV/Å in Ry/bohr
    assert settings["kpoints"] == {"mesh": [6, 4, 6], "offset": [0, 0, 0]}
    assert settings["moves"] is None
    # the paper's other crystal is the default
    assert yaml.safe_load(run(*given).output)["inputs"]["stage_2"]["settings"]["kpoints"]["mesh"] == [9, 9, 1]
    assert QueryBuilder().append(ProcessNode).count() == before


def test_what_is_refused(quick_computer, silicon_file, tmp_path):
    code = make_pw_code(quick_computer, "/bin/true")
    few = install_pseudos("few", elements=("Li", "O"))
    given = ("--crystal", silicon_file, "--dft-code", code.pk, "--set", f"potential_family={few}", "--dry-run")
    for arguments, said in (
        (given, "dft: family 'few' has no pseudopotential of Si (it has those of Li, O)"),
        ((*given, "--protocol", "bulk_lcx"), "unknown protocol 'bulk_lcx'"),
        ((*given, "--set", "stage_2.settings.kpoints.offset=[0.25, 0, 0]"), "pw.x shifts a mesh by 0 or 0.5 only"),
        (("--crystal", tmp_path / "no.cif", "--dft-code", code.pk), "no.cif"),
        (("--crystal", silicon_file, "--dft-code", "nothing@localhost"), "nothing@localhost"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1, result.output
        assert said in " ".join(result.output.split())


@pytest.mark.engine
def test_it_runs(vasp_code, potcar_family, tmp_path):
    path = tmp_path / "Cu.cif"
    bulk("Cu", a=3.7, cubic=True).write(path)
    given = ["--crystal", path, "--dft-code", vasp_code("emt").pk, "--set", f"potential_family={potcar_family}"]
    result = run(*given, "--set", "potential_mapping={Cu: Cu}", "--label", "copper", "--run")
    assert result.exit_code == 0, result.output
    assert "finished" in result.output
    # EMT's copper; the process is what the next command takes
    np.testing.assert_allclose(crystal_input("copper", "slab-a").get_ase().cell.lengths(), 3.589, atol=0.01)
