"""What `aiida-dismai setup` prints, and what it asks a computer before it makes a code there."""

import shlex
import stat
import sys
from pathlib import Path

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.transports.plugins.local import LocalTransport
from click.testing import CliRunner

from aiida_dismai.calculations.relax import RelaxCalculation
from aiida_dismai.cli import main
from aiida_dismai.cli.launching import dismai_code
from aiida_dismai.data import StructureSetData


def run(*arguments):
    return CliRunner().invoke(main, [str(item) for item in arguments])


def printed(*arguments):
    """Return the commands that are printed, continued lines joined, as words."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    lines = result.output.replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("    ")]


def after(words, option):
    return words[words.index(option) + 1]


def test_the_production_profile_has_its_role_database_and_encoding():
    commands = printed("setup", "profile", "--name", "my-study")
    role = next(words for words in commands if "createuser" in words)
    database = next(words for words in commands if "createdb" in words)
    profile = next(words for words in commands if words[:3] == ["verdi", "profile", "setup"])
    assert role[-1] == database[-1] == after(profile, "--database-username") == after(profile, "--database-name")
    assert after(database, "--encoding") == "UTF8"
    assert after(database, "--owner") == "my-study"
    # without these, --non-interactive stops
    for option in ("--email", "--first-name", "--last-name", "--institution", "--database-password"):
        assert after(profile, option).isupper()
    assert after(profile, "--repository-uri").startswith("file:///")
    assert ["consumer_timeout", "=", "36000000000"] in commands


@pytest.mark.parametrize(
    ("options", "alias", "hostname"),
    [
        ((), "cluster", "cluster"),
        (("--hostname", "login.example"), "cluster", "login.example"),
        (("--alias", "hpc"), "hpc", "hpc"),
        (("--alias", "hpc", "--hostname", "login.example"), "hpc", "login.example"),
    ],
)
def test_the_alias_of_the_ssh_configuration_is_what_is_connected_to(options, alias, hostname):
    commands = printed("setup", "computer", "cluster", *options)
    assert after(next(words for words in commands if "configure" in words), "--host") == alias
    made = next(words for words in commands if words[:3] == ["verdi", "computer", "setup"])
    assert (after(made, "-L"), after(made, "-H")) == ("cluster", hostname)


@pytest.fixture
def far(aiida_profile_clean, monkeypatch, tmp_path):
    """A computer over SSH, whose commands run here."""
    computer = orm.Computer(
        label="far", hostname="far", transport_type="core.ssh_async", scheduler_type="core.slurm", workdir=str(tmp_path)
    ).store()
    monkeypatch.setattr(orm.Computer, "get_transport", lambda self, user=None: LocalTransport())
    return computer


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_code_is_looked_for_on_its_computer(far, tmp_path):
    command = ("setup", "code", "--computer", "far", "--executable")
    result = run(*command, tmp_path / "dismai")
    assert result.exit_code == 1
    assert f"{tmp_path}/dismai: no such executable on 'far'" in result.output
    (tmp_path / "dismai").write_text("not executable")
    assert "no such executable on 'far'" in run(*command, tmp_path / "dismai").output
    assert "no such executable on 'far'" in run(*command, tmp_path).output
    assert orm.QueryBuilder().append(orm.InstalledCode).count() == 0


def test_a_code_is_asked_with_what_stands_before_it(far, tmp_path):
    path = script(tmp_path / "dismai", 'test "$LOADED" = yes || { echo no module >&2; exit 3; }; echo generator.train')
    command = ("setup", "code", "--computer", "far", "--executable", path)
    result = run(*command)
    assert result.exit_code == 1
    assert "on 'far' does not answer `dismai list` (no module)" in " ".join(result.output.split())
    assert run(*command, "--prepend", "export LOADED=yes").exit_code == 0
    assert orm.load_code("dismai@far").prepend_text == "export LOADED=yes"


def test_a_computer_that_is_not_configured_is_said(aiida_profile_clean, tmp_path):
    orm.Computer(
        label="far", hostname="far", transport_type="core.ssh_async", scheduler_type="core.slurm", workdir=str(tmp_path)
    ).store()
    result = run("setup", "code", "--computer", "far", "--executable", "/opt/dismai")
    assert result.exit_code == 1
    assert "the computer 'far' cannot be reached" in result.output
    assert "verdi computer configure" in result.output


# ---------------------------------------------------------------------- containers
@pytest.fixture
def apptainer(tmp_path):
    """A stand-in for `apptainer exec --nv IMAGE …`: it notes how it was called and runs the command here."""
    path = tmp_path / "apptainer"
    path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nshift 3\nexec "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.engine
def test_a_code_in_a_container_runs(aiida_profile_clean, quick_computer, apptainer, copper):
    dismai = str(Path(sys.prefix) / "bin" / "dismai")
    arguments = [
        "setup",
        "code",
        "--computer",
        "localhost",
        "--executable",
        dismai,
        "--container",
        "/images/dismai.sif",
    ]
    arguments += ["--container-command", f"{apptainer} exec --nv {{image_name}}"]
    arguments += ["--prepend", "export OMP_NUM_THREADS=1 DISMAI_ALLOW_FACTORY=ase.calculators.emt:EMT"]
    made = run(*arguments)
    assert made.exit_code == 0, made.output
    assert "code 'dismai@localhost' created" in made.output
    assert "is there already" in run(*arguments).output
    code = dismai_code(None)
    assert isinstance(code, orm.ContainerizedCode)
    assert "code dismai@localhost" in run("doctor", "--no-job").output
    _, node = run_get_node(
        RelaxCalculation,
        code=code,
        structures=StructureSetData(copper(1)),
        parameters=orm.Dict({"calculator": "ase.calculators.emt:EMT"}),
    )
    assert node.is_finished_ok, node.exit_message
    calls = (apptainer.parent / "calls").read_text().splitlines()
    assert calls[-1] == f"exec --nv /images/dismai.sif {dismai} run task.json"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--container", "two words.sif"), "--container 'two words.sif': one word"),
        (
            ("--container", "a.sif", "--container-command", "apptainer exec"),
            "say with {image_name} where the image goes",
        ),
        (
            ("--container", "a.sif", "--container-command", "/no/apptainer {image_name}"),
            "does not answer `dismai list`",
        ),
    ],
)
def test_wrong_containers_are_refused(aiida_profile_clean, quick_computer, options, message):
    found = run("setup", "code", "--computer", "localhost", "--executable", "dismai", *options)
    assert found.exit_code == 1
    assert message in " ".join(found.output.split())
    assert not orm.QueryBuilder().append(orm.AbstractCode).count()
