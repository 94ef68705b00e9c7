"""`aiida-dismai report`: the numbers of a finished (or failed) run, as a table, JSON, CSV or a web page."""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.errors import BadInput
from .console import console
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
    "--html", "page", type=click.Path(dir_okay=False), metavar="FILE", help="Write a self-contained web page, too."
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
            raise BadInput(f"{option} {path}: there is no folder {folder}; make it first, or give another")
    load_profile()
    content = collect(load_node(pk, ProcessNode, what="report"))
    if kind == "table":
        screen = console()
        with screen.capture() as captured:
            for part in render(content):
                screen.print(part)
        text = captured.get()
    else:
        text = to_json(content) if kind == "json" else to_csv(content, per)
    if output:
        Path(output).write_text(text)
        click.echo(f"wrote {output}")
    else:
        click.echo(text, nl=False)
    if page:
        from ..report.html import write_page

        write_page(content, Path(page))
        click.echo(f"wrote {page}", err=True)
