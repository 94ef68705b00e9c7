"""What all commands that launch a workflow share: their options, and what becomes of a builder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from ..calculations.gpus import DEVICE, GPUS, gpu_problem, with_gpus
from ..engine.errors import BadInput
from .costs import cost_lines, cost_of, subject_of
from .executes import executed
from .profiles import described, is_imported, load_code, visible_codes

CODE = click.option("--code", metavar="CODE", help="The `dismai` code; may be omitted if there is only one.")
SHARED = (
    click.option("--protocol", metavar="NAME", help="paper, moderate, demo, of benchmarks also small; a default each."),
    click.option(
        "--overrides",
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE",
        help="YAML file of overrides of the protocol.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="PATH=VALUE",
        help="A single override (YAML value), applied after those of the file; may be repeated.",
    ),
    click.option(
        "--options",
        "options_file",
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE",
        help="YAML of scheduler options for all `dismai` jobs (`launch label`: DFT's, else set in the overrides).",
    ),
    click.option("--queue", help="Queue or partition."),
    click.option("--account", help="Account to charge."),
    click.option("--walltime", metavar="TIME", help="Wall time of each job, in seconds or as HH:MM:SS."),
    click.option("--gpus", type=click.IntRange(min=1), help="GPUs of each job that can use one (Slurm, LSF, SGE)."),
    click.option("--label", help="Label of the process."),
    click.option("--run", "foreground", is_flag=True, help="Run here and wait, instead of submitting to the daemon."),
    click.option("--dry-run", is_flag=True, help="Print the inputs as YAML; submit and store nothing."),
)
#: The keywords of these options.
NAMES = (
    "protocol",
    "overrides",
    "settings",
    "options_file",
    "queue",
    "account",
    "walltime",
    "gpus",
    "label",
    "foreground",
    "dry_run",
)


def launch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a launch of `dismai` jobs; the command gets them as one keyword, ``how``."""
    return _with_options(function, (CODE, *SHARED), ("code", *NAMES))


