"""Monitors: each stops a job that runs, and what becomes of it then."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.schedulers import JobState
from support.pw import as_node, make_pw_code, pseudo_family, silicon

from aiida_dismai.calculations import monitors
from aiida_dismai.calculations.monitors import BY_NAME, with_monitors
from aiida_dismai.calculations.relax import RelaxCalculation
from aiida_dismai.cli.status import summary_lines
from aiida_dismai.data import StructureSetData
from aiida_dismai.dft import find
from aiida_dismai.workchains.checks import option_problems
from aiida_dismai.workchains.jobs import RelaxChunkWorkChain
from aiida_dismai.workchains.label_structure import LabelStructureWorkChain
from aiida_dismai.workchains.problems import text_of
from aiida_dismai.workchains.protocols.names import Options

__all__ = ["pseudo_family"]
pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
LJ = {"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": {"sigma": 2.3, "epsilon": 0.2, "rc": 5.0}}
#: AiiDA's exit code of a job that a monitor stopped.
STOPPED = 150
RESOURCES = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "max_wallclock_seconds": 600}


def code_of(computer, folder, lines):
    """Return a code that runs a script in place of `dismai`."""
    path = folder / "dismai"
    path.write_text("#!/bin/sh\n" + lines)
    path.chmod(0o755)
    return orm.InstalledCode(
        label="hangs",
        computer=computer,
        filepath_executable=str(path),
        default_calc_job_plugin="dismai.relax",
        prepend_text=f"export OMP_NUM_THREADS=1 PYTHONPATH={Path(__file__).parents[1]} "
        "DISMAI_ALLOW_FACTORY=ase.calculators.lj:LennardJones",
    ).store()


def run_chunk(code, structures, chosen):
    return run_get_node(
        RelaxChunkWorkChain,
        code=code,
        structures=StructureSetData(structures),
        parameters=orm.Dict(LJ),
        options=orm.Dict(RESOURCES | {"monitors": chosen}),
    )


@pytest.mark.engine
def test_a_stalled_job_is_stopped_and_resumed(quick_computer, tmp_path, copper):
    real = Path(sys.prefix) / "bin" / "dismai"
    hangs = f"""test -e {tmp_path}/second && exec {real} "$@"
