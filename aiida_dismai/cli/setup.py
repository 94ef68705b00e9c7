"""`aiida-dismai setup`: profile, computer and codes; the potentials of DFT are in :mod:`.potentials`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import click

from ..engine.errors import BadInput
from ..terminal import console, table
from .potentials import chosen_engine, engine_option, label_options, potential_rows, potentials_command
from .profiles import load_profile
from .pseudos import pseudos_command

PROFILE_HINTS = """\
To try things out (SQLite, no services to install; also makes the computer 'localhost'):

    verdi presto -n -p {name} --use-zeromq
    verdi daemon start 2

For production (PostgreSQL and RabbitMQ, many thousands of jobs):

    verdi profile setup core.psql_dos -p {name} --broker core.rabbitmq
    verdi daemon start 4

AIIDA_PATH=/some/folder before these commands keeps everything in that folder instead of ~/.aiida.
"""

SLURM_HINTS = """\
A Slurm cluster that you reach with `ssh {name}`:

    verdi computer setup -n -L {name} -H {hostname} -T core.ssh_async -S core.slurm \\
        -w '{workdir}' --mpirun-command 'srun -n {{tot_num_mpiprocs}}' --mpiprocs-per-machine 16
    verdi computer configure core.ssh_async {name} -n
    verdi computer test {name}

Queue, account and GPUs are options of each job, for instance in a file for `aiida-dismai launch --options`:

    queue_name: gpu
    account: my-project
    max_wallclock_seconds: 86400
    custom_scheduler_commands: "#SBATCH --gres=gpu:1"
"""


@click.group()
def setup() -> None:
    """Set up what a run needs, and check what is there."""


@setup.command("profile")
@click.option("--name", default="dismai", show_default=True, help="Name of the profile.")
def profile_command(name: str) -> None:
    """Print the commands that make a profile (this command makes none itself)."""
    click.echo(PROFILE_HINTS.format(name=name))


@setup.command("computer")
@click.argument("name", default="localhost")
@click.option("--hostname", help="Host name, for the printed commands.")
@click.option("--workdir", help="Scratch folder for jobs on it.")
def computer_command(name: str, hostname: str | None, workdir: str | None) -> None:
    """Make the computer 'localhost'; for any other NAME print the commands for a Slurm cluster."""
    if name != "localhost":
        folder = workdir or "/scratch/{username}/aiida"
        click.echo(SLURM_HINTS.format(name=name, hostname=hostname or name, workdir=folder))
        return
    profile = load_profile()
    computer, created = make_localhost(workdir or str(Path(profile.repository_path).parent / "jobs"))
    state = "created" if created else "is there already"
    click.echo(f"computer '{computer.label}' {state}, jobs run in {computer.get_workdir()}")


def make_localhost(workdir: str) -> tuple[Any, bool]:
    """Return the computer 'localhost', made and configured where it is not there, and whether it was made."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import Computer

    try:
        return Computer.collection.get(label="localhost"), False
    except NotExistent:
        pass
    computer = Computer(
        label="localhost",
        hostname="localhost",
        transport_type="core.local",
        scheduler_type="core.direct",
        workdir=workdir,
        description="this machine",
    ).store()
    computer.set_default_mpiprocs_per_machine(1)
    computer.set_minimum_job_poll_interval(1.0)
    computer.configure(safe_interval=0.0)
    return computer, True


@setup.command("code")
@click.option("--computer", "computer_name", required=True, metavar="LABEL", help="Computer on which it is installed.")
@click.option("--executable", metavar="PATH", help="Absolute path of `dismai` there.")
@click.option("--dft-executable", metavar="PATH", help="Absolute path of the DFT code there.")
@engine_option
@click.option("--label", help="Label of the code; without it, 'dismai' and the name of the DFT engine.")
@click.option("--prepend", default="", metavar="TEXT", help="Lines before the command, for instance 'module load …'.")
def code_command(
    computer_name: str,
    executable: str | None,
    dft_executable: str | None,
    engine_name: str | None,
    label: str | None,
    prepend: str,
) -> None:
    """Make the codes `dismai@COMPUTER` and, with --dft-executable, `ENGINE@COMPUTER`."""
    if not executable and not dft_executable:
        raise click.UsageError("give --executable PATH (of `dismai`), --dft-executable PATH, or both")
    if label and executable and dft_executable:
        raise click.UsageError("--label names one code; call the command twice to name both")
    load_profile()
    wanted = [(executable, "dismai", "dismai.relax")] if executable else []
    if dft_executable:
        engine = chosen_engine(engine_name)
        wanted.append((dft_executable, engine.name, engine.plugins[0]))
    for path, name, plugin in wanted:
        code, created = make_code(computer_name, path, label or name, plugin, prepend)
        click.echo(
            f"code '{code.full_label}' {'created' if created else 'is there already'} ({code.filepath_executable})"
        )


