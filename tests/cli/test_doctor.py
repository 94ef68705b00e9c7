"""`aiida-dismai doctor`: what is well and what is not, each failure with its mend."""

from datetime import UTC, datetime, timedelta

import pytest
from aiida import orm
from aiida.engine import run_get_node
from click.testing import CliRunner
from plumpy import ProcessState
from support.children import ended

from aiida_dismai import __version__
from aiida_dismai.calculations.check import CheckCalculation
from aiida_dismai.cli import findings, main
from aiida_dismai.cli.watching import PATIENCE, active_processes, idle_for

HEAD = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 100 50"


@pytest.mark.parametrize(
    ("answer", "state", "text"),
    [
        (None, "warn", "consumer_timeout = 36000000000"),
        ("undefined", "ok", "none"),
        ("{ok,undefined}", "ok", "none"),
        ("{ok,1800000}", "wrong", "30 minutes: processes that take longer run twice or are lost"),
        ("{ok,36000000000}", "ok", "417 days"),
        ("{error,x}", "wrong", "{error,x}"),
    ],
)
def test_how_long_rabbitmq_lets_a_message_be_held(answer, state, text):
    finding = findings.timeout_finding(answer)
    assert finding.state == state
    assert text in finding.found


@pytest.mark.parametrize(("offset", "state"), [(0.5, "ok"), (-30, "ok"), (3600, "warn"), (-90, "warn")])
def test_clocks(offset, state):
    finding = findings.clock_finding("computer far", offset)
    assert finding.state == state
    assert (state == "ok") or ("ahead of" if offset > 0 else "behind") in finding.found


@pytest.mark.parametrize(
    ("table", "state"),
    [(f"{HEAD} 100000000 5% /\n", "ok"), (f"{HEAD} 900000 99% /\n", "warn"), ("", "warn"), ("no such file", "warn")],
)
def test_disks(table, state):
    assert findings.disk_finding("disk", table, "/scratch").state == state


def test_versions_must_fit():
    assert findings.version_finding("code", f"dismai, version {__version__}\n").state == "ok"
    patch = ".".join([*__version__.split(".")[:2], "99"])
    assert findings.version_finding("code", f"dismai, version {patch}\n").state == "ok"
    wrong = findings.version_finding("code", "dismai, version 99.0.0\n")
    assert wrong.state == "wrong"
    assert "99.0.0" in wrong.found
    assert __version__ in wrong.found


def job(computer, **results):
    found = {"cores": 4, "free_disk_gb": 80.0, "gpus": [], "torch": True, **results}
    return ended(0, None, {"results": orm.Dict(found)}, orm.CalcJobNode, computer)


@pytest.mark.parametrize(
    ("results", "gpus", "state", "text"),
    [
        ({}, 0, "ok", "no GPU seen"),
        ({"gpus": ["H200"]}, 1, "ok", "H200"),
        ({}, 1, "wrong", "though 1 asked for: none granted"),
        ({"visible_gpus": "0"}, 1, "wrong", "the scheduler granted 0, torch has no CUDA there"),
        ({"torch": False}, 0, "wrong", "torch is not installed"),
    ],
)
def test_what_a_job_saw(aiida_profile_clean, quick_computer, results, gpus, state, text):
    finding = findings.job_finding(job(quick_computer, **results), gpus)
    assert finding.state == state
    assert text in finding.found


def test_a_job_that_failed_says_why(aiida_profile_clean, quick_computer):
    finding = findings.job_finding(ended(421, "it was cancelled", {}, orm.CalcJobNode, quick_computer), 0)
    assert finding.state == "wrong"
    assert "[421] it was cancelled" in finding.found
    assert "verdi process report" in finding.found


def test_computers_and_codes(aiida_profile_clean, dismai_code, tmp_path):
    states = {finding.what: finding.state for finding in findings.computer_findings(dismai_code.computer)}
    label = f"computer {dismai_code.computer.label}"
    assert states[label] == states[f"{label}, clock"] == "ok"
    assert f"{label}, disk" in states
    assert findings.code_finding(dismai_code, dismai=True) == (
        f"code {dismai_code.full_label}",
        "ok",
        f"version {__version__}",
    )
    gone = orm.InstalledCode(label="x", computer=dismai_code.computer, filepath_executable=str(tmp_path / "dismai"))
    assert "is not there" in findings.code_finding(gone, dismai=True).found
    bad = tmp_path / "bad"
    bad.write_text("#!/bin/sh\necho libcuda.so is missing >&2\nexit 3\n")
    bad.chmod(0o755)
    broken = orm.InstalledCode(label="y", computer=dismai_code.computer, filepath_executable=str(bad))
    assert "does not run (libcuda.so is missing)" in findings.code_finding(broken, dismai=True).found


def test_the_command_names_what_is_missing(aiida_profile_clean):
    result = CliRunner().invoke(main, ["doctor", "--no-job"], env={"COLUMNS": "200"})
    assert result.exit_code == 1
    text = " ".join(result.output.split())
    assert "core.sqlite_dos; for thousands of jobs take PostgreSQL" in text
    assert "verdi daemon start 4" in text
    assert "aiida-dismai setup code --computer NAME --executable PATH" in text


@pytest.mark.engine
def test_the_task_tells_what_a_job_finds(aiida_profile_clean, dismai_code):
    options = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "max_wallclock_seconds": 600}
    _, node = run_get_node(CheckCalculation, code=dismai_code, parameters={}, metadata={"options": options})
    assert node.is_finished_ok, node.exit_message
    assert findings.job_finding(node, 0).state == "ok"
    results = node.outputs.results.get_dict()
    assert results["torch"] is True
    assert results["cores"] >= 1
    assert abs(results["clock"] - node.mtime.timestamp()) < 600
    assert results["versions"]["aiida-dismai"] == __version__


def waiting(node_class, **more):
    node = node_class()
    node.set_process_state(ProcessState.WAITING)
    for name, value in more.items():
        getattr(node, f"set_{name}")(value)
    return node.store()


def test_a_study_without_progress_is_noticed(aiida_profile_clean):
    waiting(orm.WorkChainNode)
    later = datetime.now(UTC) + timedelta(seconds=PATIENCE + 60)
    assert idle_for(active_processes()) is None
    assert idle_for(active_processes(), later) >= PATIENCE
    # a job that computes or waits in a queue changes nothing for days
    from aiida.common.datastructures import CalcJobState

    waiting(orm.CalcJobNode, state=CalcJobState.WITHSCHEDULER)
    assert idle_for(active_processes(), later) is None
    assert idle_for([], later) is None
