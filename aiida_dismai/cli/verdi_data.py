"""`verdi data dismai.structures`, `dismai.potential`, `dismai.generator`: list, show, export, view.

AiiDA finds the groups by the entry points ``aiida.cmdline.data``; the profile is that of `verdi`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from aiida.cmdline.utils.decorators import with_dbenv

from ..engine.errors import BadInput
from ..engine.files import NO_PLACE, write_atomically
from ..engine.structures.write_single import SINGLE, single_file
from ..engine.text import visible
from ..terminal import console, table
from .dataset import export_structures, show_structures, writable
from .profiles import load_node
from .root import FriendlyGroup

#: Levels of a curve in the terminal, and how many points it has at most.
LEVELS = "▁▂▃▄▅▆▇█"
POINTS = 60

limit_option = click.option(
    "-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="Newest nodes to list."
)
force_option = click.option("--force", is_flag=True, help="Overwrite what is there.")


@click.group("dismai.structures", cls=FriendlyGroup)
def structures() -> None:
    """List, show, export and view sets of structures."""


@structures.command("list")
@limit_option
@with_dbenv()
def list_structures(limit: int) -> None:
    """List the newest structure sets."""
    rows = []
    for node in _newest("dismai.structures", limit):
        attributes = node.base.attributes
        names = ", ".join(visible(name, 40) for name in node.property_names)
        rows.append((*_head(node), attributes.get("count"), ", ".join(node.formulas[:2]), names or None, _maker(node)))
    columns = ("PK", "created", "label", "structures", "formulas", "properties", "made by")
    console().print(table("structure sets", columns, rows, (0, 3)))


@structures.command("show")
@click.argument("pk")
@with_dbenv()
def show_set(pk: str) -> None:
    """Show counts, cell, origin and the ranges of all properties of PK."""
    show_structures(_structures(pk))


@structures.command("export")
@click.argument("pk")
@click.argument("output", type=click.Path(dir_okay=False))
@click.option("--index", type=int, help="Only this structure, from 0; needed for files that hold one.")
@force_option
@with_dbenv()
def export_set(pk: str, output: str, index: int | None, force: bool) -> None:
    """Write PK to OUTPUT: .extxyz or .npz; with --index also .cif or POSCAR, known by its ending."""
    single = tuple(SINGLE)
    path = writable(output, force, (".extxyz", ".xyz", ".npz", *single))
    node = _structures(pk)
    if path.suffix not in single and index is None:
        export_structures(node, path)
        return
    if index is None:
        raise BadInput(f"{output}: holds one structure; say which with --index, from 0 to {len(node) - 1}")
    _write_one(node, index, path)
    click.echo(f"wrote structure {index} of {len(node)} to {output}")


@structures.command("view")
@click.argument("pk")
@click.option("--index", type=int, default=0, show_default=True, help="Which structure, from 0.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Draw a PNG file instead of opening a window.")
@force_option
@with_dbenv()
def view_set(pk: str, index: int, output: str | None, force: bool) -> None:
    """View a structure of PK in ASE's viewer, or draw it to a PNG file."""
    path = None if output is None else writable(output, force, (".png",))
    node = _structures(pk)
    _view(node, index, path)


def _write_one(node: Any, index: int, path: Path) -> None:
    from ..engine.structures import write_extxyz, write_npz

    one = _chosen(node, index)
    if path.suffix in (".extxyz", ".xyz", ".npz"):
        (write_npz if path.suffix == ".npz" else write_extxyz)(one, path)
        return
    content = single_file(one, path)
    _to_file(path, lambda handle: handle.write(content))


def _view(node: Any, index: int, path: Path | None) -> None:
    from ..engine.structures import to_ase

    atoms = to_ase(_chosen(node, index).without_properties())[0]
    if path is not None:
        from ase.io import write

        # a little off the axes, so that columns of atoms do not hide each other
        _to_file(path, lambda handle: write(handle, atoms, format="png", rotation="-80x,-10y", scale=30))
        click.echo(f"wrote {path}")
        return
    import os

    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise BadInput("there is no screen to open a window on; draw a picture with --output FILE.png")
    from ase.visualize import view

    view(atoms)


def _chosen(node: Any, index: int) -> Any:
    if not 0 <= index < len(node):
        raise BadInput(f"--index {index}: StructureSetData<{node.pk}> has the structures 0 to {len(node) - 1}")
    return node.structures[index]


def _to_file(path: Path, write: Callable[[Any], object]) -> None:
    try:
        write_atomically(path, write)
    except NO_PLACE as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror}); give a path in a folder of yours") from error


def _structures(pk: str) -> Any:
    from ..data import StructureSetData

    return load_node(pk, StructureSetData, what="structures")


# ---------------------------------------------------------------------- weights
@click.group("dismai.potential", cls=FriendlyGroup)
def potential() -> None:
    """List, show, export and view trained interatomic potentials."""


