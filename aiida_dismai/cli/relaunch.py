"""`aiida-dismai relaunch`: a process that failed or was killed, once more: what is finished is not done again."""

from __future__ import annotations

from typing import Any

import click

from ..engine.errors import BadInput
from .launching import refusals
from .profiles import load_node, load_profile


@click.command()
@click.argument("pk")
@click.option("--label", help="Label of the new process; without it, that of the old one.")
@click.option("--run", "foreground", is_flag=True, help="Run here and wait, instead of submitting to the daemon.")
def relaunch(pk: str, label: str | None, foreground: bool) -> None:
    """Launch the failed or killed process PK again, with the same inputs.

    `dismai` jobs that had finished are taken from the cache; those that had not resume from their checkpoints, where
    these are still on the computer.
    """
    from aiida.orm import ProcessNode

    load_profile()
    builder, node = builder_for(load_node(pk, ProcessNode, what="relaunch"))
    builder.metadata.label = label or node.label
    submit(builder, node, foreground)


def builder_for(node: Any) -> tuple[Any, Any]:
    """Return the builder that does a process again, and the process.

    Raises:
        BadInput: it has not ended, has finished, or is nothing that can be launched.
    """
    from aiida.orm import CalcJobNode, WorkChainNode

    from ..calculations.base import TaskCalculation
    from ..calculations.checkpoints import has_checkpoint

    what = f"{node.process_label}<{node.pk}>"
    if not isinstance(node, (CalcJobNode, WorkChainNode)):
        raise BadInput(f"{what} is a function within a workflow; relaunch the workflow that called it")
    if not node.is_terminated:
        raise BadInput(
            f"{what} has not ended; if it makes no progress, `aiida-dismai status {node.pk}` says what to do, and "
            f"`verdi process kill {node.pk}` ends it"
        )
    if node.is_finished_ok:
        raise BadInput(f"{what} has finished; there is nothing to resume")
    with refusals():
        builder = node.get_builder_restart()
    if isinstance(node, CalcJobNode) and issubclass(node.process_class, TaskCalculation) and has_checkpoint(node):
        builder.parent_folder = node.outputs.remote_folder
    return builder, node


def submit(builder: Any, node: Any, foreground: bool) -> None:
    """Submit or run the builder, marked as a relaunch of the node before it begins."""
    from aiida.engine import run_get_node
    from aiida.engine import submit as to_daemon
    from aiida.engine.utils import instantiate_process
    from aiida.manage import get_manager

    from ..workchains.earlier import RELAUNCH
    from .status import state_of

    profile = get_manager().get_profile()
    if not foreground and (profile is None or profile.process_control_backend is None):
        raise BadInput("this profile has no broker, so nothing can be submitted; use --run")
    with refusals():
        process = instantiate_process(get_manager().get_runner(), builder)
    process.node.base.extras.set(RELAUNCH, node.uuid)
    if not foreground:
        again = to_daemon(process)
        click.echo(f"submitted {again.process_label}<{again.pk}>; watch it: aiida-dismai status {again.pk} --watch")
        return
    _, again = run_get_node(process)
    click.echo(f"{again.process_label}<{again.pk}> {state_of(again)}")
    if not again.is_finished_ok:
        raise click.ClickException(
            f"{again.exit_message or 'it failed'}; `aiida-dismai status {again.pk}` shows which step"
        )
