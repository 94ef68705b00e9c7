"""`aiida-dismai dataset`: structure sets in and out of AiiDA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..engine.errors import BadInput
from ..report.links import find_port, ports_of_set, split_name
from ..terminal import console, table
from .profiles import import_structures, load_node, load_profile
from .record.commands import import_record, only_option
from .small import small_command


@click.group()
def dataset() -> None:
    """Bring structures in and out (extxyz, npz, cif), and look at them."""


dataset.add_command(small_command)


@dataset.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False), required=False)
@click.option("--label", default="", help="Label of the node; without it, the file's name.")
@click.option(
    "--record",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="In place of FILE: the benchmark's published record, unpacked. All its data sets are stored, with splits.",
)
@only_option
@click.option("--licence", help="Of a record: its licence, as it is written down with the nodes.")
@click.option("--list", "only_list", is_flag=True, help="Of a record: print what was found where, and store nothing.")
def import_command(
    file: str | None, label: str, record: str | None, only: tuple[str, ...], licence: str | None, only_list: bool
) -> None:
    """Store FILE (extxyz, npz, cif, anything ASE reads) as one node and print its PK; or a whole record."""
    if (file is None) == (record is None):
        raise click.UsageError("give either FILE or --record FOLDER")
    if record is not None:
        import_record(record, only, licence, only_list)
        return
    if only or licence or only_list:
        raise click.UsageError("--only, --licence and --list belong to --record")
    assert file is not None
    load_profile()
    node = import_structures(file, label)
    click.echo(f"stored as StructureSetData<{node.pk}> ({node.uuid})")
    show_structures(node)


@dataset.command("export")
@click.argument("pk")
@click.argument("output", type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Overwrite OUTPUT.")
def export_command(pk: str, output: str, force: bool) -> None:
    """Write the structures of node PK to OUTPUT, by its ending: .extxyz (every digit kept) or .npz (exact)."""
    path = writable(output, force)
    load_profile()
    export_structures(find_structures(pk), path)


def writable(output: str, force: bool, endings: tuple[str, ...] = (".extxyz", ".xyz", ".npz")) -> Path:
    """Return the path of a file that may be written.

    Raises:
        BadInput: another ending, or it is there already and must not be overwritten.
    """
    path = Path(output)
    if path.suffix not in endings:
        raise BadInput(f"{output}: the ending must be one of {', '.join(endings)}")
    if path.exists() and not force:
        raise BadInput(f"{output} exists; give another name, or --force to overwrite it")
    return path


def export_structures(node: Any, path: Path) -> None:
    """Write a structure set to a file, and print how many structures; energies of a stand-in are warned of."""
    from ..engine.structures import write_extxyz, write_npz

    note = _note(node)
    (write_npz if path.suffix == ".npz" else write_extxyz)(node.structures, path, note)
    click.echo(f"wrote {len(node)} structures to {path}")
    if note:
        click.echo(f"! {note}", err=True)


@dataset.command("show")
@click.argument("pk")
def show_command(pk: str) -> None:
    """Print what node PK (a structure set, or a process with the output `dataset`, or PK:T300_wide) holds."""
    load_profile()
    show_structures(find_structures(pk))


def find_structures(identifier: str, what: str = "structures") -> Any:
    """Return the structure set of that name; of a process, its output ``dataset`` or ``structures``.

    Of a process that has made several data sets, one is named behind a colon: ``81:T300_wide``.

    Raises:
        BadInput: no such node, a node of another type, or a process without such an output.
    """
    from aiida.orm import ProcessNode

    from ..data import StructureSetData

    identifier, chosen = split_name(identifier)
    node = load_node(identifier, StructureSetData, ProcessNode, what=what)
    if isinstance(node, StructureSetData):
        return node
    ports = ports_of_set(node, chosen, what)
    for name in ("dataset", "structures"):
        found = find_port(ports, name)
        if isinstance(found, StructureSetData):
            return found
    raise BadInput(
        f"{what}: {node.process_label}<{node.pk}> has no output 'dataset' or 'structures'; "
        "give the PK of a structure set"
    )


def _note(node: Any) -> str:
    """Return what energies of a stand-in are not; empty without such energies."""
    from ..dft.origin import not_dft, stand_ins_behind

    codes = stand_ins_behind([node]) if "energy" in node.property_names else []
    return not_dft(codes) if codes else ""


def show_structures(node: Any) -> None:
    """Print what a structure set holds: counts, cell, origin, and the ranges of all properties."""
    import numpy as np

    structures = node.structures
    attributes = node.base.attributes
    cell = attributes.get("cell")
    rows: list[tuple[str, Any]] = [
        ("label", node.label or None),
        ("structures", len(node)),
        (
            "formulas",
            ", ".join(node.formulas[:4])
            + (f" and {attributes.get('n_formulas') - 4} more" if attributes.get("n_formulas") > 4 else ""),
        ),
        ("atoms each", attributes.get("n_atoms") or "different"),
        ("cell", "different" if cell is None else " | ".join(" ".join(f"{x:.4f}" for x in row) for row in cell)),
        ("content hash", node.content_hash),
    ]
    if node.n_unread:
        rows.append(("could not be read", f"{node.n_unread} more, which count as failed"))
    creator = node.creator
    rows.append(("made by", "imported" if creator is None else f"{creator.process_label}<{creator.pk}>"))
    screen = console()
    screen.print(table(f"StructureSetData<{node.pk}>", ("", ""), rows))
    properties = []
    for name, prop in sorted(structures.properties.items()):
        values = prop.values
        span = None
        if values.dtype.kind in "fiub" and values.size and np.isfinite(values.astype(float)).any():
            numbers = values.astype(float)
            span = f"{np.nanmin(numbers):.6g} … {np.nanmax(numbers):.6g}"
        properties.append((name, prop.level, prop.unit or None, values.dtype, span))
    if properties:
        screen.print(table("properties", ("name", "of each", "unit", "type", "range"), properties))
    note = _note(node)
    if note:
        click.echo(f"! {note}", err=True)
