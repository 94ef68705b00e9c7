"""A relaxation that waits in the middle of its work, so that something can happen to it."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiida import orm
from support.services.fixtures import BIN, COMPUTER
from support.services.processes import wait_for

from aiida_dismai.data import StructureSetData
from aiida_dismai.workchains.jobs import RelaxChunkWorkChain

TESTS = Path(__file__).parents[1]
#: Seconds for which the job waits, unless it is ended before.
PAUSE = 900


@dataclass
class Waiting:
    """A submitted relaxation whose job waits.

    Attributes:
        chain: node of the WorkChain.
        job: node of its first job.
        folder: the job's folder.
    """

    chain: orm.WorkChainNode
    job: orm.CalcJobNode
    folder: Path

    @property
    def slurm_id(self):
        return self.job.get_job_id()

    @property
    def pid(self):
        """Return the number of the engine's process."""
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    if (
                        os.readlink(process / "cwd") == str(self.folder)
                        and b"dismai" in (process / "cmdline").read_bytes()
                    ):
                        name = (process / "comm").read_text()
                        if "bash" not in name and "slurm" not in name:
                            return int(process.name)
                except OSError:
                    continue
        raise AssertionError("the job is not running")


@pytest.fixture(scope="session")
def code(production):
    """The PK of a code with the calculators of the tests (the node would not outlive a connection)."""
    allowed = "support.standin_calculators:PausedOnce"
    made = orm.InstalledCode(
        label="dismai-faults",
        computer=orm.load_computer(COMPUTER),
        filepath_executable=str(BIN / "dismai"),
        default_calc_job_plugin="dismai.relax",
        prepend_text=f"export OMP_NUM_THREADS=1 PYTHONPATH={TESTS} DISMAI_ALLOW_FACTORY={allowed}",
    ).store()
    return made.pk


@pytest.fixture
def submit(code, copper, tmp_path):
    """Return a function that submits the relaxation of six structures; it waits in the middle unless told not to."""
    from aiida.engine import submit as to_daemon

    def run(waits=True):
        marker = tmp_path / "waited"
        if not waits:
            marker.touch()
        parameters = {
            "calculator": "support.standin_calculators:PausedOnce",
            "calculator_kwargs": {"marker": str(marker), "call": 25, "seconds": PAUSE},
            "optimizer": "BFGS",
            "fmax": 0.02,
            "steps": 60,
        }
        options = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "max_wallclock_seconds": 3600}
        structures = StructureSetData(copper(6)).store()
        return to_daemon(
            RelaxChunkWorkChain,
            code=orm.load_node(code),
            structures=structures,
            parameters=orm.Dict(parameters),
            options=orm.Dict(options),
        )

    return run


def first_job(chain):
    found = [child for child in chain.called if isinstance(child, orm.CalcJobNode)]
    return found[0] if found else None


@pytest.fixture
def waiting(submit, tmp_path):
    """The relaxation, with some of its structures relaxed and kept."""
    chain = submit()
    wait_for((tmp_path / "waited").exists, "the job does not come to its pause", 600)
    job = first_job(chain)
    return Waiting(chain, job, Path(job.get_remote_workdir()))


@pytest.fixture(scope="session")
def undisturbed(code, production, tmp_path_factory):
    """The content of the relaxed structures where nothing happened."""
    return {}


@pytest.fixture
def ends_well(production, submit, undisturbed):
    """Return a function that waits for the end and compares it with that of a run to which nothing happened."""
    if not undisturbed:
        plain = production.finished(submit(waits=False).pk, 900)
        undisturbed["hash"] = plain.outputs.structures.content_hash

    def check(chain, *statuses):
        node = production.finished(getattr(chain, "pk", chain), 900)
        jobs = production.jobs(node)
        assert [job.exit_status for job in jobs] == list(statuses)
        assert node.outputs.structures.content_hash == undisturbed["hash"]
        return jobs

    return check
