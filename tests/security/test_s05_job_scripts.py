"""Line ends and shell characters in queue, account, label and path do not get into job scripts (S5, S7)."""

import re
import shlex
import subprocess
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory
from support import handnodes

from aiida_dismai.data import StructureSetData
from aiida_dismai.workchains.checks import option_problems

SCHEDULERS = (
    *("direct", "slurm", "pbspro", "torque", "sge", "lsf"),
    pytest.param(
        "hyperqueue", marks=pytest.mark.skipif(not find_spec("aiida_hyperqueue"), reason="no aiida-hyperqueue")
    ),
)
#: What AiiDA writes into scripts as it is.
NAMES = (
    *("queue_name", "account", "qos", "priority", "scheduler_stdout", "scheduler_stderr"),
    *("submit_script_filename", "input_filename", "output_filename"),
)
RESOURCES = {
    "sge": {"parallel_env": "mpi", "tot_num_mpiprocs": 1},
    "lsf": {"tot_num_mpiprocs": 1, "parallel_env": ""},
}
TOUCH = "touch executed"
ENDS = ("\n", "\r\n", "\r", "\x0b", "\x85", "\u2028", ";", "|", "&", ">", " ")
EVIL = (
    *(f"main{end}{TOUCH}" for end in ENDS),
    *(f"$({TOUCH})", f"`{TOUCH}`", "a\tb", "~root", "--wrap", "a'", 'a"', "a\\", "a#", "a*", "a?", "a\0", "a\x1b[2J"),
    *("\u202ea", "main\n", "é", "{a,b}", "a!b"),
)
PATHS = ("/opt/a b/dismai", f"/opt/$({TOUCH})/dismai", f"/opt/`{TOUCH}`;x'y/dismai")


@pytest.fixture(scope="module", autouse=True)
def profile(aiida_profile):
    return aiida_profile


@pytest.fixture
def computer(tmp_path):
    """Return a factory of computers, by scheduler and by folder of the jobs."""

    def make(scheduler, workdir="work", label=None):
        found = orm.Computer(
            label=label or f"{scheduler}-{tmp_path.name}",
            hostname="localhost",
            transport_type="core.local",
            scheduler_type=scheduler if scheduler == "hyperqueue" else f"core.{scheduler}",
            workdir=str(tmp_path / workdir),
        ).store()
        found.set_default_mpiprocs_per_machine(1)
        return found.configure() and found

    return make


def inputs_for(computer, options, executable="/bin/dismai", label="dismai", **more):
    code = orm.InstalledCode(
        computer=computer, filepath_executable=executable, label=label, default_calc_job_plugin="dismai.relax", **more
    )
    resources = RESOURCES.get(computer.scheduler_type.removeprefix("core."), {"num_machines": 1})
    return {
        "code": code.store(),
        "structures": StructureSetData(handnodes.structures(1, 0)),
        "parameters": {"calculator": "edip"},
        "metadata": {"label": options.pop("label", ""), "options": {"resources": resources} | options},
    }


def script_of(inputs):
    """Return the job script that AiiDA writes."""
    process = instantiate_process(get_manager().get_runner(), CalculationFactory("dismai.relax"), **inputs)
    with SandboxFolder() as folder:
        process.presubmit(folder)
        return Path(folder.get_abs_path("_aiidasubmit.sh")).read_text()


def assert_harmless(script, tmp_path):
    """Run the script where only its own commands could leave a file."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "job.sh").write_text(re.sub(r"'/bin/dismai'", "true", script))
    subprocess.run(["bash", "job.sh"], cwd=tmp_path / "run", capture_output=True, timeout=60, check=False)
    assert not list(tmp_path.rglob("executed*"))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_s5_names_of_the_scheduler_are_words(computer, scheduler):
    inputs = inputs_for(computer(scheduler), {})
    for name, text in product(NAMES, EVIL):
        options = inputs["metadata"]["options"] | {name: text}
        with pytest.raises(ValueError, match=name):
            script_of(inputs | {"metadata": {"options": options}})
        problems = option_problems(options)
        assert [problem.path for problem in problems] == [name], text
        assert problems[0].message.isprintable()


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_s5_what_clusters_really_use_is_accepted(computer, scheduler):
    options = {"queue_name": "gpu-a100,cpu_2", "account": "ab1234@proj.x/y", "qos": "high:1"}
    inputs = inputs_for(computer(scheduler), options)
    assert option_problems(inputs["metadata"]["options"]) == []
    script = script_of(inputs)
    if scheduler not in ("direct", "hyperqueue"):
        assert "gpu-a100,cpu_2" in script


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_s5_labels_do_not_get_into_scripts(computer, scheduler, tmp_path):
    inputs = inputs_for(computer(scheduler, workdir=f"it's `{TOUCH}` $({TOUCH})", label=f"a\n{TOUCH}\n{scheduler}"), {})
    for text in EVIL:
        metadata = inputs["metadata"] | {"label": text, "description": text}
        script = script_of(inputs | {"metadata": metadata})
        assert "executed" not in script
    assert_harmless(script, tmp_path)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("path", PATHS)
def test_s5_paths_are_one_word_of_the_command(computer, scheduler, path, tmp_path):
    script = script_of(inputs_for(computer(scheduler), {}, executable=path))
    line = next(line for line in script.splitlines() if "dismai" in line and not line.startswith("#"))
    assert path in shlex.split(line)
    assert_harmless(script, tmp_path)


@pytest.mark.parametrize("path", ["/opt/x\ntouch executed\n/dismai", "/opt/\x1b[2J/dismai"])
def test_s5_paths_with_line_ends_are_refused(computer, path):
    with pytest.raises(ValueError, match="characters that no path needs"):
        script_of(inputs_for(computer("slurm"), {}, executable=path))


def test_s5_paths_that_the_shell_would_expand_are_refused(computer):
    inputs = inputs_for(computer("direct"), {}, executable="/opt/$(touch executed)/dismai", use_double_quotes=True)
    with pytest.raises(ValueError, match="would be expanded by the shell"):
        script_of(inputs)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_s5_names_of_variables_and_resources_are_words(computer, scheduler):
    machine = computer(scheduler)
    for options, name in (
        ({"environment_variables": {"X=1;touch executed;Y": "2"}}, "environment_variables"),
        ({"resources": {"parallel_env": "mpi\ntouch executed", "tot_num_mpiprocs": 1}}, "resources"),
    ):
        inputs = inputs_for(machine, options, label=f"code-{name}")
        with pytest.raises(ValueError, match=name):
            script_of(inputs)


def test_s5_values_of_variables_are_quoted(computer, tmp_path):
    variables = {"X": f"a'; {TOUCH}; '$({TOUCH})"}
    script = script_of(inputs_for(computer("direct"), {"environment_variables": variables}))
    assert_harmless(script, tmp_path)
