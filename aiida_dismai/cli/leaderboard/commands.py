"""`aiida-dismai leaderboard`: add, list, verify, build."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from ...engine.errors import BadInput
from ...engine.files import NO_PLACE, write_json, write_text
from ...engine.results.result import RESULT, Result
from ...engine.text import visible
from ...engine.untrusted import read_object
from ...engine.versions import versions
from ...terminal import console, table
from ..bundle.manifest import entry
from ..bundle.people import authors_of
from ..profiles import load_node, load_profile
from .entries import ENTRIES, check_files, entries_of, place_of, read_result

FILE = click.Path(exists=True, dir_okay=False)
WORKFLOW = Path(".github") / "workflows" / "leaderboard.yml"
README = """\
# A leaderboard of Dismai-Bench

Results lie in `results/FAMILY/DATA SET/MODEL-CHECKSUM`: `result.json` with the numbers, the structures that were
measured and the reference that they were compared with. To add yours, fork this repository, run

    aiida-dismai leaderboard add PK . --dataset NAME --author "Given Family <ORCID>"

and open a pull request. The workflow computes every number again from the structures; the site is built from what is
on the main branch.
"""


@click.group()
def leaderboard() -> None:
    """Collect results, compute them again, and show them on a static site."""


@leaderboard.command()
@click.argument("source", metavar="PK|FOLDER|FILE")
@click.argument("board", type=click.Path(file_okay=False))
@click.option("--dataset", help="Name of the data set; needed with a PK.")
@click.option("--model", help="Name of the model; without it that of the training.")
@click.option("--summary", default="", help="A sentence on the model.")
@click.option("--link", help="Address of code or paper, https.")
@click.option("--author", "authors", multiple=True, metavar="PERSON", help="Given Family <ORCID>; affiliation.")
@click.option("--structures", type=FILE, help="Of a FILE: the structures that were measured (--generated).")
@click.option("--reference", type=FILE, help="Of a FILE: what `dismai metrics --write-reference` wrote.")
@click.option("--parameters", type=FILE, help="Of a FILE: the --parameters of `dismai metrics`, if there were any.")
def add(
    source: str,
    board: str,
    dataset: str | None,
    model: str | None,
    summary: str,
    link: str | None,
    authors: tuple[str, ...],
    structures: str | None,
    reference: str | None,
    parameters: str | None,
) -> None:
    """Write the result of PK into the leaderboard BOARD, or copy that in FOLDER, which somebody else has written.

    FILE is the results.json of `dismai metrics`, without AiiDA: it is computed again before it is added.

    PK is a finished benchmark, pipeline or evaluation. Beside result.json go the structures that were measured and the
    reference. BOARD is begun if there is none yet, with a workflow that verifies and publishes it.
    """
    target = Path(board)
    if target.exists() and any(target.iterdir()) and not (target / ENTRIES).is_dir():
        raise BadInput(f"{visible(board)}: holds something that is no leaderboard; give another folder")
    found = Path(source)
    with _beside(target) as folder:
        if found.is_file():
            if structures is None or reference is None:
                raise BadInput(f"{visible(source)}: give the files of the result, too: --structures and --reference")
            if not dataset or not authors:
                raise BadInput("--dataset and --author: name the data set, and who ran it")
            from .gather import Named

            about = Named(dataset, model, summary, link, authors_of(authors, []))
            result = _from_files(found, Path(structures), Path(reference), parameters, folder, about)
        elif structures or reference or parameters:
            raise click.UsageError("--structures, --reference and --parameters belong to a FILE of results")
        elif found.is_dir():
            if dataset or model or summary or link or authors:
                raise click.UsageError("what is said of a result in a FOLDER is in its result.json")
            result = _copy(found, folder)
        else:
            if not dataset:
                raise BadInput("--dataset: name the data set, as others on this leaderboard call it")
            result = _gather(source, folder, dataset, model, summary, link, authors)
        place = place_of(target, result)
        if place.exists():
            raise BadInput(f"{visible(place)}: this result is there already")
        _begin(target)
        place.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(place)
    click.echo(f"added {place.relative_to(target)}: {len(result.models)} models")
    for note in result.notes:
        click.echo(f"! {visible(note, 1000)}", err=True)
    _warn_of_others(target, result)


@contextmanager
def _beside(board: Path) -> Iterator[Path]:
    """Give a folder beside the leaderboard; it goes unless it was moved into its place."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=".dismai-result-", dir=board.resolve().parent))
    except NO_PLACE as error:
        raise BadInput(
            f"{visible(board)}: cannot be written ({error.strerror}); give a folder in one of yours"
        ) from error
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _gather(
    pk: str, folder: Path, dataset: str, model: str | None, summary: str, link: str | None, authors: tuple[str, ...]
) -> Result:
    from .gather import Named, gather

    load_profile()
    node = load_node(pk)
    if not hasattr(node, "process_label"):
        raise BadInput(f"node {node.pk} is a {type(node).__name__}; give a finished benchmark, pipeline or evaluation")
    result = gather(node, folder, Named(dataset, model, summary, link, authors_of(authors, [])))
    write_text(folder / RESULT, result.text())
    return result


