"""`aiida-dismai report`: the numbers of a finished (or failed) run, as a table, a page, text, pictures, CSV or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..engine.errors import BadInput
from ..engine.files import write_atomically, write_text
from ..engine.text import visible
from ..terminal import console
from .profiles import load_node, load_profile

if TYPE_CHECKING:
    from ..report.content import Report

#: Formats that are written to files only, and what they write.
TO_FILES = {"svg": "a folder, one file a chart", "pdf": "a file, one page a chart"}


@click.command()
@click.argument("pk")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "html", "md", "latex", "csv", "json", "svg", "pdf"]),
    default="table",
    show_default=True,
    help="What to print or write: a table for the terminal, a web page, Markdown, LaTeX tables, CSV, JSON; the charts "
    "as SVG (--output is a folder) or PDF.",
)
@click.option(
    "--per", type=click.Choice(["model", "structure"]), default="model", show_default=True, help="Rows of the CSV."
)
@click.option(
    "--html", "page", type=click.Path(dir_okay=False), metavar="FILE", help="Also write a self-contained web page."
)
@click.option(
    "-o", "--output", type=click.Path(), metavar="FILE", help="Write to FILE (svg: a folder) instead of printing."
)
def report(pk: str, kind: str, per: str, page: str | None, output: str | None) -> None:
    """Report on PK: a benchmark, a study, a pipeline, an evaluation, a comparison, a data set, a potential or labels.

    It begins with a verdict: how far from the data, and what failed.
    """
    from aiida.orm import ProcessNode

    from ..report.collect import collect

    if kind in TO_FILES and output is None:
        raise BadInput(f"--format {kind}: writes {TO_FILES[kind]}; say where with --output")
    if kind != "svg" and output is not None and Path(output).expanduser().is_dir():
        raise BadInput(f"--output {output}: is a folder; give a file")
    for option, path in (("--html", page), ("--output", output)):
        if path is not None and not Path(path).expanduser().resolve().parent.is_dir():
            folder = Path(path).expanduser().resolve().parent
            raise BadInput(f"{option} {path}: there is no folder {folder}; create it first, or give another")
    load_profile()
    node = load_node(pk, ProcessNode, what="report")
    with odd_nodes(node):
        content = collect(node)
        written = _written(content, kind, per, output)
    for line in written:
        click.echo(line, nl=output is not None)
    if page:
        from ..report.html import write_page

        with odd_nodes(node):
            write_page(content, Path(page))
        click.echo(f"wrote {page}", err=True)


def _written(content: Report, kind: str, per: str, output: str | None) -> list[str]:
    """Write the report; return a line for each file, or without an output the report itself."""
    if output is not None and kind in TO_FILES:
        from ..report.pictures import pdf_of, write_svgs

        if kind == "svg":
            return [f"wrote {path}" for path in write_svgs(content, Path(output))]
        pdf = pdf_of(content)
        write_atomically(output, lambda handle: handle.write(pdf))
        return [f"wrote {output}"]
    text = _text(content, kind, per)
    if output is None:
        return [text]
    write_text(output, text)
    return [f"wrote {output}"]


def _text(content: Report, kind: str, per: str) -> str:
    """Return the report in a format that is text."""
    from ..report.documents import to_latex, to_markdown
    from ..report.export import to_csv, to_json

    if kind == "html":
        from ..report.html import page

        return page(content)
    if kind == "csv":
        return to_csv(content, per)
    if kind != "table":
        return {"json": to_json, "md": to_markdown, "latex": to_latex}[kind](content)
    from ..report.table import render

    screen = console()
    with screen.capture() as captured:
        for part in render(content):
            screen.print(part)
    return str(captured.get())


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