@click.group("dismai.generator", cls=FriendlyGroup)
def generator() -> None:
    """List, show, export and view trained generative models."""


def _add_commands(group: click.Group, plugin: str, kind: str) -> None:
    """Give a group of weights its four commands.

    Args:
        group: that of a node type.
        plugin: entry point of the node type.
        kind: attribute that names the architecture or model.
    """

    @group.command("list")
    @limit_option
    @with_dbenv()
    def list_weights(limit: int) -> None:
        """List the newest ones: what they are, what they were trained on, seed."""
        from ..report.words import phrase

        rows = [(*_head(node), phrase(node), _maker(node)) for node in _newest(plugin, limit)]
        console().print(table(plugin, ("PK", "created", "label", "holds", "made by"), rows, (0,)))

    @group.command("show")
    @click.argument("pk")
    @with_dbenv()
    def show_weights(pk: str) -> None:
        """Show the configuration of PK: hyper-parameters, training set, seed, versions, checksums."""
        from ..report.words import flat

        node = _weights(pk, plugin)
        rows = [("UUID", node.uuid), ("made by", _maker(node))]
        rows += [(name, value) for name, value in flat(node.config)]
        console().print(
            table(f"{node.base.attributes.get(kind, '?')}, {type(node).__name__}<{node.pk}>", ("", ""), rows)
        )

    @group.command("export")
    @click.argument("pk")
    @click.argument("folder", type=click.Path(file_okay=False))
    @force_option
    @with_dbenv()
    def export_weights(pk: str, folder: str, force: bool) -> None:
        """Write PK as a folder of config.json and weights.safetensors, for use without AiiDA."""
        path = Path(folder)
        if path.exists() and any(path.iterdir()) and not force:
            raise BadInput(f"{folder} is not empty; give another folder, or --force to write into it")
        node = _weights(pk, plugin)
        try:
            node.export_folder(path)
        except NO_PLACE as error:
            raise BadInput(f"{folder}: cannot be written ({error.strerror})") from error
        click.echo(f"wrote {', '.join(node.file_names())} to {folder}")

    @group.command("view")
    @click.argument("pk")
    @with_dbenv()
    def view_weights(pk: str) -> None:
        """View how PK learnt: its training curves, in the terminal."""
        node = _weights(pk, plugin)
        creator = node.creator
        curves = None if creator is None or "curves" not in creator.outputs else creator.outputs.curves
        if curves is None:
            raise BadInput(f"{type(node).__name__}<{node.pk}> was imported without its training; `show` has the rest")
        rows = []
        for name in sorted(curves.get_arraynames()):
            values = curves.get_array(name)
            if values.ndim == 1 and values.dtype.kind in "fiu" and name not in ("epoch", "step"):
                rows.append((name, curve(values), f"{values[0]:.4g}", f"{values[-1]:.4g}") if len(values) else (name,))
        title = f"training of {type(node).__name__}<{node.pk}>"
        console().print(table(title, ("curve", "course", "first", "last"), rows, (2, 3)))


_add_commands(potential, "dismai.potential", "architecture")
_add_commands(generator, "dismai.generator", "model")


def curve(values: Any) -> str:
    """Return numbers as a line of blocks, the lowest at the bottom; positive ones on a logarithmic scale.

    Example:
        >>> curve([1.0, 10.0, 100.0])
        '▁▅█'
    """
    import numpy as np

    numbers = np.asarray(values, dtype=float)
    numbers = numbers[np.linspace(0, len(numbers) - 1, min(len(numbers), POINTS)).round().astype(int)]
    good = np.isfinite(numbers)
    if not good.any():
        return "?" * len(numbers)
    if (numbers[good] > 0).all():
        numbers = np.log(numbers, where=good, out=np.full_like(numbers, np.nan))
    low, high = numbers[good].min(), numbers[good].max()
    steps = np.zeros(len(numbers)) if high <= low else (numbers - low) / (high - low) * (len(LEVELS) - 1)
    return "".join(LEVELS[int(np.rint(step + 0.01))] if ok else "?" for step, ok in zip(steps, good, strict=True))


def _weights(pk: str, plugin: str) -> Any:
    from aiida.plugins import DataFactory

    return load_node(pk, DataFactory(plugin), what=plugin)


# ---------------------------------------------------------------------- lists
def _newest(plugin: str, limit: int) -> Sequence[Any]:
    from aiida.orm import QueryBuilder
    from aiida.plugins import DataFactory

    query = QueryBuilder().append(DataFactory(plugin), tag="node").order_by({"node": {"id": "desc"}}).limit(limit)
    found: list[Any] = query.all(flat=True)
    return found


def _head(node: Any) -> tuple[Any, ...]:
    return node.pk, node.ctime.strftime("%Y-%m-%d %H:%M"), visible(node.label, 60) or None


def _maker(node: Any) -> str:
    from ..report.words import named

    return "imported" if node.creator is None else named(node.creator)
