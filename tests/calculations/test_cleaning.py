"""Files that stay on the computers: what is removed after success, and what is kept elsewhere."""

from pathlib import Path

import pytest
from aiida import orm
from aiida.engine import run_get_node

from aiida_dismai.data import StructureSetData
from aiida_dismai.workchains.checks import option_problems
from aiida_dismai.workchains.jobs import RelaxChunkWorkChain
from aiida_dismai.workchains.problems import text_of

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
LJ = {"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": {"sigma": 2.3, "epsilon": 0.2, "rc": 5.0}}
RESOURCES = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "max_wallclock_seconds": 600}


def relax(code, structures, **more):
    return run_get_node(
        RelaxChunkWorkChain,
        code=code,
        structures=StructureSetData(structures),
        parameters=orm.Dict(LJ | more.pop("parameters", {})),
        options=orm.Dict(RESOURCES | more),
    )


@pytest.mark.engine
def test_a_finished_job_is_stashed_and_its_folder_removed(dismai_code, copper, tmp_path):
    stash = {"target_base": str(tmp_path / "kept"), "source_list": ["structures.npz"], "stash_mode": "copy"}
    outputs, node = relax(dismai_code, copper(), clean_workdir=True, stash=stash)
    assert node.is_finished_ok, node.exit_message
    (job,) = node.called
    assert job.outputs.remote_folder.is_cleaned
    assert not any(Path(job.outputs.remote_folder.get_remote_path()).glob("*"))
    kept = Path(outputs["remote_stash"].target_basepath) / "structures.npz"
    assert kept.is_file()
    assert len(outputs["structures"]) == 2


def test_the_folder_of_a_failed_job_stays(dismai_code, copper):
    _, node = relax(dismai_code, copper(), clean_workdir=True, parameters={"calculator_kwargs": {"rc": "far"}})
    assert node.is_failed
    assert not any(job.outputs.remote_folder.is_cleaned for job in node.called)


def test_another_value_is_refused():
    assert "clean_workdir: must be true or false (given: 'yes')" in text_of(option_problems({"clean_workdir": "yes"}))
