"""The console script ``dismai``: run one task, list the tasks, print their schemas, describe the models."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from .. import __version__
from . import compiling
from .errors import BadInput, DismaiError
from .evaluation.command import evaluate
from .metrics.command import metrics
from .recipes.command import small
from .runner import run_task
from .tasks import all_tasks, find_task
from .text import visible
from .untrusted import read_json


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dismai")
def cli() -> None:
    """The engine of aiida-dismai: one task in one working directory, with or without AiiDA."""


@cli.command()
@click.argument("task_file", type=click.Path(path_type=Path), default="task.json")
def run(task_file: Path) -> None:
    """Run the task in TASK_FILE (default task.json); everything is written beside it."""
    report = lambda line: click.echo(visible(line, 4000), err=True)  # noqa: E731
    sys.exit(run_task(task_file, report, _say_what_takes_time))


def _say_what_takes_time(line: Mapping[str, Any]) -> None:
    """Print what would otherwise be a silence; progress itself is in ``progress.jsonl``."""
    if line["stage"] == compiling.STAGE:
        click.echo(f"dismai: {compiling.MESSAGE}", err=True)


@cli.command("list")
def list_tasks() -> None:
    """Print the tasks, one a line."""
    for task in all_tasks().values():
        click.echo(f"{task.name:20s} {task.summary}")


@cli.command()
@click.argument("task")
def schema(task: str) -> None:
    """Print the JSON schema of TASK's parameters."""
    click.echo(json.dumps(find_task(task).model().model_json_schema(), indent=2))


cli.add_command(metrics)
cli.add_command(evaluate)
cli.add_command(small)


@cli.command()
def converter() -> None:
    """Print a script that makes structures of the .pt files of CDVAE and DiffCSP, to be run where they were written.

    Such a file is a pickle, which can execute code when it is loaded; it is never loaded here.
    """
    from importlib.resources import files

    click.echo(files(__package__).joinpath("gathering", "converter.py").read_text(encoding="utf-8"), nl=False)


@cli.command()
def families() -> None:
    """List the families of structures that are registered."""
    from .families.registry import registered

    for name, spec in registered().items():
        click.echo(f"{name:20s} {visible(spec.summary)}")


@cli.group(invoke_without_command=True)
@click.pass_context
def generators(context: click.Context) -> None:
    """List the generative models that are registered, or describe one."""
    if context.invoked_subcommand is None:
        from .generators.registry import registered

        for name, spec in sorted(registered().items()):
            click.echo(f"{name:20s} {visible(spec.summary)}")


@generators.command()
@click.argument("name")
@click.option(
    "--template", type=click.Path(path_type=Path), help="A structure the model is to generate (extxyz, npz, cif)."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A hyper-parameter of a variant, as JSON or plain text (pooling=max, critic_channels=[64,64,32]); repeatable.",
)
def describe(name: str, template: Path | None, settings: tuple[str, ...]) -> None:
    """Print NAME's parameters with defaults and its trainable parameters, part by part, as JSON."""
    from .generators.registry import describe as describe_model

    description: dict[str, Any] = describe_model(name, template, _values(settings))
    click.echo(json.dumps(description, indent=2))


def _values(settings: Iterable[str]) -> dict[str, Any]:
    """Return ``name=value`` as a dictionary; what is not JSON is text."""
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not name or not equals:
            raise BadInput(f"--set '{setting}': write NAME=VALUE, for instance epochs=100")
        if name in values:
            raise BadInput(f"--set '{setting}': {name} is set twice")
        try:
            values[name] = read_json(text, f"--set {name}")
        except BadInput:
            values[name] = text
    return values


@cli.command()
@click.argument("name", required=False)
def calculators(name: str | None) -> None:
    """List the calculators that are registered, or print NAME's arguments as JSON."""
    from .parameters import describe_parameters
    from .plugins import load_parameters
    from .potentials.registry import find, registered

    if name is None:
        for known, spec in sorted(registered().items()):
            click.echo(f"{known:20s} {visible(spec.summary)}")
        return
    found = find(name)
    arguments = describe_parameters(load_parameters(found.arguments, f"calculator '{name}'"))
    content = {"name": found.name, "summary": found.summary, "arguments": arguments}
    click.echo(json.dumps(content, indent=2))


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit status 1."""
    # processes that this one starts (workers, devices) look for modules in the working directory otherwise
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        cli()
    except DismaiError as error:
        click.echo(f"dismai: {visible(error, 4000)}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