def make_code(
    computer_name: str, path: str, label: str, plugin: str, prepend: str = "", description: str = ""
) -> tuple[Any, bool]:
    """Return the code, made where it is not there, and whether it was made.

    Raises:
        BadInput: no such computer, a path that is no executable there, a `dismai` that does not answer, or a
            code of that label that runs something else.
    """
    from aiida.common.exceptions import NotExistent
    from aiida.orm import Computer, InstalledCode, load_code

    from ..dft import engine_of_plugin

    try:
        computer = Computer.collection.get(label=computer_name)
    except NotExistent as error:
        raise BadInput(
            f"no computer '{computer_name}'; `aiida-dismai setup computer {computer_name}` makes it or says how"
        ) from error
    local = computer.transport_type == "core.local"
    if local:
        path = _local_executable(path)
    if not Path(path).is_absolute():
        raise BadInput(f"{path}: give the absolute path of the executable on '{computer_name}'")
    try:
        code = load_code(f"{label}@{computer_name}")
    except NotExistent:
        pass
    else:
        if str(code.get_executable()) != path:
            raise BadInput(
                f"code '{code.full_label}' already exists and runs {code.get_executable()}; give another --label"
            )
        return code, False
    if local and plugin.startswith("dismai."):
        _ask_dismai(path)
    code = InstalledCode(
        computer=computer,
        filepath_executable=path,
        label=label,
        description=description,
        default_calc_job_plugin=plugin,
        prepend_text=prepend,
    )
    code.with_mpi = engine_of_plugin(plugin) is not None and not local
    return code.store(), True


def _local_executable(path: str) -> str:
    found = shutil.which(str(Path(path).expanduser()))
    if found is None:
        raise BadInput(f"{path}: no such executable on this machine")
    return str(Path(found).absolute())


def _ask_dismai(path: str) -> None:
    """Refuse an executable that does not list the tasks."""
    try:
        answer = subprocess.run([path, "list"], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInput(f"{path}: could not be run ({error})") from error
    if answer.returncode != 0 or "generator.train" not in answer.stdout:
        raise BadInput(
            f"{path} does not answer `dismai list`; install `aiida-dismai[engine]` there and give the path of its "
            "`dismai`"
        )


setup.add_command(potentials_command)
setup.add_command(pseudos_command)


@setup.command("check")
@label_options
def check_command(
    engine_name: str | None, protocol: str | None, overrides: str | None, settings: tuple[str, ...]
) -> None:
    """Print what is set up and what is missing."""
    profile = load_profile()
    rows = [
        (
            "profile",
            "ok",
            f"{profile.name}: {profile.storage_backend}, {profile.process_control_backend or 'no broker'}",
        ),
        _daemon_row(profile),
        *_code_rows(),
        *potential_rows(engine_name, protocol, overrides, settings),
    ]
    console().print(table("aiida-dismai", ("what", "", "found"), rows))


def _daemon_row(profile: Any) -> tuple[str, str, str]:
    if profile.process_control_backend is None:
        return (
            "daemon",
            "missing",
            "the profile has no broker: only `launch --run` works (`verdi profile configure-broker`)",
        )
    from aiida.engine.daemon.client import get_daemon_client

    if get_daemon_client(profile.name).is_daemon_running:
        return "daemon", "ok", "running"
    return "daemon", "stopped", "`verdi daemon start 2` starts it"


def _code_rows() -> list[tuple[str, str, str]]:
    from aiida.orm import InstalledCode, QueryBuilder

    from ..dft import engine_of_plugin

    found: dict[str, list[str]] = {"dismai": [], "DFT": []}
    for code in QueryBuilder().append(InstalledCode).all(flat=True):
        plugin = code.default_calc_job_plugin or ""
        engine = engine_of_plugin(plugin)
        if code.is_hidden or (engine is None and not plugin.startswith("dismai.")):
            continue
        named = f"{code.full_label} ({code.get_executable()})"
        found["dismai" if engine is None else "DFT"].append(named if engine is None else f"{engine.title}: {named}")
    rows = []
    for kind, option in (("dismai", "--executable"), ("DFT", "--dft-executable")):
        hint = f"`aiida-dismai setup code --computer NAME {option} PATH`"
        rows.append((f"{kind} code", "ok" if found[kind] else "missing", ", ".join(found[kind]) or hint))
    return rows
