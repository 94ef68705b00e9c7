"""`aiida-dismai evaluate`: what a generator left against a data set, without any model of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..engine.errors import BadInput
from ..engine.gathering import read_given
from ..report.links import split_name
from .earlier import evaluated_by, find_split, kind_of_set
from .inputs import reference_input, structures_input
from .launch import kind_option, states_of, states_option
from .launching import dismai_code, launch_options, start
from .profiles import is_file, load_node, load_profile
from .small import is_small


@click.command()
@click.argument("generated", type=click.Path(exists=True))
@click.option(
    "--dataset",
    required=True,
    metavar="NODE|FILE|FOLDER",
    help="What to compare with: a process that made a data set (its training and validation set and its potential are "
    "taken; of an alloy's PK:T300_wide); or small:NAME, one that ships with the package; or a training set (a node, or "
    "a file); or the `reference` of an earlier evaluation; or a folder of the authors' csv files.",
)
@click.option(
    "--validation",
    metavar="NODE|FILE",
    help="Shown beside the noise floor; without it, that of the data set's process.",
)
@kind_option
@states_option
@click.option("--potential", metavar="NODE", help="Relaxes the structures; without it, that of the data set's process.")
@click.option(
    "--count-unreadable",
    is_flag=True,
    help="Count structures that cannot be read as failed; without it they are named, and nothing is done.",
)
@click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="With --run: also write the web page of the evaluation, and FILE.csv with a row for each structure.",
)
@launch_options
def evaluate(
    how: dict[str, Any],
    generated: str,
    dataset: str,
    validation: str | None,
    kind: str | None,
    oxidation_states: str | None,
    potential: str | None,
    count_unreadable: bool,
    page: str | None,
) -> None:
    """Evaluate the structures in GENERATED against a data set.

    GENERATED is a file of structures (extxyz, CIF, POSCAR, pymatgen's JSON, ASE's .traj or .db, a CSV with a column
    `cif`, npz of this project; text also compressed), or a folder or zip archive of such files. They are pushed apart,
    relaxed and measured like those of a benchmark (alloys only measured); see the result with
    `aiida-dismai report PK`.
    """
    if page is not None:
        _check_page(page, how)
    load_profile()
    reference, default, process = reference_of(dataset)
    kind = kind_of_set(process, kind)
    found, given = evaluated_by(process, kind, potential)
    structures = generated_input(generated, count_unreadable, "# " if how["dry_run"] else "")
    try:
        start(
            "dismai.evaluate",
            how,
            code=dismai_code(how["code"]),
            structures=structures,
            reference=reference,
            validation=structures_input(validation, "validation") if validation else default,
            kind=kind,
            potential=found,
            oxidation_states=states_of(oxidation_states),
            base=given or None,
        )
    finally:
        # of one that has failed, the page shows what there is
        if page is not None and structures.is_stored:
            _write_page(structures, page)


def generated_input(path: str, count_unreadable: bool = False, mark: str = "") -> Any:
    """Return a node of what a generator left; its structures know their file and frame.

    Args:
        path: of a file, a folder or an archive.
        count_unreadable: whether structures that cannot be read go with the node, to be counted as failed.
        mark: before the lines that are printed.

    Raises:
        BadInput: structures that cannot be read, and do not count.
    """
    from ..data import StructureSetData

    given = read_given(Path(path).expanduser(), count_unreadable, lambda line: click.echo(f"{mark}{line}", err=True))
    node = StructureSetData(given.structures, [(item.file, item.frame, item.reason) for item in given.refused])
    node.label = Path(path).resolve().name
    return node


def _check_page(page: str, how: dict[str, Any]) -> None:
    if not how["foreground"] or how["dry_run"]:
        raise BadInput(
            f"--report {page}: needs --run, which waits for the end; later: `aiida-dismai report PK --format html -o "
            f"{page}`"
        )
    folder = Path(page).expanduser().resolve().parent
    if not folder.is_dir():
        raise BadInput(f"--report {page}: there is no folder {folder}; create it first, or give another")


def _write_page(structures: Any, page: str) -> None:
    """Write the page of the evaluation that was given these structures, and its list of structures."""
    from aiida.orm import WorkChainNode

    from ..engine.files import write_text
    from ..report.collect import collect
    from ..report.export import to_csv
    from ..report.html import write_page

    found = structures.base.links.get_outgoing(node_class=WorkChainNode, link_label_filter="structures").all_nodes()
    node = next(iter(sorted(found, key=lambda node: node.pk)), None)
    if node is None:
        return
    content = collect(node)
    write_page(content, Path(page).expanduser())
    click.echo(f"wrote {page}", err=True)
    if content.models:
        listed = Path(page).expanduser().with_suffix(".csv")
        write_text(listed, to_csv(content, "structure"))
        click.echo(f"wrote {listed}", err=True)


def reference_of(dataset: str) -> tuple[Any, Any, str | None]:
    """Return the training set, the validation set, and what the potential can be found by.

    The last two are None for anything but a process that made a data set.

    Raises:
        BadInput: no such node, or a process without a data set.
    """
    from aiida.orm import ProcessNode

    if is_small(dataset):
        return *find_split(dataset), dataset
    if (
        is_file(dataset)
        or Path(dataset).expanduser().is_dir()
        or not isinstance(load_node(split_name(dataset)[0], what="dataset"), ProcessNode)
    ):
        return reference_input(dataset, "dataset"), None, None
    return *find_split(dataset), dataset
