"""`aiida-dismai evaluate`: a file of generated structures against a data set, without any model of ours."""

from __future__ import annotations

from typing import Any

import click

from ..engine.errors import BadInput
from .launch import find_potential, find_split
from .launching import dismai_code, launch_options, start, structures_input
from .profiles import is_file, load_node, load_profile


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--dataset",
    required=True,
    metavar="NODE",
    help="What to compare with: a process that made a data set (its training set is taken), or a structure set.",
)
@click.option("--potential", metavar="NODE", help="Relaxes the structures; without it, that of the data set's process.")
@launch_options
def evaluate(how: dict[str, Any], file: str, dataset: str, potential: str | None) -> None:
    """Evaluate the generated structures in FILE (extxyz, npz) against a data set.

    They are pushed apart, relaxed and measured like those of a benchmark; see the result with
    `aiida-dismai report PK`.
    """
    load_profile()
    reference, default = reference_of(dataset)
    start(
        "dismai.evaluate",
        how,
        code=dismai_code(how["code"]),
        structures=structures_input(file, "file"),
        reference=reference,
        potential=find_potential(potential or default),
    )


def reference_of(dataset: str) -> tuple[Any, str | None]:
    """Return the training set, and what its potential can be found by (None for a bare structure set).

    Raises:
        BadInput: no such node, or a process without a data set.
    """
    from aiida.orm import ProcessNode

    from ..data import StructureSetData

    if is_file(dataset):
        raise BadInput(f"--dataset: '{dataset}' is a file; store it first: aiida-dismai dataset import {dataset}")
    node = load_node(dataset, StructureSetData, ProcessNode, what="dataset")
    if isinstance(node, StructureSetData):
        return node, None
    return find_split(dataset)[0], dataset
