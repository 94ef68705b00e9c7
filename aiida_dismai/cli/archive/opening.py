"""What `archive open` does: import an archive into a new profile that nothing else is in.

Runs as ``python -m aiida_dismai.cli.archive.opening FILE PROFILE UUID…`` in a process of its own, because a process has
one profile. Prints one JSON object a line: first what a rerun would execute, then, when it is imported, what is there.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput
from ...engine.text import visible
from .rerun import programs, rerun_lines
from .verify import open_archive

#: Owner of what is made in the new profile.
EMAIL = "reader@localhost"


def open_in_profile(path: Path, name: str, sets: Sequence[str] = ()) -> None:
    """Make the profile, print what the archive would execute, import it, print what is there.

    Args:
        path: of the archive.
        name: of the profile.
        sets: UUIDs of structure sets whose content hashes are printed, too.

    Raises:
        BadInput: such a profile is there already, or the file is not an archive; then no profile is left.
    """
    from aiida import load_profile
    from aiida.manage.configuration import get_config
    from aiida.orm import User
    from aiida.tools.archive import import_archive
    from aiida.tools.archive.abstract import get_format

    config = get_config(create=True)
    if name in config.profile_names:
        raise BadInput(f"there is a profile '{name}' already; give another with --name, or delete it: {_delete(name)}")
    folder = Path(config.dirpath) / "repository" / f"archive_{secrets.token_hex(8)}"
    default = config.default_profile_name
    made = config.create_profile(name, "core.sqlite_dos", {"filepath": str(folder)})
    try:
        load_profile(name)
        user = User(email=EMAIL).store()
        config.set_default_user_email(made, user.email)
        if default is not None:
            config.set_default_profile(default, overwrite=True)
        config.store()
        open_archive(path)
        with get_format().open(path, "r") as reader:
            print(json.dumps({"executed": rerun_lines(reader.querybuilder), "programs": programs(reader.querybuilder)}))
        sys.stdout.flush()
        import_archive(path)
        print(json.dumps(_contents() | {"sets": _hashes(sets)}))
    except BaseException:
        config.remove_profile(name)
        config.store()
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _contents() -> dict[str, Any]:
    from aiida.orm import Node, ProcessNode, QueryBuilder, WorkChainNode

    tops = []
    for node in QueryBuilder().append(WorkChainNode).all(flat=True):
        if node.caller is None:
            tops.append([node.pk, visible(node.process_label, 60), node.uuid])
    return {
        "nodes": QueryBuilder().append(Node).count(),
        "processes": QueryBuilder().append(ProcessNode).count(),
        "top": tops,
    }


def _hashes(uuids: Sequence[str]) -> dict[str, str]:
    """Return the content hashes of structure sets, computed from what they hold."""
    from aiida.orm import QueryBuilder

    from ...data import StructureSetData

    query = QueryBuilder().append(StructureSetData, filters={"uuid": {"in": [*uuids, ""]}})
    return {node.uuid: node.structures.content_hash for node in query.all(flat=True)}


def _delete(name: str) -> str:
    return f"verdi profile delete {name}"


def main(path: str, name: str, *sets: str) -> int:
    """Open; print the findings, or the error, as JSON."""
    try:
        open_in_profile(Path(path), name, sets)
    except BadInput as error:
        print(json.dumps({"error": str(error)}))
    except Exception as error:  # an archive made to break a library
        print(json.dumps({"error": f"{path}: cannot be imported ({type(error).__name__}: {visible(error)})"}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