def dft_launch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a launch in which no `dismai` job runs, as :func:`launch_options` does."""
    return _with_options(function, SHARED, NAMES)


def _with_options(function: Callable[..., Any], options: tuple[Any, ...], names: tuple[str, ...]) -> Callable[..., Any]:
    @functools.wraps(function)
    def command(**keywords: Any) -> Any:
        return function(how={name: keywords.pop(name) for name in names}, **keywords)

    for option in reversed(options):
        command = option(command)
    return command


def scheduler_options(how: dict[str, Any], code: Any = None) -> dict[str, Any]:
    """Return the scheduler options of a command line: the file's, and over them the single options.

    Args:
        how: what :func:`launch_options` gathered.
        code: whose computer says how its scheduler is asked for GPUs.

    Raises:
        BadInput: the file is no YAML mapping, the wall time cannot be read, or GPUs cannot be asked for by a number.
    """
    from ..workchains.protocols.files import read_mapping

    options: dict[str, Any] = {}
    if how["options_file"]:
        options |= read_mapping(how["options_file"], "scheduler options")
    if how["queue"]:
        options["queue_name"] = how["queue"]
    if how["account"]:
        options["account"] = how["account"]
    if how["walltime"]:
        options["max_wallclock_seconds"] = seconds(how["walltime"])
    if how["gpus"]:
        options[GPUS] = how["gpus"]
        if problem := gpu_problem(options, code):
            raise BadInput(f"--gpus: {problem}")
        if "code" not in how:  # the jobs of another plugin, which know nothing of it
            options = with_gpus(options, {DEVICE: "cuda"}, code)
    return options


def seconds(text: str) -> int:
    """Return a wall time in seconds.

    Example:
        >>> seconds("01:30:00")
        5400

    Raises:
        BadInput: neither seconds nor HH:MM:SS.
    """
    parts = text.split(":")
    if len(parts) in (1, 3) and all(part.isdigit() for part in parts):
        total = 0
        for part in parts:
            total = 60 * total + int(part)
        if total > 0:
            return total
    raise BadInput(f"walltime '{text}': give seconds, or HH:MM:SS")


def dismai_code(label: str | None) -> Any:
    """Return the code of that label; without one, the only `dismai` that no archive brought.

    Raises:
        BadInput: no such code, none at all, or several to choose from.
    """
    if label:
        return load_code(label)
    found = [code for code in visible_codes() if (code.default_calc_job_plugin or "").startswith("dismai.")]
    codes = [code for code in found if not is_imported(code)]
    if len(codes) == 1:
        return codes[0]
    if codes:
        raise BadInput(f"--code: choose one of {', '.join(map(described, codes))}")
    if found:
        raise BadInput(
            f"the `dismai` codes of this profile came with an archive ({', '.join(map(described, found))}) and are not "
            "chosen by themselves; `aiida-dismai setup code` makes one of yours, --code PK takes one of theirs"
        )
    raise BadInput(
        "no `dismai` code in this profile; `aiida-dismai setup code --computer NAME --executable PATH` makes one"
    )


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what AiiDA's ports refuse into one line."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise BadInput(str(error)) from error


def start(process: str, how: dict[str, Any], base: Mapping[str, Any] | None = None, **arguments: Any) -> None:
    """Build the inputs of a workflow and print, run or submit them.

    Args:
        process: entry point, for instance ``dismai.evaluate``.
        how: what :func:`launch_options` gathered.
        base: overrides that the command itself lays over the protocol; the user's come over these.
        arguments: of the workflow's ``get_builder_from_protocol``; those that are None are left out.

    Raises:
        BadInput: a protocol, override or input that the workflow refuses.
    """
    from aiida.plugins import WorkflowFactory

    from ..workchains.problems import text_of
    from ..workchains.request import problems_of

    workflow: Any = WorkflowFactory(process)
    given = {name: value for name, value in arguments.items() if value is not None}
    with refusals():
        builder = workflow.get_builder_from_protocol(
            **given,
            protocol=how["protocol"],
            overrides=_overrides(workflow, base, how),
            options=scheduler_options(how, given.get("code")),
        )
        if how["label"]:
            builder.metadata.label = how["label"]
        inputs = builder._inputs(prune=True)
        problems = problems_of(workflow, inputs)
    if problems:
        raise BadInput(text_of(problems))
    costs = [*subject_of(process, inputs), *cost_lines(cost_of(process, inputs))]
    for note in (*builder._notes, *(f"executes {line}" for line in executed(inputs)), *costs):
        # a comment to YAML
        click.echo(f"# {note}" if how["dry_run"] else note, err=not how["dry_run"])
    if how["dry_run"]:
        import yaml

        click.echo(
            yaml.safe_dump({"process": process, "inputs": plain(inputs)}, sort_keys=True, allow_unicode=True), nl=False
        )
        return
    if how["foreground"]:
        _run(builder)
        return
    _submit(builder)


def _overrides(workflow: Any, base: Mapping[str, Any] | None, how: dict[str, Any]) -> dict[str, Any]:
    """Return the overrides of the command, over them the user's file, over that the single ones."""
    from ..workchains.protocols import merge, read_overrides
    from ..workchains.protocols.single import single_overrides

    found = merge(base or {}, read_overrides(how["overrides"]) if how["overrides"] else {})
    return merge(found, single_overrides(workflow, how["settings"]))


def _run(builder: Any) -> None:
    from aiida.engine import run_get_node

    from .status import state_of

    _, node = run_get_node(builder)
    click.echo(f"{node.process_label}<{node.pk}> {state_of(node)}")
    if not node.is_finished_ok:
        raise click.ClickException(
            f"{node.exit_message or 'it failed'}; `aiida-dismai status {node.pk}` shows which step"
        )
    click.echo(f"see it: aiida-dismai report {node.pk}")


def _submit(builder: Any) -> None:
    from aiida.engine import submit
    from aiida.engine.daemon.client import get_daemon_client
    from aiida.manage import get_manager

    profile = get_manager().get_profile()
    if profile is None or profile.process_control_backend is None:
        raise BadInput(
            "this profile has no broker, so nothing can be submitted; use --run, or `verdi profile configure-broker`"
        )
    node = submit(builder)
    click.echo(f"submitted {node.process_label}<{node.pk}>; watch it: aiida-dismai status {node.pk} --watch")
    if not get_daemon_client(profile.name).is_daemon_running:
        click.echo("the daemon is not running, so the process waits: start it with `verdi daemon start 2`", err=True)


def plain(value: Any) -> Any:
    """Return inputs as what YAML can hold: nodes without a value of their own as ``Class<PK>``."""
    from aiida.orm import AbstractCode, Dict, List, Node

    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, AbstractCode):
        return value.full_label
    if isinstance(value, Dict):
        return value.get_dict()
    if isinstance(value, List):
        return value.get_list()
    if isinstance(value, Node):
        if hasattr(value, "value"):
            return value.value
        return f"{type(value).__name__}<{value.pk or value.label or 'new'}>"
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
