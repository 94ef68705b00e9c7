"""Licensed files of DFT codes: archives hold their hashes, never their content.

Each engine says which files of its code must not be shared and how they are recognised. The plugins of the codes keep
them out of the graph by themselves; this is checked, because a user may have retrieved such a file with
``ADDITIONAL_RETRIEVE_LIST``, or stored one by hand: as a file, in an archive in a file, or as a text of a node.
Somebody who hides one on purpose (encrypted, in pictures) is not found out.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

from ...dft import LicensedFiles, engines
from ...engine.text import visible
from .texts import node_name, texts_of
from .unpacking import pieces


@dataclass(frozen=True)
class Held:
    """A place where the content of a licensed file is.

    Attributes:
        files: what must not be shared.
        where: the node, and the file in it.
    """

    files: LicensedFiles
    where: str


def licensed_content(nodes: Iterable[Any]) -> Iterator[Held]:
    """Yield every place where the nodes hold the content of a licensed file."""
    known = [engine.licensed for engine in engines() if engine.licensed is not None]
    seen: dict[str, tuple[LicensedFiles, str] | None] = {}
    for node in nodes:
        name = node_name(node)
        of_type = next((files for files in known if node.node_type.startswith(files.node_types)), None)
        if of_type is not None:
            symbol = node.base.attributes.get("symbol", "?")
            yield Held(of_type, f"{name} is that of {visible(symbol, 60)}")
            continue
        for place, text in texts_of(node):
            in_text = _search(known, "", io.BytesIO(text.encode(errors="replace")))
            if in_text is not None:
                yield Held(in_text[0], f"{name} holds the content of one in its {visible(place, 100)}")
        for folder, _, entries in node.base.repository.walk():
            for entry in entries:
                path = str(PurePosixPath(folder) / entry)
                of_name = _by_name(known, entry)
                if of_name is not None:
                    yield Held(of_name, f"{name} holds a file '{visible(path)}'")
                    continue
                key = node.base.repository.get_object(path).key
                if key not in seen:
                    with node.base.repository.open(path, "rb") as handle:
                        seen[key] = _search(known, path, handle)
                found = seen[key]
                if found is not None:
                    inside = found[1].partition("!")[2]
                    shown = f"'{visible(path)}'" + (f" ('{visible(inside)}' in it)" if inside else "")
                    yield Held(found[0], f"{name} holds the content of one in {shown}")


def _by_name(known: Iterable[LicensedFiles], name: str) -> LicensedFiles | None:
    return next((files for files in known if files.file_name.search(PurePosixPath(name).name)), None)


def _search(known: list[LicensedFiles], name: str, handle: IO[bytes]) -> tuple[LicensedFiles, str] | None:
    """Return what is in a file that must not be shared, and in which member of it."""
    for piece in pieces(name, handle):
        inside = piece.name.partition("!")[2]
        of_name = _by_name(known, inside) if inside else None
        if of_name is not None:
            return of_name, piece.name
        lower = piece.content.lower()
        for files in known:
            marked = not files.marks or any(mark in lower for mark in files.marks)
            if marked and files.content.search(piece.content):
                return files, piece.name
    return None
