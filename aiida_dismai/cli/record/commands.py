"""`aiida-dismai reproduce`, and `dataset import --record`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ...engine.errors import BadInput
from ...engine.files import plain, write_text
from ...engine.text import visible
from ...terminal import console, table
from ..profiles import load_profile
from .layout import DATASETS, DOI, DataSet, Generated, Record, chosen, described, read_layout

GUESS = (
    "how generated_data and the extended XYZ files are divided into folders is not documented: files were found by the "
    "words in their paths"
)
only_option = click.option(
    "--only", multiple=True, metavar="NAME", help=f"Only these data sets: {', '.join(item.name for item in DATASETS)}."
)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False))
@only_option
@click.option("--models", multiple=True, metavar="MODEL", help="Only these models, as the paper spells them.")
@click.option(
    "--generated-total",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Structures that each model generated at first (1000 in the paper); the failed share refers to it.",
)
@click.option(
    "--compat/--no-compat",
    default=True,
    show_default=True,
    help="As the authors' scripts, also where these are peculiar; or as this package computes by itself.",
)
@click.option("--workers", default="auto", show_default=True, metavar="N|auto", help="Processes.")
@click.option(
    "--results",
    type=click.Path(file_okay=False),
    default="reproduced",
    show_default=True,
    help="Folder where the results of every file are kept; what is finished there is not computed again.",
)
@click.option("--list", "only_list", is_flag=True, help="Print what was found where, and compute nothing.")
@click.option("--format", "kind", type=click.Choice(["table", "md", "json"]), default="table", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="FILE", help="Write to FILE, too.")
def reproduce(
    folder: str,
    only: tuple[str, ...],
    models: tuple[str, ...],
    generated_total: int,
    compat: bool,
    workers: str,
    results: str,
    only_list: bool,
    kind: str,
    output: str | None,
) -> None:
    """Compute Tables 1 to 3 of the paper from the published record in FOLDER, and print them beside the published ones.

    FOLDER holds the unpacked record (https://doi.org/10.5281/zenodo.12710372): generated_data and
    dismai_bench_train_ref_data, or train_val_data in its place. No AiiDA profile is needed; the engine is.
    """
    record = read_layout(Path(folder))
    if only_list:
        show_layout(record)
        return
    if workers != "auto" and not (workers.isdecimal() and int(workers)):
        raise BadInput(f"--workers {visible(workers, 40)}: give a number of processes, or auto")
    record.require("generated_data")
    datasets = chosen(only)
    wanted = [item for item in record.generated if item.dataset in datasets and (not models or item.model in models)]
    if not wanted:
        known = ", ".join(dict.fromkeys(item.model for item in record.generated)) or "none"
        raise BadInput(
            f"{visible(folder)}: no generated structures of these data sets and models were found (models: {known}); "
            "`--list` shows what was found where"
        )
    if output is not None and not Path(output).resolve().parent.is_dir():
        raise BadInput(f"--output {output}: there is no folder {Path(output).resolve().parent}")
    found = _computed(record, wanted, Path(results), generated_total, workers, compat)
    text = _text(record, found, kind)
    if output is not None:
        write_text(output, text)
        click.echo(f"wrote {output}", err=True)
    click.echo(text, nl=False)


def _computed(
    record: Record, wanted: list[Generated], folder: Path, total: int, workers: str, compat: bool
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the results by data set and model; every reference is looked for before anything is computed."""
    from .computing import compute, place, reference_of

    for item in wanted:
        reference_of(record, item)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for number, item in enumerate(wanted, 1):
        click.echo(f"{number} of {len(wanted)}: {item.path.relative_to(record.folder)}", err=True)
        metrics = compute(
            record, item, folder / place(item), total, workers, compat, lambda line: click.echo(line, err=True)
        )
        found.setdefault(item.dataset.name, {}).setdefault(item.title, []).append(metrics)
    return found


def _text(record: Record, found: dict[str, dict[str, list[dict[str, Any]]]], kind: str) -> str:
    from ...report.family import find_report
    from .tables import lines_of, markdown, rows_of

    tables: list[tuple[DataSet, list[dict[str, Any]]]] = []
    for dataset in DATASETS:
        if dataset.name in found:
            tables.append((dataset, rows_of(dataset, found[dataset.name])))
    if kind == "json":
        content = {
            "record": DOI,
            "layout": [list(row) for row in described(record)],
            "guess": GUESS,
            "rows": [row for _, rows in tables for row in rows],
        }
        return json.dumps(plain(content), indent=2) + "\n"
    text = ""
    screen = console()
    with screen.capture() as captured:
        for dataset, rows in tables:
            family = find_report(dataset.kind)
            titles = {name: family.metric(name).title or name for name in (row["measure"] for row in rows)}
            lines = lines_of(rows, titles)
            title = f"Table {dataset.table}: {dataset.published}"
            if kind == "md":
                text += markdown(title, lines)
            else:
                columns = ("model", "measure", "computed", "published", "difference")
                screen.print(table(title, columns, lines, (2, 3, 4)))
    notes = [f"layout: {GUESS}"]
    notes += [f"{len(record.not_understood)} files were not understood: `--list`"] if record.not_understood else []
    body = text if kind == "md" else captured.get()
    return body + "".join(f"! {note}\n" for note in notes)


def show_layout(record: Record) -> None:
    """Print what was taken for what."""
    console().print(table(visible(record.folder), ("", "what", "where"), list(described(record))))
    click.echo(f"! {GUESS}", err=True)


def import_record(folder: str, only: tuple[str, ...], licence: str | None, only_list: bool) -> None:
    """Store the data sets of a record, and print them."""
    from .importing import licence_of, store_sets

    record = read_layout(Path(folder))
    if only_list:
        show_layout(record)
        return
    record.require("train_val_data")
    datasets = chosen(only)
    load_profile()
    nodes = store_sets(record, datasets, licence_of(record, licence))
    rows = [
        (
            label,
            node.pk,
            len(node) if hasattr(node, "structures") else None,
            node.base.extras.get("dismai_record")["file"],
        )
        for label, node in nodes
    ]
    console().print(table(f"record {DOI}", ("label", "PK", "structures", "file"), rows, (1, 2)))
    lacking = [item.name for item in datasets if item.name not in record.sets]
    if lacking:
        click.echo(f"! not found: {', '.join(lacking)}", err=True)
    for path in record.potentials:
        if path.suffix.lower() == ".xml":
            click.echo(f"potential: calculator gap reads {path.relative_to(record.folder)} (docs/howto/relaxation.md)")
    click.echo(f"! {GUESS}", err=True)
