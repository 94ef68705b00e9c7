"""``bundle.json``: what a bundle says of itself, and the checksums that ``sha256sum -c`` reads, too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ...engine.errors import BadInput
from ...engine.parameters import Parameters, validate
from ...engine.results.fields import Author, Digest, FileName, Text, Uuid
from ...engine.text import visible
from ...engine.untrusted import open_file, read_object, reason_of

MANIFEST = "bundle.json"
SUMS = "SHA256SUMS"
ARCHIVE = "provenance.aiida"
FORMAT = "dismai-bundle"
VERSION = 1

Count = Annotated[int, Field(ge=0)]


class SetFiles(Parameters):
    """One set of structures in a bundle.

    Attributes:
        name: as its files are called.
        uuid: of its node in the archive.
        count: structures.
        atoms: of all structures.
        formulas: some of them.
        content_hash: SHA-256 of the content, that of the node.
        npz: the file that is exact.
        extxyz: the file that everything reads.
    """

    name: FileName
    uuid: Uuid
    count: Count
    atoms: Count
    formulas: list[Text]
    content_hash: Digest
    npz: FileName
    extxyz: FileName


class LeftOut(Parameters):
    """What is not in a bundle though it belongs to its history.

    Attributes:
        what: it, with names or checksums.
        why: the reason.
    """

    what: Text
    why: Text


class FileEntry(Parameters):
    """A file.

    Attributes:
        sha256: of its content.
        size: bytes.
    """

    sha256: Digest
    size: Count


class Manifest(Parameters):
    """All of ``bundle.json``.

    Attributes:
        format: always ``dismai-bundle``.
        version: of the format.
        title: of the data set.
        description: in one paragraph.
        licence: SPDX identifier.
        doi: of this publication; None until there is one.
        authors: at least one.
        created: date, ISO 8601.
        root: UUID of the node that was published.
        archive: name of the AiiDA archive.
        nodes: in the archive.
        processes: of these.
        sets: the sets of structures.
        left_out: what is not in it, and why.
        notes: what a reader must know before using the numbers.
        versions: of the programs that wrote it.
        files: all other files but ``SHA256SUMS``.
    """

    format: Literal["dismai-bundle"] = "dismai-bundle"
    version: int = VERSION
    title: Annotated[str, Field(min_length=1, max_length=400)]
    description: Text
    licence: Text
    doi: Text | None = None
    authors: Annotated[list[Author], Field(min_length=1)]
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    root: Uuid
    archive: FileName = ARCHIVE
    nodes: Count
    processes: Count
    sets: list[SetFiles]
    left_out: list[LeftOut] = []
    notes: list[Text] = []
    versions: dict[str, Text] = {}
    files: dict[FileName, FileEntry] = {}


def require_format(path: Path, content: Mapping[str, Any], name: str, newest: int, noun: str) -> None:
    """Refuse the content of a file of another format, or of a version that is not known yet.

    Raises:
        BadInput: so it is.
    """
    if content.get("format") != name:
        raise BadInput(f"{path}: not a {noun} of aiida-dismai (format {visible(content.get('format'), 40)})")
    version = content.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version > newest:
        raise BadInput(f"{path}: version {visible(version, 20)} is newer than this program reads; update aiida-dismai")


def read_manifest(folder: Path) -> Manifest:
    """Read what a bundle says of itself.

    Raises:
        BadInput: no such file, not this format, of a newer version, or incomplete.
    """
    path = folder / MANIFEST
    content = read_object(path)
    require_format(path, content, FORMAT, VERSION, "bundle")
    return validate(Manifest, content, str(path))


def entry(path: Path) -> FileEntry:
    """Return checksum and size of a file.

    Raises:
        BadInput: it cannot be read, or is not a file.
    """
    try:
        with open_file(path) as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]
            return FileEntry(sha256=digest, size=handle.tell())
    except OSError as error:
        raise BadInput(f"{visible(path)}: {reason_of(error)}") from error


def sums(entries: dict[str, FileEntry]) -> str:
    """Return the text of ``SHA256SUMS``."""
    return "".join(f"{item.sha256}  {name}\n" for name, item in sorted(entries.items()))
