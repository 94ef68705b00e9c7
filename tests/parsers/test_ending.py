"""Why a job left no results, from what the scheduler, the shell and the system wrote of it."""

from functools import partial

import numpy as np
import pytest
from aiida.plugins import CalculationFactory
from support.parsing import parse_left

from aiida_dismai.engine.structures import StructureSet

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")


@pytest.fixture
def parse(quick_computer, tmp_path):
    """Return a function that parses what a job of ``dismai.relax`` left."""
    return partial(parse_left, quick_computer, tmp_path)


def codes():
    return CalculationFactory("dismai.relax").spec().exit_codes


STEPD = "slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-11-29T10:00:00"
#: What a job's stderr says, and the exit code.
ENDINGS = {
    f"{STEPD} DUE TO TIME LIMIT ***": "ERROR_SCHEDULER_OUT_OF_WALLTIME",
    f"{STEPD} DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***": "ERROR_SCHEDULER_NODE_FAILURE",
    f"{STEPD} DUE TO PREEMPTION ***": "ERROR_PREEMPTED",
    f"{STEPD} DUE TO JOB REQUEUE ***": "ERROR_PREEMPTED",
    f"{STEPD} ***": "ERROR_CANCELLED",
    "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch.": "ERROR_SCHEDULER_OUT_OF_MEMORY",
    "slurmstepd: error: Exceeded job memory limit": "ERROR_SCHEDULER_OUT_OF_MEMORY",
    "=>> PBS: job killed: walltime 61 exceeded limit 60": "ERROR_SCHEDULER_OUT_OF_WALLTIME",
    "=>> PBS: job killed: mem 2000kb exceeded limit 1000kb": "ERROR_SCHEDULER_OUT_OF_MEMORY",
    "TERM_RUNLIMIT: job killed after reaching LSF run time limit.": "ERROR_SCHEDULER_OUT_OF_WALLTIME",
    "TERM_ADMIN: job killed by root or LSF administrator.": "ERROR_CANCELLED",
    "script: line 20: 12345 Killed                  'dismai' 'run' 'task.json'": "ERROR_KILLED",
    "script: line 20: 12345 Bus error               (core dumped) 'dismai'": "ERROR_KILLED",
    "dismai: results.json cannot be written: No space left on device": "ERROR_DISK_FULL",
    "OSError: [Errno 122] Disk quota exceeded": "ERROR_DISK_FULL",
}
NOISE = "UserWarning: something\n" * 30_000


@pytest.mark.parametrize("line", ENDINGS)
@pytest.mark.parametrize("around", [("", ""), ("first\n", "last\n"), (NOISE, "")])
def test_what_ended_a_job_is_found_wherever_it_stands(parse, line, around):
    _, node = parse(results=None, left={"_scheduler-stderr.txt": f"{around[0]}{line}\n{around[1]}"})
    assert node.exit_status == codes()[ENDINGS[line]].status
    assert line.split("  ")[0] in node.exit_message


def test_the_scheduler_is_heard_in_what_the_code_writes_too(parse):
    left = {"_scheduler-stderr.txt": "", "dismai.err": "OSError: [Errno 28] No space left on device\n"}
    _, node = parse(results=None, left=left)
    assert node.exit_status == codes().ERROR_DISK_FULL.status


def test_bytes_that_are_no_text_do_not_hide_it(parse):
    left = {"_scheduler-stderr.txt": b"\xff\xfe\n" + f"{STEPD} ***\n".encode()}
    assert parse(results=None, left=left)[1].exit_status == codes().ERROR_CANCELLED.status


def test_without_any_file_the_job_never_began(parse):
    """Cancelled while pending: the scheduler had not even made its own files."""
    _, node = parse(results=None)
    assert node.exit_status == codes().ERROR_CANCELLED.status
    assert "it never began" in node.exit_message


def test_progress_and_nothing_else_is_a_kill(parse):
    left = {"_scheduler-stderr.txt": "", "dismai.err": "working\n", "progress.jsonl": '{"done": 1}\n'}
    _, node = parse(results=None, left=left)
    assert node.exit_status == codes().ERROR_KILLED.status
    assert "dismai.err: working" in node.exit_message


@pytest.mark.parametrize(
    ("state", "label"),
    [
        ("CANCELLED by 0", "ERROR_CANCELLED"),
        ("PREEMPTED", "ERROR_PREEMPTED"),
        ("NODE_FAIL", "ERROR_SCHEDULER_NODE_FAILURE"),
        ("BOOT_FAIL", "ERROR_SCHEDULER_NODE_FAILURE"),
    ],
)
def test_the_accounting_knows_more_than_the_files(parse, state, label):
    info = {"retval": 0, "stdout": f"JobID|State|ExitCode\n7|{state}|0:0\n", "stderr": ""}
    _, node = parse(results=None, left={"_scheduler-stderr.txt": ""}, accounting=info)
    assert node.exit_status == codes()[label].status


def test_a_job_that_wrote_its_results_is_judged_by_them(parse):
    structures = StructureSet.from_uniform([29], np.zeros((1, 1, 3)), np.eye(3) * 4)
    left = {"_scheduler-stderr.txt": f"{STEPD} ***\n"}
    assert parse(files={"structures.npz": structures}, left=left)[1].is_finished_ok
