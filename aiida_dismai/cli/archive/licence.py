"""Licensed files of DFT codes: archives hold their hashes, never their content.

Each engine says which files of its code must not be shared and how they are recognised. The plugins of the codes keep
them out of the graph by themselves; this is checked, because a user may have retrieved such a file with
``ADDITIONAL_RETRIEVE_LIST``, or stored one by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ...dft import LicensedFiles, engines


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
    seen: dict[str, LicensedFiles | None] = {}
    for node in nodes:
        name = f"{type(node).__name__}<{node.pk}>"
        of_type = next((files for files in known if node.node_type.startswith(files.node_types)), None)
        if of_type is not None:
            symbol = node.base.attributes.get("symbol", "?")
            yield Held(of_type, f"{name} is that of {symbol}")
            continue
        for folder, _, entries in node.base.repository.walk():
            for entry in entries:
                path = str(PurePosixPath(folder) / entry)
                of_name = next((files for files in known if files.file_name.search(PurePosixPath(entry).name)), None)
                if of_name is not None:
                    yield Held(of_name, f"{name} holds a file '{path}'")
                    continue
                key = node.base.repository.get_object(path).key
                if key not in seen:
                    with node.base.repository.open(path, "rb") as handle:
                        content = handle.read()
                    seen[key] = next((files for files in known if files.content.search(content)), None)
                inside = seen[key]
                if inside is not None:
                    yield Held(inside, f"{name} holds the content of one in '{path}'")
