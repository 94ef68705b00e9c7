"""Workers and the cores that a job asks for."""

import json
from copy import deepcopy

import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.plugins import SchedulerFactory
from aiida.schedulers.datastructures import JobTemplate
from support.children import process

from aiida_dismai.calculations.cores import cores_given, cores_needed, refuse_mismatch, with_cores
from aiida_dismai.data import StructureSetData
from aiida_dismai.workchains.jobs import RelaxChunkWorkChain

ONE = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
SLOTS = {"parallel_env": "smp", "tot_num_mpiprocs": 8}
LJ = {"calculator": "ase.calculators.lj:LennardJones"}


@pytest.mark.parametrize(
    ("resources", "cores"),
    [
        (ONE, None),
        ({**ONE, "num_cores_per_mpiproc": 16}, 16),
        ({**ONE, "num_cores_per_machine": 64}, 64),
        ({"num_machines": 1, "num_mpiprocs_per_machine": 2, "num_cores_per_mpiproc": 4}, 8),
        ({"num_machines": 1, "num_mpiprocs_per_machine": 12}, 12),
        (SLOTS, 8),
    ],
)
def test_cores_that_resources_ask_for(resources, cores):
    assert cores_given(resources) == cores


def test_workers_and_resources_agree():
    assert cores_needed({"workers": "auto"}) is None
    assert cores_needed({"workers": 8, "threads": 2}) == 16
    assert cores_needed({"fmax": 0.1}) is None
    assert with_cores(ONE, {"workers": "auto"}) == ONE
    assert with_cores(SLOTS, {"workers": 4}) == SLOTS
    assert with_cores(ONE, {"workers": 16}) == {**ONE, "num_cores_per_mpiproc": 16}
    assert refuse_mismatch({"workers": 16}, ONE) is None
    assert refuse_mismatch({"workers": 8}, SLOTS) is None
    message = refuse_mismatch({"workers": 9}, SLOTS)
    assert "workers: 9 need 9 cores, and the resources ask for 8; give resources.tot_num_mpiprocs = 9" in message
    message = refuse_mismatch({"workers": 4, "threads": 2}, {**ONE, "num_cores_per_mpiproc": 4})
    assert "give resources.num_cores_per_mpiproc = 8, or the parameter workers = 'auto'" in message


@pytest.mark.parametrize(
    ("scheduler", "line"),
    [("core.slurm", "#SBATCH --cpus-per-task=16"), ("core.pbspro", "ncpus=16"), ("core.direct", "")],
)
def test_schedulers_are_asked_for_the_cores_of_the_workers(scheduler, line):
    plugin = SchedulerFactory(scheduler)
    template = JobTemplate()
    template.job_resource = plugin.create_job_resource(**with_cores(ONE, {"workers": 16}))
    template.max_wallclock_seconds = 60
    template.shebang, template.codes_info, template.codes_run_mode = "#!/bin/bash", [], None
    assert line in plugin()._get_submit_script_header(template)


@pytest.mark.parametrize(("scheduler", "line"), [("core.sge", "#$ -pe smp 8"), ("core.lsf", "-n 8")])
def test_slots_are_the_cores(scheduler, line):
    plugin = SchedulerFactory(scheduler)
    template = JobTemplate()
    given = SLOTS if scheduler == "core.sge" else {**SLOTS, "default_mpiprocs_per_machine": None}
    template.job_resource = plugin.create_job_resource(**given)
    template.max_wallclock_seconds = 60
    assert line in plugin()._get_submit_script_header(template)


@pytest.mark.usefixtures("aiida_profile_clean")
def test_the_job_is_given_its_cores(dismai_code, copper):
    inputs = {
        "code": dismai_code,
        "structures": StructureSetData(copper()),
        "parameters": orm.Dict({**LJ, "workers": 2}),
        "metadata": {"options": {"resources": {**ONE, "num_cores_per_mpiproc": 2}}},
    }
    calculation = process("dismai.relax", deepcopy(inputs))
    with SandboxFolder() as folder:
        calculation.prepare_for_submission(folder)
        with folder.open("task.json") as handle:
            assert json.load(handle)["cores"] == 2
    inputs["parameters"] = orm.Dict({**LJ, "workers": 3})
    with pytest.raises(ValueError, match="workers: 3 need 3 cores, and the resources ask for 2"):
        process("dismai.relax", inputs)


@pytest.mark.usefixtures("aiida_profile_clean")
def test_the_workchain_asks_for_what_the_workers_need(dismai_code, copper):
    inputs = {
        "code": dismai_code,
        "structures": StructureSetData(copper()),
        "parameters": orm.Dict({**LJ, "workers": 2}),
        "options": orm.Dict({"resources": ONE}),
    }
    chain = process(RelaxChunkWorkChain, deepcopy(inputs))
    chain.setup()
    assert chain.ctx.inputs.metadata["options"]["resources"] == {**ONE, "num_cores_per_mpiproc": 2}
    inputs["options"] = orm.Dict({"resources": {**ONE, "num_cores_per_machine": 1}})
    with pytest.raises(ValueError, match="need 2 cores, and the resources ask for 1"):
        process(RelaxChunkWorkChain, inputs)
