"""`aiida-dismai evaluate`: a file of generated structures against a data set, without any model of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..report.links import split_name
from .earlier import evaluated_by, find_split, kind_of_set
from .inputs import reference_input, structures_input
from .launch import kind_option, states_of, states_option
from .launching import dismai_code, launch_options, start
from .profiles import is_file, load_node, load_profile
from .small import is_small


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
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
@launch_options
def evaluate(
    how: dict[str, Any],
    file: str,
    dataset: str,
    validation: str | None,
    kind: str | None,
    oxidation_states: str | None,
    potential: str | None,
) -> None:
    """Evaluate the generated structures in FILE (extxyz, npz) against a data set.

    They are pushed apart, relaxed and measured like those of a benchmark (alloys only measured); see the result with
    `aiida-dismai report PK`.
    """
    load_profile()
    reference, default, process = reference_of(dataset)
    kind = kind_of_set(process, kind)
    found, given = evaluated_by(process, kind, potential)
    start(
        "dismai.evaluate",
        how,
        code=dismai_code(how["code"]),
        structures=structures_input(file, "file"),
        reference=reference,
        validation=structures_input(validation, "validation") if validation else default,
        kind=kind,
        potential=found,
        oxidation_states=states_of(oxidation_states),
        base=given or None,
    )


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