touch {tmp_path}/second
find . -exec touch -d '2 hours ago' {{}} +
exec sleep 120
"""
    code = code_of(quick_computer, tmp_path, hangs)
    _, node = run_chunk(code, copper(), {"stalled": {"minutes": 60, "every": 1}})
    first, second = sorted(node.called, key=lambda call: call.pk)
    assert first.exit_status == STOPPED
    assert first.exit_message.startswith("stalled: no file has changed for 120 minutes (limit 60)")
    assert second.is_finished_ok, second.exit_message
    assert node.is_finished_ok
    assert "stalled: no file has changed" in summary_lines(node, True)
    assert any("stalled" in log.message for log in orm.Log.collection.get_logs_for(node))


def test_a_disk_that_stays_full(quick_computer, tmp_path, copper):
    code = code_of(quick_computer, tmp_path, "exec sleep 120\n")
    _, node = run_chunk(code, copper(), {"disk": {"gigabytes": 1e9, "every": 1}, "stalled": None})
    assert node.exit_status == node.process_class.exit_codes.ERROR_DISK_FULL.status
    assert "disk: " in node.exit_message
    assert "GB are free (limit 1e+09)" in node.exit_message
    assert [call.exit_status for call in node.called] == [STOPPED, STOPPED]
    assert all(list(call.inputs.monitors) == ["disk"] for call in node.called)


def test_a_training_that_diverges(quick_computer, tmp_path, copper):
    losses = [1.0] * 9 + [2e3] * 3
    lines = "".join(f'{{"stage": "train", "done": {i}, "train_loss": {loss}}}\n' for i, loss in enumerate(losses))
    (tmp_path / "lines").write_text(lines)
    code = code_of(quick_computer, tmp_path, f"cp {tmp_path}/lines progress.jsonl\nexec sleep 120\n")
    known, chosen = with_monitors(RESOURCES | {"monitors": {"diverging": {"factor": 1000, "every": 1}}})
    _, node = run_get_node(
        RelaxCalculation,
        code=code,
        structures=StructureSetData(copper()),
        parameters=orm.Dict(LJ),
        monitors=chosen,
        metadata={"options": known},
    )
    assert node.exit_status == STOPPED
    assert node.exit_message == "diverging: train_loss is 2000, 2000 times its smallest (limit 1000)"


def test_a_hopeless_relaxation_with_dft(quick_computer, tmp_path, pseudo_family):
    path = tmp_path / "pw.x"
    energies = "".join(f"!    total energy              =     {value} Ry\\n" for value in ("-15.7", "-15.5", "42.0"))
    path.write_text(f"#!/bin/sh\nprintf '{energies}'\nexec sleep 120\n")
    path.chmod(0o755)
    options = RESOURCES | {"withmpi": False, "monitors": {"hopeless": {"rise": 1.0, "every": 1}}}
    builder = LabelStructureWorkChain.get_builder_from_protocol(
        make_pw_code(quick_computer, path),
        as_node(silicon()),
        0,
        "demo",
        {"potential_family": pseudo_family, "pre_relaxed": True},
        options,
    )
    _, node = run_get_node(builder)
    job = next(call for call in node.called_descendants if isinstance(call, orm.CalcJobNode))
    assert job.exit_status == STOPPED
    assert job.exit_message == "hopeless: the energy has become 393 eV/atom higher than at first (limit 1)"
    assert not node.is_finished_ok


# ---------------------------------------------------------------------- what they read
class Transport:
    """Answers everything with one text."""

    def __init__(self, answer, status=0):
        self.answer, self.status = answer, status

    def exec_command_wait(self, command):
        return self.status, self.answer, ""


def job(state=JobState.RUNNING, **more):
    return SimpleNamespace(get_scheduler_state=lambda: state, get_remote_workdir=lambda: "/work", **more)


@pytest.mark.parametrize(
    ("name", "answer", "stops"),
    [
        ("stalled", "1000.5\n100000\n", True),
        ("stalled", "99000.5\n100000\n", False),
        ("stalled", "100000\n", False),
        ("stalled", "", False),
        ("disk", "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a 9 9 100000 99% /\n", True),
        ("disk", "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a 9 9 9900000 99% /\n", False),
        ("disk", "df: no such file", False),
        ("diverging", '{"loss": 1.0}\n' * 20 + '{"loss": 5000.0}\n' * 3, True),
        ("diverging", '{"loss": 1.0}\n' * 20 + '{"loss": 5000.0}\n' * 2, False),
        ("diverging", '{"loss": -1.0}\n' * 20 + '{"loss": 5000.0}\n' * 3, False),
        ("diverging", "half a line", False),
    ],
)
def test_what_stops_a_job(name, answer, stops):
    assert (BY_NAME[name](job(), Transport(answer)) is not None) is stops
    for state in (JobState.QUEUED, JobState.DONE, None):
        assert BY_NAME[name](job(state), Transport(answer)) is None
    if name != "diverging":
        assert BY_NAME[name](job(), Transport(answer, status=1)) is None


def oszicar(*energies):
    return "".join(
        f"  {i + 1:3d} F= {energy} E0= {energy}  d E =-.1E+00  mag= 0.0\n" for i, energy in enumerate(energies)
    )


@pytest.mark.parametrize(
    ("energies", "stops"),
    [
        (("-.10843E+02", "-.10846E+02"), False),
        (("-.10843E+02", "+.12000E+01"), True),
        (("-.10843E+02", "****"), True),
        (("-.10843E+02",), False),
    ],
)
def test_vasp_in_the_middle(energies, stops):
    inputs = SimpleNamespace(structure=SimpleNamespace(sites=[None] * 2))
    node = job(process_type="aiida.calculations:vasp.vasp")
    node.inputs = type("Inputs", (), {"__contains__": lambda self, name: True, "structure": inputs.structure})()
    assert (monitors.hopeless(node, Transport(oszicar(*energies))) is not None) is stops


def test_a_code_that_no_engine_drives_is_left_alone():
    assert monitors.hopeless(job(process_type="aiida.calculations:dismai.relax", inputs={}), Transport("!")) is None


def test_the_energy_lines_of_both_codes():
    pw, vasp = (find(name).printed_energies for name in ("quantumespresso", "vasp"))
    assert pw.read("!    total energy              =     -15.74441 Ry\n") == pytest.approx(-214.2136, abs=1e-3)
    assert pw.read("     total energy              =     -15.74441 Ry\n") is None
    assert vasp.read("   1 F= -.10843E+02 E0= -.10843E+02  d E =-.3E-19\n") == -10.843
    assert vasp.read("DAV:   1     0.1E+02") is None


# ---------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"stalld": {}}, "unknown scheduler option 'monitors.stalld'; did you mean 'stalled'?"),
        ({"stalled": {"minuts": 3}}, "unknown scheduler option 'monitors.stalled.minuts'; did you mean"),
        ({"stalled": {"minutes": 0}}, "monitors.stalled.minutes: must be a number above 0 (given: 0)"),
        ({"disk": {"gigabytes": "much"}}, "monitors.disk.gigabytes: must be a number above 0 (given: 'much')"),
        ({"stalled": {"every": 0.5}}, "monitors.stalled.every: must be whole seconds (given: 0.5)"),
        ("all", "monitors: must be a mapping of names to values"),
    ],
)
def test_wrong_monitors_are_refused(chosen, message):
    assert message in text_of(option_problems({"monitors": chosen}))


def test_null_leaves_one_out():
    found = []
    kept = Options().clean({"monitors": {"stalled": None}}, "", found)
    assert (kept, found) == ({"monitors": {"stalled": None}}, [])
    assert with_monitors(kept) == ({}, {})