def _from_files(
    results: Path, structures: Path, reference: Path, parameters: str | None, folder: Path, about: Any
) -> Result:
    """Write a result that was computed without AiiDA, if its numbers come out again.

    Raises:
        BadInput: they do not: other structures, another reference, or parameters that were not given.
    """
    from .gather import gather_files
    from .verify import verify

    result = gather_files(results, structures, reference, Path(parameters) if parameters else None, folder, about)
    write_text(folder / RESULT, result.text())
    problems = verify(folder)
    if problems:
        raise BadInput(
            "\n- ".join([f"{len(problems)} numbers of the result:", *problems[:20]])
            + "\n- are --structures, --reference and --parameters those that it was computed from?"
        )
    return result


def _copy(source: Path, folder: Path) -> Result:
    """Copy a result of somebody else, file by file.

    Raises:
        BadInput: the result, or a file of it, is not what it says.
    """
    result = read_result(source)
    problems = list(check_files(source, result))
    if problems:
        raise BadInput("\n- ".join([f"{len(problems)} problems of the result:", *problems]))
    for name in (RESULT, result.reference, *(item.structures for item in result.models)):
        shutil.copyfile(source / name, folder / name)
    return result


def _begin(board: Path) -> None:
    """Make what every leaderboard has, where it is not there yet."""
    (board / ENTRIES).mkdir(parents=True, exist_ok=True)
    if not (board / "README.md").exists():
        write_text(board / "README.md", README)
    if not (board / WORKFLOW).exists():
        (board / WORKFLOW).parent.mkdir(parents=True, exist_ok=True)
        write_text(board / WORKFLOW, files(__package__).joinpath("site").joinpath("workflow.yml").read_text())


def _warn_of_others(board: Path, result: Result) -> None:
    """Say if entries of the same data set's name have another reference."""
    about = result.dataset
    for other in _entries(board, {}):
        same = (other.result.kind, other.result.dataset.name) == (result.kind, about.name)
        if same and other.result.dataset.reference_hash != about.reference_hash:
            click.echo(
                f"! {other.identifier} was measured against other training structures of the same name: they stand in "
                "different tables",
                err=True,
            )
            return


def _entries(board: Path, verified: dict[str, bool]) -> list[Any]:
    """Return the entries; an entry that lies under another name than its content has is refused.

    Raises:
        BadInput: a result file that cannot be read, or that was changed after it was added.
    """
    from .standing import Entry

    found = []
    for folder in entries_of(board):
        result = read_result(folder)
        if folder != board and folder.resolve() != place_of(board, result).resolve():
            raise BadInput(
                f"{visible(folder / RESULT)}: its content belongs into {place_of(Path(), result)}; changed after "
                "it was added, or moved (`leaderboard verify` says which number)"
            )
        found.append(Entry(folder, result, verified.get(entry(folder / RESULT).sha256)))
    return found


