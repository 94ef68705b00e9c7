"""`aiida-dismai archive open`: read somebody's archive in a profile of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click

from ...engine.errors import BadInput
from ...engine.text import visible
from ...engine.untrusted import DEFAULT, read_object
from ...terminal import console, table

#: Bytes of the end of what the process says that are looked at.
LAST = 65_536


@click.command("open")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--name", help="Name of the profile; without it that of FILE with 'archive-' before it.")
def open_command(file: str, name: str | None) -> None:
    """Import FILE into a new profile, in which nothing else is; no profile of yours is touched.

    Numbers and codes of others do not get among yours: an imported job could become the source of a cached one. Before
    the import it is printed what running its processes again would import or execute.
    """
    path = Path(file)
    open_in_profile(path, name or profile_name(path.stem))


def profile_name(stem: str) -> str:
    """Return the name of the profile for an archive of that name."""
    return "archive-" + (re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-") or "unnamed")[:53]


def open_in_profile(path: Path, profile: str, sets: Sequence[str] = ()) -> dict[str, Any]:
    """Import an archive into a new profile, and print before what running it again would execute.

    Args:
        path: of the archive.
        profile: name of the new profile.
        sets: UUIDs of structure sets whose content is to be looked at.

    Returns:
        What is there: ``nodes``, ``processes``, ``top`` and, by UUID, the content hashes of the ``sets`` that are.

    Raises:
        BadInput: a name that is none, such a profile is there, or the file is not an archive; then no profile is left.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}", profile):
        raise BadInput(f"--name: '{visible(profile, 60)}': take letters, digits, _ and -, at most 61")
    with tempfile.TemporaryDirectory(prefix="dismai-archive-open-") as folder, tempfile.TemporaryFile() as said:
        run = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.opening", str(path.resolve()), profile, *sets],
            env=os.environ | {"PYTHONSAFEPATH": "1", "AIIDA_PATH": _config_path()},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=said,  # a file: of a pipe that nobody empties, an archive could make it wait for ever
        )
        before = _answer(path, run, said)
        lines = before["executed"] or ["registered names only"]
        rows = [("!" if before["executed"] else "", "runs when it is run again", line) for line in lines]
        rows += [("", "program of a code", line) for line in before["programs"]]
        console().print(table(f"{visible(path)}, before it is imported", ("", "what", "found"), rows))
        after = _answer(path, run, said)
        run.wait()
    click.echo(f"imported into the new profile '{profile}': {after['nodes']} nodes, {after['processes']} processes")
    for pk, label, uuid in after["top"][:10]:
        click.echo(f"{visible(label)}<{pk}> {visible(uuid)}: aiida-dismai -p {profile} report {pk}")
    click.echo(f"delete it: verdi profile delete {profile}")
    return after


def _config_path() -> str:
    from aiida.manage.configuration.settings import AiiDAConfigDir

    return str(AiiDAConfigDir.get())


def _answer(path: Path, run: subprocess.Popen[bytes], said: BinaryIO) -> dict[str, Any]:
    """Return the next line of JSON of the process; ``said`` is the file of its standard error.

    Raises:
        BadInput: what it says, or that it ended without a line.
    """
    assert run.stdout is not None
    while line := run.stdout.readline(DEFAULT.size):
        try:
            found = read_object(line)
        except BadInput:  # what a library prints
            continue
        if "error" in found:
            run.communicate()
            raise BadInput(visible(found["error"], 1000))
        return found
    run.communicate()
    said.seek(max(0, said.seek(0, 2) - LAST))
    last = (said.read().decode(errors="replace").strip().splitlines() or ["no message"])[-1]
    raise BadInput(f"{visible(path)}: could not be opened: {visible(last)}")
