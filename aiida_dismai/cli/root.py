"""The root command, and how errors become one line that says what to do."""

from __future__ import annotations

import re
from typing import Any

import click

from ..engine.errors import DismaiError
from ..engine.text import visible
from .archive.commands import archive
from .bundle.commands import fetch_command, publish_command
from .compare import compare
from .dataset import dataset
from .doctor import doctor
from .evaluate import evaluate
from .launch import launch
from .leaderboard.commands import leaderboard
from .offset import offset_command
from .record.commands import reproduce
from .relaunch import relaunch
from .report import report
from .setup import setup
from .status import status
from .trace import trace

#: How a message begins that lists several problems, one a line.
LIST = re.compile(r"\d+ [a-z ]+:\n- ")
#: Lines of such a list, and characters of a line.
LINES = 100
MESSAGE = 2000


def one_line(error: BaseException) -> str | None:
    """Return what to print for an error that is the user's to solve; None for a bug of ours.

    AiiDA's exceptions are recognised without importing AiiDA where it has not been imported yet.
    """
    if isinstance(error, DismaiError):
        return str(error)
    module = type(error).__module__
    if module.startswith("aiida.") or isinstance(error, OSError):
        text = " ".join(str(error).split()) or type(error).__name__
        text = text.removeprefix("invalid attribute value ")  # AiiDA's, before what our validators say
        if type(error).__name__ in ("ProfileConfigurationError", "ConfigurationError", "MissingConfigurationError"):
            return f"{text} (`aiida-dismai setup profile` prints how to make a profile)"
        return text
    return None


def shown(text: str) -> str:
    """Return what is printed of a message: nothing hidden, and in one line unless it lists several problems."""
    lines = text.split("\n") if LIST.match(text) else [text]
    return "\n".join(visible(line, MESSAGE) for line in lines[:LINES])


class FriendlyGroup(click.Group):
    """A group whose commands end in one line instead of a traceback, unless `--debug` is given."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn the errors of :func:`one_line` into a click error."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = shown(error.message)
            raise
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # what is not the user's to solve is raised again below
            text = one_line(error)
            if text is None or ctx.params.get("debug"):
                raise
            raise click.ClickException(shown(text)) from error


@click.group(cls=FriendlyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-p", "--profile", metavar="NAME", help="AiiDA profile; without it, AiiDA's default profile.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="aiida-dismai", prog_name="aiida-dismai")
@click.pass_context
def main(ctx: click.Context, profile: str | None, debug: bool) -> None:
    """Dismai-Bench in AiiDA: set up, launch, watch, report and share.

    A whole benchmark from bulk crystals to the metrics table:

    \b
        aiida-dismai doctor
        aiida-dismai launch pipeline --help
        aiida-dismai status PK --watch
        aiida-dismai report PK --html report.html
        aiida-dismai archive create PK benchmark.aiida
    """  # noqa: D301, click wants the control character itself
    ctx.obj = {"profile": profile, "debug": debug}


for added in (offset_command, publish_command, fetch_command):
    dataset.add_command(added)
for command in (
    setup,
    doctor,
    launch,
    relaunch,
    status,
    report,
    trace,
    compare,
    reproduce,
    leaderboard,
    evaluate,
    dataset,
    archive,
):
    main.add_command(command)
