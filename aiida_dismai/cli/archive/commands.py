"""`aiida-dismai archive`: share a result with all its provenance, and check what was shared."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ...engine.errors import BadInput
from ...engine.files import NO_PLACE
from ...engine.text import visible
from ...engine.untrusted import read_object
from ...terminal import console, table
from ..profiles import load_node, load_profile
from .open import open_command
from .private import Private, private_content, rows


@click.group()
def archive() -> None:
    """Export a result with its whole provenance, and check such an archive."""


@archive.command()
@click.argument("pk")
@click.argument("output", type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Overwrite OUTPUT.")
def create(pk: str, output: str, force: bool) -> None:
    """Export PK (a benchmark, a data set, or any process or node) with its whole provenance to OUTPUT.

    In it: the process with all it called, every input and output, and whatever those were made from, back to
    the bulk crystals. Licensed potentials of DFT codes go in by hash only. Printed is what else goes in: users,
    computers, paths, texts of job scripts, and, marked with "!", what looks like a key, a token or a password.
    """
    if Path(output).exists() and not force:
        raise BadInput(f"{output} exists; give another name, or --force to overwrite it")
    load_profile()
    counts = write_archive(load_node(pk), Path(output), _print_private)
    size = Path(output).stat().st_size / 1e6
    click.echo(f"wrote {output}: {counts['nodes']} nodes, {counts['processes']} of them processes, {size:.1f} MB")
    click.echo(f"check it with `aiida-dismai archive check {output}`")


def _print_private(found: list[Private]) -> None:
    console().print(table("goes in besides", ("", "kind", "what", "where"), rows(found)))
    secrets = sum(item.warning for item in found)
    if secrets:
        click.echo(
            f"! {secrets} of these look secret: do not share the archive before you have looked at them; what a job "
            "was given cannot be taken out of it, so change the secret, and give it in the environment of the computer",
            err=True,
        )


def write_archive(
    node: Any, output: Path, show: Callable[[list[Private]], None] = lambda found: None
) -> dict[str, int]:
    """Write a node's provenance into an archive.

    Args:
        node: whose provenance.
        output: path of the archive; a symbolic link is replaced, not written through.
        show: called before with what else than science goes in.

    Returns:
        How many ``nodes`` and ``processes`` are in it.

    Raises:
        BadInput: a process of it still runs, or a node holds a licensed file.
    """
    from aiida.orm import ProcessNode
    from aiida.tools.archive import create_archive

    from ..stuck import RECIPE
    from .graph import load_nodes, provenance
    from .licence import licensed_content

    nodes = load_nodes(provenance(node))
    running = [item for item in nodes if isinstance(item, ProcessNode) and not item.is_sealed]
    if running:
        first = running[0]
        raise BadInput(
            f"{len(running)} processes of it have not ended (the first: {first.process_label}<{first.pk}>); wait for "
            "them (`aiida-dismai status`) or kill them (`verdi process kill`); if no worker holds them any more: "
            f"`{RECIPE}`"
        )
    held = list(licensed_content(nodes))
    if held:
        files = held[0].files
        raise BadInput(
            f"{files.noun} are licensed and must not be shared: {held[0].where}"
            + (f" (and {len(held) - 1} more)" if len(held) > 1 else "")
            + f"; {files.advice}"
        )
    show(private_content(nodes))
    # AiiDA's own report of every step would drown ours
    logging.getLogger("aiida.export").setLevel(logging.WARNING)
    # the set is closed already: AiiDA's rules that can be switched off would only add to it
    with _beside(output) as written:
        create_archive(
            [*nodes, *_families(nodes)],
            written,
            include_comments=True,
            include_logs=True,
            input_calc_forward=False,
            input_work_forward=False,
            return_backward=False,
            call_calc_backward=False,
            call_work_backward=False,
        )
    return {"nodes": len(nodes), "processes": sum(isinstance(item, ProcessNode) for item in nodes)}


def _families(nodes: Sequence[Any]) -> list[Any]:
    """Return the families of potentials, with their recommended cut-offs, that may go along with some nodes."""
    from ...dft import engines

    return [group for engine in engines() for group in engine.shared_families(nodes)]


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """Give the path of a new file in a folder that nobody else can write to; it becomes ``output``.

    The permissions of a file that is replaced are kept; a symbolic link is replaced.

    Raises:
        BadInput: the folder is not there, or nothing can be written there.
    """
    try:
        kept = stat.S_IMODE(output.lstat().st_mode) & 0o777 if output.is_file() and not output.is_symlink() else None
        with tempfile.TemporaryDirectory(prefix=".dismai-archive-", dir=output.parent) as folder:
            written = Path(folder) / "archive"
            yield written
            if kept is not None:
                written.chmod(kept)
            os.replace(written, output)
    except NO_PLACE as error:
        raise BadInput(f"{visible(output)}: cannot be written ({error.strerror})") from error


@archive.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(file: str, as_json: bool) -> None:
    """Import FILE into an empty temporary profile and confirm its content; no profile of yours is touched.

    Confirms the number of nodes, the hashes of structures and weights, that licensed potentials of DFT codes are
    there by hash only, and that every metric can be traced to the bulk crystals and to every DFT job. Lists what
    running its processes again would execute beside the project's own code: a warning, marked with "!".
    """
    findings = check_archive(Path(file))
    passed = all(finding["passed"] for finding in findings)
    if as_json:
        click.echo(json.dumps({"file": file, "passed": passed, "findings": findings}, indent=2))
    else:
        rows = [(_mark(item), item["check"], item["found"]) for item in findings]
        console().print(table(file, ("", "check", "found"), rows))
    if not passed:
        raise click.exceptions.Exit(1)


archive.add_command(open_command)


def _mark(finding: dict[str, Any]) -> str:
    return "FAILED" if not finding["passed"] else "!" if finding["warning"] else "ok"


def check_archive(path: Path) -> list[dict[str, Any]]:
    """Check an archive in a process and a profile of its own.

    Returns:
        One entry for each check: ``check``, ``passed``, ``warning``, ``found``.

    Raises:
        BadInput: the file is not an archive, or the check itself could not run.
    """
    with tempfile.TemporaryDirectory(prefix="dismai-archive-check-") as folder:
        run = subprocess.run(
            # neither the folder of the archive nor any other that is the working directory is looked into for modules
            [sys.executable, "-P", "-m", f"{__package__}.verify", str(path.resolve())],
            env=os.environ | {"AIIDA_PATH": folder, "PYTHONSAFEPATH": "1"},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    lines = run.stdout.strip().splitlines()
    try:
        result = read_object(lines[-1])
    except (IndexError, BadInput) as error:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise BadInput(f"{path}: the check could not run: {visible(last)}") from error
    if "error" in result:
        raise BadInput(visible(result["error"], 1000))
    findings: list[dict[str, Any]] = result["findings"]
    return findings
