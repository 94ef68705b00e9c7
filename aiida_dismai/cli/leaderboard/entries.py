"""The entries of a leaderboard: folders with a result file and what it was computed from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...engine.errors import BadInput
from ...engine.families.registry import names as family_names
from ...engine.parameters import validate
from ...engine.results.result import FORMAT, RESULT, VERSION, Result
from ...engine.text import visible
from ...engine.untrusted import read_object
from ..bundle.manifest import entry, require_format

#: Folder of the entries in a leaderboard.
ENTRIES = "results"
#: Entries of a leaderboard at most.
MOST = 10_000


def read_result(folder: Path) -> Result:
    """Read the result file of an entry.

    Raises:
        BadInput: no such file, not this format, of a newer version, incomplete, without data set or authors, or of a
            family that is not installed.
    """
    path = folder / RESULT
    content = read_object(path)
    require_format(path, content, FORMAT, VERSION, "result")
    result = validate(Result, content, str(path))
    if result.kind not in family_names():
        raise BadInput(f"{path}: the family '{result.kind}' is not installed here (`dismai families` lists them)")
    files = [result.reference, *(item.structures for item in result.models)]
    if len(set(files)) < len(files) or RESULT in files:
        raise BadInput(f"{path}: two of its files have the same name")
    if len({item.name for item in result.models}) < len(result.models):
        raise BadInput(f"{path}: two of its models have the same name")
    if not result.dataset.name or not result.authors:
        missing = "authors" if result.dataset.name else "dataset.name"
        raise BadInput(f"{path}: {missing}: not said; `leaderboard add` writes who ran it, and on what")
    return result


def check_files(folder: Path, result: Result) -> Iterator[str]:
    """Yield what is wrong with the files of an entry: missing, changed, added."""
    stated = {item.structures: item.sha256 for item in result.models} | {result.reference: result.reference_sha256}
    for name in sorted({path.name for path in folder.iterdir()} - {*stated, RESULT}):
        yield f"{visible(name)}: a file that {RESULT} does not name; remove it"
    for name, digest in stated.items():
        try:
            found = entry(folder / name).sha256
        except BadInput as error:
            yield str(error)
            continue
        if found != digest:
            yield f"{name}: SHA-256 {found[:12]}… instead of {digest[:12]}…: changed, or not the file itself"


def entries_of(board: Path) -> list[Path]:
    """Return the folders of the entries of a leaderboard, in the order of their names; or that of a single entry.

    Raises:
        BadInput: no leaderboard, or a link in it.
    """
    if (board / RESULT).is_file():
        return [board]
    start = board / ENTRIES
    if not start.is_dir():
        raise BadInput(f"{visible(board)}: no leaderboard (no folder {ENTRIES} in it); `leaderboard add` begins one")
    found = []
    for path in sorted(start.glob(f"*/*/*/{RESULT}")):
        if any(part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(start)):
            raise BadInput(f"{visible(path)}: a symbolic link, which is not followed; put the files there themselves")
        found.append(path.parent)
        if len(found) > MOST:
            raise BadInput(f"{visible(board)}: more than {MOST} entries")
    return found


def place_of(board: Path, result: Result) -> Path:
    """Return the folder of a result in a leaderboard."""
    return board / ENTRIES / result.kind / result.dataset.name.replace(" ", "_") / result.identifier