@leaderboard.command("list")
@click.argument("board", type=click.Path(exists=True, file_okay=False))
def list_command(board: str) -> None:
    """List the results of BOARD by data set, with ranks."""
    from ...report.numbers import number
    from .standing import standings

    tables = standings(_entries(Path(board), {}))
    for item in tables:
        rows = []
        for row in item.rows:
            values = [None if row.values[m] is None else number(row.values[m][0], 3) for m in item.measures]  # type: ignore[index]
            result = row.entry.result
            rows.append((row.rank or "baseline", row.entry.identifier, len(result.models), result.date, *values))
        columns = ("rank", "result", "models", "date", *(item.titles[m] for m in item.measures))
        title = f"{item.name} ({item.kind}), training set {item.reference_hash[:12]}…"
        console().print(table(title, columns, rows, range(4, len(columns))))
    if not tables:
        click.echo("no results yet; `aiida-dismai leaderboard add` adds one")


@leaderboard.command("verify")
@click.argument("board", type=click.Path(exists=True, file_okay=False))
@click.option("--only", multiple=True, metavar="RESULT", help="Only these results, as `list` names them.")
@click.option("--workers", default="1", show_default=True, metavar="N|auto", help="Processes.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write what was found as JSON, for `build`.")
def verify_command(board: str, only: tuple[str, ...], workers: str, output: str | None) -> None:
    """Compute every number of BOARD (or of the folder of one result) again from the structures that lie there.

    Says which number is another, and exits with 1 if there is any.
    """
    from .verify import verify

    folders = [item for item in entries_of(Path(board)) if not only or item.name in only]
    if not folders:
        raise BadInput(f"{visible(board)}: no such result" if only else f"{visible(board)}: no results in it yet")
    found: dict[str, Any] = {}
    for folder in folders:
        try:
            problems = verify(folder, workers)
        except BadInput as error:
            problems = [str(error)]
        click.echo(f"{visible(folder.name)}: {'verified' if not problems else f'{len(problems)} problems'}")
        for line in problems:
            click.echo(f"  {visible(line, 600)}")
        if (folder / RESULT).is_file():
            found[entry(folder / RESULT).sha256] = not problems
    if output:
        write_json(Path(output), {"format": "dismai-verified", "versions": versions(), "results": found})
    if not all(found.values()) or len(found) < len(folders):
        raise click.exceptions.Exit(1)


@leaderboard.command("build")
@click.argument("board", type=click.Path(exists=True, file_okay=False))
@click.argument("site", type=click.Path(file_okay=False))
@click.option("--verified", type=click.Path(exists=True, dir_okay=False), help="What `verify --output` wrote.")
@click.option("--title", default="Dismai-Bench leaderboard", show_default=True)
@click.option("--small", type=click.Path(file_okay=False), help="Folder of the small benchmark's results (JSON).")
@click.option("--address", default="", help="Address of the site, for its feed.")
@click.option(
    "--reports/--no-reports",
    default=True,
    show_default=True,
    help="A report for each result, for which its numbers are computed again.",
)
@click.option(
    "--workers", default="1", show_default=True, metavar="N|auto", help="Processes that compute numbers again."
)
def build_command(
    board: str,
    site: str,
    verified: str | None,
    title: str,
    small: str | None,
    address: str,
    reports: bool,
    workers: str,
) -> None:
    """Build the static site of BOARD in the folder SITE.

    Each result has a page with its report: charts, tables and structures in 3D, made from its structures, whose numbers
    are computed again. Where these are others than stated, there is no report, and the page says so.
    """
    from .build import build

    if address and not address.startswith("https://"):
        raise BadInput(f"--address {visible(address, 80)}: give one that begins with https://")
    known: dict[str, bool] = {}
    if verified is not None:
        content = read_object(Path(verified)).get("results")
        if not isinstance(content, dict) or not all(isinstance(value, bool) for value in content.values()):
            raise BadInput(f"{verified}: not what `leaderboard verify --output` writes")
        known = content
    address = address if not address or address.endswith("/") else f"{address}/"
    entries = _entries(Path(board), known)
    if reports and entries:
        from .reports import require_engine

        require_engine()
    pages = build(
        entries,
        Path(site),
        title,
        Path(small) if small else None,
        address,
        workers if reports else None,
        lambda line: click.echo(line, err=True),
    )
    click.echo(f"wrote {pages} pages to {site}: open {os.path.join(site, 'index.html')}")
