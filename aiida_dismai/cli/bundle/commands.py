"""`aiida-dismai dataset publish` and `fetch`: a data set as a bundle, and back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from ...engine.errors import BadInput
from ...engine.text import visible
from ...terminal import console, table
from ..archive.open import open_in_profile
from ..archive.private import Private, rows
from ..profiles import load_node, load_profile
from .manifest import MANIFEST, Manifest
from .people import authors_of, find_licence, read_doi

#: Extra of nodes that came out of a bundle.
EXTRA = "dismai_bundle"


@click.command("publish")
@click.argument("pk")
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--title", help="Title; without it the label of PK, or one made from the structures.")
@click.option("--description", help="One paragraph; without it one made from the structures.")
@click.option(
    "--author",
    "authors",
    multiple=True,
    metavar="PERSON",
    help="Given Family <ORCID>; affiliation. Repeat it for several. Without it, the users of the nodes.",
)
@click.option("--licence", default="CC-BY-4.0", show_default=True, help="CC-BY-4.0, CC-BY-SA-4.0, CC0-1.0 or ODbL-1.0.")
@click.option("--doi", help="DOI that was reserved for this publication.")
@click.option(
    "--zip", "zipped", is_flag=True, help="Also write FOLDER.zip, which `dataset fetch` takes from a web address."
)
@click.option(
    "--despite-secrets", is_flag=True, help="Publish although something in it looks like a key or a password."
)
@click.option("--force", is_flag=True, help="Replace a bundle that is in FOLDER.")
def publish_command(
    pk: str,
    folder: str,
    title: str | None,
    description: str | None,
    authors: tuple[str, ...],
    licence: str,
    doi: str | None,
    zipped: bool,
    despite_secrets: bool,
    force: bool,
) -> None:
    """Write PK (a data set's process, or a structure set) to FOLDER as a bundle that can be published as it is.

    In it: every set of structures as extxyz and npz, the AiiDA archive with the whole provenance, README, licence,
    CITATION.cff, checksums, RO-Crate and Zenodo metadata, and what was left out and why. All in one folder, for Zenodo.
    """
    from .write import About, write_bundle

    path = Path(folder)
    chosen, given = find_licence(licence), read_doi(doi)
    _refuse_place(path, force)
    if zipped:
        _refuse_zip(path, force)
    load_profile()
    node = load_node(pk)
    about = About(title, description, authors_of(authors, _users(node)), chosen, given)
    manifest = write_bundle(node, path, about, lambda found: _show_private(found, despite_secrets))
    listed = [(name, f"{item.size / 1e6:.2f}") for name, item in sorted(manifest.files.items())]
    console().print(table(f"{visible(manifest.title)}, {folder}", ("file", "MB"), listed, (1,)))
    for item in manifest.left_out:
        click.echo(f"left out: {visible(item.what, 400)}: {visible(item.why, 400)}")
    for note in manifest.notes:
        click.echo(f"! {visible(note, 1000)}", err=True)
    if zipped:
        from .unpack import pack

        pack(path, _zip_of(path))
        click.echo(f"wrote {_zip_of(path)}")
    click.echo(f"check it with `aiida-dismai dataset fetch {folder} --check`; upload its files to Zenodo as they are")


def _zip_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.zip")


def _refuse_place(path: Path, force: bool) -> None:
    """Refuse a folder with something in it; with ``force``, what is no bundle."""
    if path.is_symlink():
        raise BadInput(f"{path}: a symbolic link; give the folder itself")
    if not path.resolve().parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.resolve().parent}; create it first")
    if not path.exists() or not any(path.iterdir()):
        return
    if not force:
        raise BadInput(f"{path} is not empty; give another folder, or --force to replace the bundle in it")
    if not (path / MANIFEST).is_file():
        raise BadInput(f"{path} holds no bundle, and is not replaced; give another folder")


def _refuse_zip(path: Path, force: bool) -> None:
    if _zip_of(path).exists() and not force:
        raise BadInput(f"{_zip_of(path)} exists; give another folder, or --force to overwrite it")


def _users(node: Any) -> list[Any]:
    from aiida.orm import QueryBuilder, User

    from ..archive.graph import load_nodes, provenance

    pks = {item.user.pk for item in load_nodes(provenance(node))}
    found: list[Any] = QueryBuilder().append(User, filters={"id": {"in": sorted(pks)}}).all(flat=True)
    return found


def _show_private(found: list[Private], despite: bool) -> None:
    console().print(table("is published besides", ("", "kind", "what", "where"), rows(found)))
    secrets = sum(item.warning for item in found)
    if secrets and not despite:
        raise BadInput(
            f"{secrets} texts in it look secret (marked with ! above); nothing was written. Look at them; what a job "
            "was given cannot be taken out of its node. If they are none, add --despite-secrets"
        )


@click.command("fetch")
@click.argument("source", metavar="FOLDER|FILE|URL")
@click.option("--name", help="Name of the new profile; without it that of SOURCE with 'archive-' before it.")
@click.option("--check", "only_check", is_flag=True, help="Check it, and import nothing.")
@click.option(
    "--structures-only",
    is_flag=True,
    help="Store only the structures, in your profile, without the provenance: to train on them.",
)
def fetch_command(source: str, name: str | None, only_check: bool, structures_only: bool) -> None:
    """Check a bundle, and import it with its whole provenance into a new profile.

    SOURCE is the folder that `dataset publish` wrote, its zip file, an AiiDA archive, or the web address of one. All
    checksums are compared first; of the archive is printed what running its processes again would execute.
    """
    from .read import check_bundle
    from .unpack import download, is_address, kind_of, unpack

    if only_check and structures_only:
        raise click.UsageError("--check and --structures-only exclude each other")
    with tempfile.TemporaryDirectory(prefix="dismai-fetch-") as scratch:
        found = Path(source)
        if is_address(source):
            found = download(source, _new(scratch, "download"), lambda line: click.echo(line, err=True))
        if not found.exists():
            raise BadInput(
                f"{visible(source)}: no such file or folder; give a folder, a file, or a web address (https://…)"
            )
        stem = found.stem if found.is_file() else found.resolve().name
        if found.is_file() and kind_of(found) == "archive":
            _fetch_archive(found, name or _profile(stem), only_check, structures_only)
            return
        folder = found if found.is_dir() else unpack(found, _new(scratch, "bundle"))
        manifest = check_bundle(folder)
        _show(manifest, source)
        if only_check:
            click.echo("all files are what the bundle says")
            return
        if structures_only:
            _store(folder, manifest)
            return
        held = open_in_profile(folder / manifest.archive, name or _profile(stem), [item.uuid for item in manifest.sets])
        _confirm(manifest, held, name or _profile(stem))


def _new(scratch: str, name: str) -> Path:
    folder = Path(scratch) / name
    folder.mkdir()
    return folder


def _profile(stem: str) -> str:
    from ..archive.open import profile_name

    return profile_name(stem)


def _fetch_archive(path: Path, name: str, only_check: bool, structures_only: bool) -> None:
    if structures_only:
        raise BadInput(f"{visible(path)}: an archive alone; --structures-only needs a bundle with its files")
    if only_check:
        raise BadInput(f"{visible(path)}: an archive alone; check it with `aiida-dismai archive check`")
    open_in_profile(path, name)


def _show(manifest: Manifest, source: str) -> None:
    listed = [
        ("title", manifest.title),
        ("authors", ", ".join(author.name for author in manifest.authors)),
        ("licence", manifest.licence),
        ("DOI", manifest.doi),
        ("date", manifest.created),
        *(
            (item.name, f"{item.count} structures, {item.atoms} atoms, {', '.join(item.formulas)}")
            for item in manifest.sets
        ),
        *(("left out", f"{item.what}: {item.why}") for item in manifest.left_out),
    ]
    console().print(table(visible(source), ("", ""), listed))
    for note in manifest.notes:
        click.echo(f"! {visible(note, 1000)}", err=True)


def _store(folder: Path, manifest: Manifest) -> None:
    """Store the sets of a bundle in the loaded profile, with where they are from."""
    from ...data import StructureSetData
    from ...engine.structures import read_npz

    load_profile()
    for item in manifest.sets:
        node = StructureSetData(read_npz(folder / item.npz))
        node.label = item.name
        whose = ", ".join(author.name for author in manifest.authors)
        node.description = f"{manifest.title} ({whose}, {manifest.created}, {manifest.licence})"[:400]
        node.store()
        origin = {"uuid": item.uuid, "doi": manifest.doi, "licence": manifest.licence, "title": manifest.title}
        node.base.extras.set(EXTRA, origin)
        click.echo(f"stored {item.name} as StructureSetData<{node.pk}>: {item.count} structures")


def _confirm(manifest: Manifest, held: dict[str, Any], profile: str) -> None:
    """Say whether the imported nodes hold the structures of the files.

    Raises:
        BadInput: one of them does not, or is not there.
    """
    contents = held.get("sets", {})
    for item in manifest.sets:
        if contents.get(item.uuid) != item.content_hash:
            raise BadInput(
                f"the node of {item.name} in {manifest.archive} does not hold the structures of {item.npz}; the "
                f"profile '{profile}' was made: look at it, or delete it with `verdi profile delete {profile}`"
            )
    click.echo(f"{len(manifest.sets)} sets of structures in it are those of the files")
