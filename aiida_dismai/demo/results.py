"""What the demo leaves behind: the table, the graph, the numbers, the page, the archive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..engine.errors import BadInput
from ..engine.files import write_json, write_text
from ..engine.untrusted import read_object


def write_results(node: Any, folder: Path, say: Callable[[str], None]) -> list[str]:
    """Write everything about a finished pipeline into ``folder`` and print the table.

    Returns:
        What could not be written, with the reason.
    """
    from ..cli.archive.commands import check_archive, write_archive
    from ..engine.results.result import RESULT
    from ..provenance import outputs_of
    from ..report.collect import collect
    from ..report.export import to_dict
    from ..report.graph import draw_provenance
    from ..report.html import write_page
    from ..report.links import find_port
    from ..report.table import render
    from ..terminal import console

    folder.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    report = collect(node)
    screen = console()
    for part in render(report):
        screen.print(part)
    write_json(folder / "results.json", to_dict(report))
    say(f"numbers         {folder / 'results.json'}")
    result = find_port(outputs_of(node), "result", "benchmark")
    if result is not None:
        write_text(folder / RESULT, result.get_content())
        say(f"result          {folder / RESULT} (for a leaderboard)")
    write_page(report, folder / "report.html")
    say(f"page            {folder / 'report.html'}")
    try:
        drawn = draw_provenance(node, folder / "provenance.svg")
        say(f"graph           {folder / 'provenance.svg'} ({drawn} nodes; all: verdi node graph generate {node.pk})")
    except BadInput as error:  # graphviz is not everywhere, and all else is there without it
        say(f"! {error}")
    archive = folder / "benchmark.aiida"
    if _archived(folder) == node.uuid and archive.exists():
        say(f"archive         {archive} (as it was)")
        return problems
    counts = write_archive(node, archive)
    say(f"archive         {archive} ({counts['nodes']} nodes, {archive.stat().st_size / 1e6:.1f} MB)")
    failed = [finding for finding in check_archive(archive) if not finding["passed"]]
    problems.extend(f"archive: {finding['check']}: {finding['found']}" for finding in failed)
    if not failed:
        write_json(folder / "archived.json", {"uuid": node.uuid})
        say("                checked: imported into an empty profile, traced from the metrics to the bulk crystals")
    return problems


def _archived(folder: Path) -> str | None:
    try:
        return str(read_object(folder / "archived.json")["uuid"])
    except (BadInput, KeyError):
        return None
