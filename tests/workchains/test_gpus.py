"""GPUs: asked for by the jobs that can use one, beside what the user tells the scheduler anyway."""

import pytest
from aiida import orm
from click.testing import CliRunner
from support.children import process

from aiida_dismai.calculations.gpus import gpu_problem, with_gpus
from aiida_dismai.cli import main
from aiida_dismai.data import StructureSetData
from aiida_dismai.workchains.jobs import PostprocessWorkChain, RelaxChunkWorkChain

LJ = {"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": {"sigma": 2.3, "epsilon": 0.2, "rc": 5.0}}


@pytest.fixture
def slurm_code(aiida_profile_clean, tmp_path):
    computer = orm.Computer(
        label="far", hostname="far", transport_type="core.local", scheduler_type="core.slurm", workdir=str(tmp_path)
    ).store()
    computer.configure()
    return orm.InstalledCode(
        label="dismai", computer=computer, filepath_executable="/opt/dismai", default_calc_job_plugin="dismai.relax"
    ).store()


def options_of(chain, code, structures, parameters, **more):
    """Return the scheduler options with which the first job would be submitted."""
    options = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, **more}
    inputs = {"code": code, "structures": structures, "parameters": orm.Dict(parameters), "options": orm.Dict(options)}
    made = process(chain, inputs)
    made.setup()
    return made.ctx.inputs.metadata["options"]


def test_a_job_with_a_device_asks_for_them_beside_the_lines_of_the_user(slurm_code, copper):
    structures = StructureSetData(copper())
    found = options_of(
        RelaxChunkWorkChain, slurm_code, structures, LJ, gpus=2, custom_scheduler_commands="#SBATCH --constraint=a100"
    )
    assert found["custom_scheduler_commands"] == "#SBATCH --constraint=a100\n#SBATCH --gres=gpu:2"
    assert "gpus" not in found


@pytest.mark.parametrize(
    ("chain", "parameters"), [(PostprocessWorkChain, {}), (RelaxChunkWorkChain, LJ | {"device": "cpu"})]
)
def test_a_job_without_a_use_for_them_does_not(slurm_code, copper, chain, parameters):
    found = options_of(
        chain, slurm_code, StructureSetData(copper()), parameters, gpus=1, custom_scheduler_commands="#SBATCH --nice"
    )
    assert found["custom_scheduler_commands"] == "#SBATCH --nice"
    assert "gpus" not in found


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2"])
def test_a_number_that_is_none_is_refused(slurm_code, copper, number):
    assert "whole number" in gpu_problem({"gpus": number})
    with pytest.raises(ValueError, match=r"gpus.*whole number"):
        options_of(RelaxChunkWorkChain, slurm_code, StructureSetData(copper()), LJ, gpus=number)


def test_a_scheduler_that_cannot_be_asked_is_refused_before(dismai_code, copper):
    with pytest.raises(ValueError, match=r"gpus.*no scheduler \(core\.direct\)"):
        options_of(RelaxChunkWorkChain, dismai_code, StructureSetData(copper()), LJ, gpus=1)


def test_without_a_number_nothing_is_changed():
    options = {"queue_name": "cpu"}
    assert with_gpus(options, {"device": "cuda"}, None) == options


def test_the_command_line_keeps_what_the_overrides_say(slurm_code, copper, tmp_path):
    """The lines of the overrides' options used to be lost beside --gpus."""
    structures = StructureSetData(copper(8)).store()
    (tmp_path / "overrides.yaml").write_text("options: {custom_scheduler_commands: '#SBATCH --constraint=a100'}\n")
    arguments = ["launch", "generator", "--structures", structures.pk, "--model", "cryingan", "--seed", 1, "--gpus", 1]
    result = CliRunner().invoke(
        main, [str(word) for word in (*arguments, "--overrides", tmp_path / "overrides.yaml", "--dry-run")]
    )
    assert result.exit_code == 0, result.output
    assert "gpus: 1" in result.output
    assert "custom_scheduler_commands: '#SBATCH --constraint=a100'" in result.output
