"""``dismai small``: the data sets that ship with the package, and their making."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import BadInput
from ..small.catalogue import SETS, available, find, manifest, recipe
from ..untrusted import read_object


@click.group()
def small() -> None:
    """Small data sets that ship with the package: list them, or make them again."""


@small.command("list")
def list_sets() -> None:
    """Print the sets, one a line, with the beginning of the content hash of the training set."""
    there, notes = available(), manifest()
    for name, item in SETS.items():
        if name in there:
            note = notes[name]
            sizes = "/".join(str(note[part]["n_structures"]) for part in ("train", "validation"))
            click.echo(f"{name:20s} {sizes:8s} {note['train']['content_hash'][:12]}  {item.summary}")
        else:
            click.echo(f"{name:20s} {'':8s} {'not in this version':12s}  {item.summary}")


@small.command("path")
@click.argument("name")
@click.option("--validation", is_flag=True, help="The validation set instead of the training set.")
def path_of(name: str, validation: bool) -> None:
    """Print the file of the set NAME."""
    click.echo(find(name).path("validation" if validation else "train"))


@small.command()
@click.argument("names", nargs=-1)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("small"),
    show_default=True,
    help="Where everything is written: the sets in its folder `data`, the tasks in `work`.",
)
@click.option("--workers", type=click.IntRange(1, 1024), default=1, show_default=True, help="Processes of each task.")
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another recipe (JSON); default: the one that ships.",
)
def make(names: tuple[str, ...], folder: Path, workers: int, recipe_file: Path | None) -> None:
    """Make the sets NAMES (all by default) from their recipe.

    About four hours of one core in all, most of it for the interfaces. Killed, the same command resumes.
    """
    from ..steps import Steps
    from .making import make_set

    if unknown := [name for name in names if name not in SETS]:
        raise BadInput(f"there is no small data set '{unknown[0]}'; known are: {', '.join(SETS)}")
    content = recipe() if recipe_file is None else read_object(recipe_file)
    steps = Steps(folder / "work", workers, lambda line: click.echo(line, err=True))
    shipped = manifest()
    for name in names or tuple(SETS):
        note = make_set(name, content, steps, folder / "data")
        content_hash = note["train"]["content_hash"]
        same = shipped.get(name, {}).get("train", {}).get("content_hash") == content_hash
        said = "the same as the one that ships" if same else "another than the one that ships"
        click.echo(f"{name}: {content_hash[:12]}" + (f", {said}" if name in shipped else ""))
