"""`aiida-dismai setup`: profile, computer and codes; the potentials of DFT are in :mod:`.potentials`."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import click

from ..engine.errors import BadInput
from ..engine.text import visible
from .potentials import chosen_engine, engine_option, potentials_command
from .printed import cluster_commands, profile_commands
from .profiles import load_profile
from .pseudos import pseudos_command

#: Runs a command in an image, with the GPUs of the machine if there are any.
CONTAINER = "apptainer exec --nv {image_name}"
#: How long an executable may take to answer, seconds: imports from a network file system are slow.
ANSWER = 120


@click.group()
def setup() -> None:
    """Set up what a run needs; `aiida-dismai doctor` looks at all of it."""


@setup.command("profile")
@click.option("--name", default="dismai", show_default=True, help="Name of the profile.")
def profile_command(name: str) -> None:
    """Print the commands that make a profile (this command makes none itself)."""
    from aiida.manage.configuration.settings import AiiDAConfigDir

    click.echo(profile_commands(name, AiiDAConfigDir.get()))


@setup.command("computer")
@click.argument("name", default="localhost")
@click.option("--alias", metavar="HOST", help="As in `ssh HOST`, of ~/.ssh/config; without it, NAME.")
@click.option("--hostname", help="Host name that is kept with the computer; without it, that of --alias.")
@click.option("--workdir", help="Scratch folder for jobs on it.")
def computer_command(name: str, alias: str | None, hostname: str | None, workdir: str | None) -> None:
    """Make the computer 'localhost'; for any other NAME print the commands for a Slurm cluster."""
    if name != "localhost":
        click.echo(cluster_commands(name, alias, hostname, workdir))
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
@click.option("--container", metavar="IMAGE", help="Image in which the executable is, for Apptainer.")
@click.option(
    "--container-command",
    default=CONTAINER,
    show_default=True,
    metavar="TEXT",
    help="What runs a command in the image; words are not expanded by the shell.",
)
@click.option("--prepend", default="", metavar="TEXT", help="Lines before the command, for instance 'module load …'.")
def code_command(
    computer_name: str,
    executable: str | None,
    dft_executable: str | None,
    engine_name: str | None,
    label: str | None,
    container: str | None,
    container_command: str,
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
    image = (container_command, container) if container else None
    for path, name, plugin in wanted:
        code, created = make_code(computer_name, path, label or name, plugin, prepend, container=image)
        click.echo(
            f"code '{code.full_label}' {'created' if created else 'is there already'} ({code.filepath_executable})"
        )


def make_code(
    computer_name: str,
    path: str,
    label: str,
    plugin: str,
    prepend: str = "",
    description: str = "",
    container: tuple[str, str] | None = None,
) -> tuple[Any, bool]:
    """Return the code, made where it is not there, and whether it was made.

    Args:
        computer_name: label of the computer.
        path: of the executable there, or in the image.
        label: of the code.
        plugin: of its calculations.
        prepend: lines before the command.
        description: of the code.
        container: what runs a command in an image, and the image.

    Raises:
        BadInput: no such computer, a path that is no executable there, a `dismai` that does not answer, or a
            code of that label that runs something else.
    """
    from aiida.common.exceptions import NotExistent
    from aiida.orm import Computer, ContainerizedCode, InstalledCode, load_code

    from ..dft import engine_of_plugin

    try:
        computer = Computer.collection.get(label=computer_name)
    except NotExistent as error:
        raise BadInput(
            f"no computer '{computer_name}'; `aiida-dismai setup computer {computer_name}` makes it or says how"
        ) from error
    local = computer.transport_type == "core.local"
    if container is not None:
        _check_container(*container)
    elif local:
        path = _local_executable(path)
    if container is None and not Path(path).is_absolute():
        raise BadInput(f"{path}: give the absolute path of the executable on '{computer_name}'")
    try:
        code = load_code(f"{label}@{computer_name}")
    except NotExistent:
        pass
    else:
        image = getattr(code, "image_name", None)
        if str(code.get_executable()) != path or image != (container[1] if container else None):
            raise BadInput(
                f"code '{code.full_label}' already exists and runs {code.get_executable()}; give another --label"
            )
        return code, False
    of_container = {} if container is None else dict(zip(("engine_command", "image_name"), container, strict=True))
    code = (ContainerizedCode if container else InstalledCode)(
        computer=computer,
        filepath_executable=path,
        label=label,
        description=description,
        default_calc_job_plugin=plugin,
        prepend_text=prepend,
        **of_container,
    )
    code.with_mpi = engine_of_plugin(plugin) is not None and not local
    ask_computer(code, plugin)
    return code.store(), True


def _check_container(command: str, image: str) -> None:
    for what, text in (("--container", image), ("--container-command", command)):
        if not text.isprintable() or (what == "--container" and len(text.split()) != 1):
            raise BadInput(f"{what} '{visible(text, 80)}': {'one word' if what == '--container' else 'printable text'}")
    if "{image_name}" not in command:
        raise BadInput(f"--container-command '{visible(command, 80)}': say with {{image_name}} where the image goes")


def _local_executable(path: str) -> str:
    found = shutil.which(str(Path(path).expanduser()))
    if found is None:
        raise BadInput(f"{path}: no such executable on this machine")
    return str(Path(found).absolute())


def ask_computer(code: Any, plugin: str) -> None:
    """Refuse an executable that is not there on its computer, and a `dismai` that does not list the tasks.

    Args:
        code: an installed code.
        plugin: of its calculations.

    Raises:
        BadInput: so it is, or the computer cannot be reached.
    """
    from aiida.common.exceptions import AiidaException

    label, path = code.computer.label, str(code.get_executable())
    try:
        with code.computer.get_transport() as transport:
            words = [*code.get_prepend_cmdline_params(), path]
            found, _, _ = transport.exec_command_wait(f"test -f {shlex.quote(path)} -a -x {shlex.quote(path)}")
            if found != 0 and len(words) == 1:
                raise BadInput(f"{path}: no such executable on '{label}'; give the path that it has there")
            if not plugin.startswith("dismai."):
                return
            # as the script of a job would
            lines = shlex.quote(f"{code.prepend_text}\n{shlex.join(words)} list")
            status, output, error = transport.exec_command_wait(f"timeout {ANSWER} bash -l -c {lines}")
    except (AiidaException, OSError) as problem:
        raise BadInput(
            f"the computer '{label}' cannot be reached ({' '.join(str(problem).split())}); `verdi computer configure` "
            f"tells AiiDA how, `verdi computer test {label}` says what is wrong"
        ) from problem
    if status != 0 or "generator.train" not in output:
        last = visible((error.strip() or output.strip()).rpartition("\n")[2], 200)
        raise BadInput(
            f"{path} on '{label}' does not answer `dismai list`{f' ({last})' if last else ''}; install "
            "`aiida-dismai[engine]` there, give the path of its `dismai`, and what it needs as --prepend"
        )


setup.add_command(potentials_command)
setup.add_command(pseudos_command)
