"""`aiida-dismai report`: the numbers of a finished (or failed) run, as a table, JSON, CSV or a web page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..engine.errors import BadInput
from ..engine.files import write_text
from ..engine.text import visible
from ..terminal import console
from .profiles import load_node, load_profile


@click.command()
@click.argument("pk")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="What to print.",
)
@click.option(
    "--per", type=click.Choice(["model", "structure"]), default="model", show_default=True, help="Rows of the CSV."
)
@click.option(
    "--html", "page", type=click.Path(dir_okay=False), metavar="FILE", help="Also write a self-contained web page."
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), metavar="FILE", help="Write to FILE instead of printing."
)
def report(pk: str, kind: str, per: str, page: str | None, output: str | None) -> None:
    """Report on PK: a benchmark, a pipeline, an evaluation, a data set, a potential or labels."""
    from aiida.orm import ProcessNode

    from ..report.collect import collect
    from ..report.export import to_csv, to_json
    from ..report.table import render

    for option, path in (("--html", page), ("--output", output)):
        if path is not None and not Path(path).expanduser().resolve().parent.is_dir():
            folder = Path(path).expanduser().resolve().parent
            raise BadInput(f"{option} {path}: there is no folder {folder}; create it first, or give another")
    load_profile()
    node = load_node(pk, ProcessNode, what="report")
    with odd_nodes(node):
        content = collect(node)
        if kind == "table":
            screen = console()
            with screen.capture() as captured:
                for part in render(content):
                    screen.print(part)
            text = captured.get()
        else:
            text = to_json(content) if kind == "json" else to_csv(content, per)
    if output:
        write_text(output, text)
        click.echo(f"wrote {output}")
    else:
        click.echo(text, nl=False)
    if page:
        from ..report.html import write_page

        with odd_nodes(node):
            write_page(content, Path(page))
        click.echo(f"wrote {page}", err=True)


@contextmanager
def odd_nodes(node: Any) -> Iterator[None]:
    """Say in one line that nodes hold what no task writes: metrics of a stranger's archive may be anything.

    Raises:
        BadInput: with what was raised; `--debug` shows where.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = visible(f"{type(error).__name__}: {error}", 160)
        raise BadInput(
            f"report: nodes of {node.process_label}<{node.pk}> hold what no task writes ({reason}); if it is a run of "
            "yours, report it with what `aiida-dismai --debug report` prints"
        ) from error
