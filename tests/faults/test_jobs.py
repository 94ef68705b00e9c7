"""What happens to jobs on a cluster: after each, the study ends with the same structures."""

import os
import signal

import pytest
from support.services.processes import wait_for

pytestmark = [pytest.mark.services, pytest.mark.slow]


def test_a_killed_process(production, waiting, ends_well):
    """As by the kernel, where the memory of the node is full: Slurm says nothing of it."""
    os.kill(waiting.pid, signal.SIGKILL)
    first, second = ends_well(waiting.chain, 420, 0)
    assert "Killed" in first.exit_message
    assert 0 < second.outputs.results["n_resumed"] < 6


def test_a_cancelled_job(production, waiting, ends_well):
    production.services.slurm.command("scancel", waiting.slurm_id)
    first, second = ends_well(waiting.chain, 421, 0)
    assert "CANCELLED AT" in first.exit_message
    assert second.outputs.results["n_resumed"] > 0


def test_a_job_cancelled_while_it_waits(production, submit, ends_well):
    slurm = production.services.slurm
    slurm.command("scontrol", "update", "partition=main", "state=down")
    try:
        chain = submit(waits=False)
        wait_for(lambda: slurm.command("squeue", "-h", "-t", "pending", "-o", "%i").strip(), "no job is queued", 300)
        slurm.command("scancel", slurm.command("squeue", "-h", "-t", "pending", "-o", "%i").strip())
    finally:
        slurm.command("scontrol", "update", "partition=main", "state=up")
    first, _ = ends_well(chain, 421, 0)
    assert "it never began" in first.exit_message


def test_the_wall_time(production, waiting, ends_well):
    """Slurm's limit, not the soft stop of the task; its message is not the first line of stderr."""
    production.services.slurm.command("scontrol", "update", f"jobid={waiting.slurm_id}", "EndTime=now+2")
    first, second = ends_well(waiting.chain, 120, 0)
    assert "DUE TO TIME LIMIT" in first.outputs.retrieved.get_object_content("_scheduler-stderr.txt")
    assert second.outputs.results["n_resumed"] > 0


def test_a_node_that_fails(production, waiting, ends_well):
    slurm = production.services.slurm
    slurm.command("scontrol", "update", f"nodename={slurm.host}", "state=down", "reason=tests")
    wait_for(
        lambda: not slurm.command("squeue", "-h", "-j", waiting.slurm_id, "-t", "running", check=False).strip(),
        "end",
        60,
    )
    slurm.command("scontrol", "update", f"nodename={slurm.host}", "state=resume")
    _, second = ends_well(waiting.chain, 140, 0)
    assert second.outputs.results["n_resumed"] > 0


def test_a_damaged_checkpoint(production, waiting, ends_well):
    """It is set aside, said, and everything is relaxed again."""
    pieces = waiting.folder / "checkpoint" / "pieces.bin"
    pieces.write_bytes(b"\0" * 100 + pieces.read_bytes()[100:])
    os.kill(waiting.pid, signal.SIGKILL)
    _, second = ends_well(waiting.chain, 420, 0)
    assert second.outputs.results["n_resumed"] == 0
    assert "starts from the beginning" in second.outputs.results["warnings"][0]
    report = production.verdi("process", "report", waiting.chain.pk)
    assert "warns:" in report


def test_a_daemon_worker_that_is_killed(production, waiting, ends_well):
    """The daemon starts another one, which takes up what the first one had."""
    from aiida.engine.daemon.client import get_daemon_client

    workers = [int(pid) for pid in get_daemon_client().get_worker_info()["info"]]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    os.kill(waiting.pid, signal.SIGKILL)
    ends_well(waiting.chain, 420, 0)


@pytest.mark.parametrize("name", ["slurmctld", "slurmd"])
def test_a_daemon_of_slurm_that_is_killed(production, waiting, ends_well, name):
    slurm = production.services.slurm
    slurm.kill(name)
    slurm.start()
    os.kill(waiting.pid, signal.SIGKILL)
    ends_well(waiting.chain, 420, 0)
