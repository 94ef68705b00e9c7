"""`aiida-dismai setup`: profile, computer, codes and POTCARs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..engine.errors import BadInput
from ..terminal import console, table
from .profiles import load_profile

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
@click.option("--vasp", metavar="PATH", help="Absolute path of VASP there.")
@click.option("--label", help="Label of the code; without it, 'dismai' and 'vasp'.")
@click.option(
    "--prepend", default="", metavar="TEXT", help=r"Lines before the command, for instance 'module load vasp'."
)
def code_command(computer_name: str, executable: str | None, vasp: str | None, label: str | None, prepend: str) -> None:
    """Make the codes `dismai@COMPUTER` and, with --vasp, `vasp@COMPUTER`."""
    if not executable and not vasp:
        raise click.UsageError("give --executable PATH (of `dismai`), --vasp PATH, or both")
    if label and executable and vasp:
        raise click.UsageError("--label names one code; call the command twice to name both")
    load_profile()
    for path, name, plugin in ((executable, "dismai", "dismai.relax"), (vasp, "vasp", "vasp.vasp")):
        if path is None:
            continue
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
    code.with_mpi = plugin.startswith("vasp.") and not local
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


def label_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says, as for `launch`, which POTCARs are needed."""
    for option in (
        click.option(
            "--set", "settings", multiple=True, metavar="PATH=VALUE", help="A single override, as for `launch`."
        ),
        click.option(
            "--overrides",
            type=click.Path(exists=True, dir_okay=False),
            metavar="FILE",
            help="The file of overrides that `launch` is given (label, potential, dataset or pipeline).",
        ),
        click.option("--protocol", metavar="NAME", help="Protocol; without it, the default one, as for `launch`."),
    ):
        function = option(function)
    return function


@setup.command("potcars")
@click.option("--family", help="Name of the POTCAR family; without it, the protocol's.")
@click.option("--path", "folder", type=click.Path(), help="Folder FAMILY/SYMBOL/POTCAR, for the printed command.")
@label_options
def potcars_command(
    family: str | None, folder: str | None, protocol: str | None, overrides: str | None, settings: tuple[str, ...]
) -> None:
    """Check that the POTCAR family has what a launch needs; print the upload command where it has not."""
    load_profile()
    problems = []
    for needed, mapping in needed_potcars(protocol, overrides, settings):
        name = family or needed
        rows, missing = potcar_rows(name, mapping)
        console().print(table(f"POTCAR family '{name}'", ("element", "symbol", "found"), rows))
        if missing:
            problems.append(
                f"POTCAR family '{name}' lacks {', '.join(missing)}; upload it: aiida-vasp potcar uploadfamily "
                f"--path {folder or 'FOLDER_OF_POTCARS'} --name {name} --description 'POTCARs of VASP'"
            )
    if problems:
        raise BadInput("; ".join(problems))


def needed_potcars(
    protocol: str | None = None, overrides: str | None = None, settings: Sequence[str] = ()
) -> list[tuple[str, dict[str, str]]]:
    """Return the families and the POTCARs of each element that a launch would need.

    Args:
        protocol: its name; None takes the default of `launch`.
        overrides: a file that was written for one of the workflows that run VASP: which one, its names say.
        settings: single overrides of the same workflow, ``path=value``.

    Raises:
        BadInput: no such protocol, or overrides that fit none of these workflows.
    """
    from ..workchains.dataset_interface import InterfaceDatasetWorkChain
    from ..workchains.label import LabelWorkChain
    from ..workchains.potential import PotentialWorkChain
    from ..workchains.protocols import merge, read_overrides
    from ..workchains.protocols.single import single_overrides

    given = read_overrides(overrides) if overrides else {}
    chain = _workflow_of(given, settings)
    inputs = chain.get_protocol_inputs(protocol, merge(given, single_overrides(chain, settings)))
    if chain is LabelWorkChain:
        found = [inputs]
    elif chain is PotentialWorkChain:
        found = [LabelWorkChain.get_protocol_inputs(protocol, inputs["check"]["label"])]
    else:
        if "dataset" in inputs:  # of a pipeline
            inputs = InterfaceDatasetWorkChain.get_protocol_inputs(protocol, inputs["dataset"])
        check = PotentialWorkChain.get_protocol_inputs(protocol, inputs["potential"])["check"]
        found = [LabelWorkChain.get_protocol_inputs(protocol, part) for part in (inputs["label"], check["label"])]
    needed = [(str(item["potential_family"]), dict(item["potential_mapping"])) for item in found]
    return [item for index, item in enumerate(needed) if item not in needed[:index]]


def _workflow_of(overrides: Mapping[str, Any], settings: Sequence[str]) -> Any:
    """Return the WorkChain whose protocol has the names of these overrides, of those that run VASP.

    Raises:
        BadInput: none has all of them; says what is wrong for the one that has most.
    """
    from ..workchains.dataset_interface import InterfaceDatasetWorkChain
    from ..workchains.label import LabelWorkChain
    from ..workchains.pipeline import PipelineWorkChain
    from ..workchains.potential import PotentialWorkChain
    from ..workchains.problems import Problem, text_of
    from ..workchains.protocols import merge
    from ..workchains.protocols.single import single_overrides

    closest: tuple[Problem, ...] = ()
    for chain in (LabelWorkChain, PotentialWorkChain, InterfaceDatasetWorkChain, PipelineWorkChain):
        _, problems = chain.check_overrides(merge(overrides, single_overrides(chain, settings)))
        if not problems:
            return chain
        closest = problems if not closest or len(problems) < len(closest) else closest
    raise BadInput(text_of(closest))


def potcar_rows(family: str, mapping: dict[str, str]) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return a row for each element (element, symbol, SHA-512 or what is wrong) and the symbols that are missing."""
    from aiida.common.exceptions import NotExistent
    from aiida_vasp.data.potcar import PotcarData

    rows, missing = [], []
    for element, symbol in mapping.items():
        try:
            potcar = PotcarData.get_potcars_dict([element], family, {element: symbol})[element]
        except NotExistent:
            missing.append(symbol)
            rows.append((element, symbol, "missing"))
        else:
            rows.append((element, symbol, f"SHA-512 {potcar.sha512[:16]}…"))
    return rows, missing


@setup.command("check")
@label_options
def check_command(protocol: str | None, overrides: str | None, settings: tuple[str, ...]) -> None:
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
        *(_potcar_row(family, mapping) for family, mapping in needed_potcars(protocol, overrides, settings)),
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

    found: dict[str, list[str]] = {"dismai": [], "vasp": []}
    for code in QueryBuilder().append(InstalledCode).all(flat=True):
        kind = (code.default_calc_job_plugin or "").split(".")[0]
        if kind in found and not code.is_hidden:
            found[kind].append(f"{code.full_label} ({code.get_executable()})")
    rows = []
    for kind, option in (("dismai", "--executable"), ("vasp", "--vasp")):
        hint = f"`aiida-dismai setup code --computer NAME {option} PATH`"
        rows.append((f"{kind} code", "ok" if found[kind] else "missing", ", ".join(found[kind]) or hint))
    return rows


def _potcar_row(family: str, mapping: dict[str, str]) -> tuple[str, str, str]:
    _, missing = potcar_rows(family, mapping)
    if missing:
        return "POTCARs", "missing", f"{', '.join(missing)} in family '{family}': see `aiida-dismai setup potcars`"
    return "POTCARs", "ok", f"family '{family}' has {', '.join(mapping.values())}"
