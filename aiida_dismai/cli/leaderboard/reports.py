"""The report of each entry: its numbers computed again, and a page made from them; nothing of others is embedded."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from ...engine.errors import BadInput
from ...engine.structures import read_npz
from ...engine.text import visible
from ...report.html import write_libraries, write_page
from ...report.shared import Computed, report_of_result
from ..engine_metrics import RESULTS
from .standing import Entry
from .verify import verify

REPORT = "report.html"
#: Folder of the scripts that all reports share, in the site.
LIBRARIES = "libraries"
#: Reasons that are named of a result whose numbers are others.
NAMED = 3


def require_engine() -> None:
    """Refuse to compute numbers again where this cannot be done, before anything takes time.

    Raises:
        BadInput: says what is missing.
    """
    if find_spec("numba") is None:
        raise BadInput(
            "reports are made from numbers that are computed again, for which the extra `engine` is missing: "
            "pip install 'aiida-dismai[engine]', or give --no-reports"
        )


def write_reports(
    entries: Sequence[Entry], site: Path, workers: str, say: Callable[[str], None]
) -> tuple[list[Entry], dict[str, str]]:
    """Compute the numbers of all entries again, and write a page for each whose numbers came out as stated.

    Args:
        entries: of the leaderboard.
        site: folder of the site; pages go into ``entries/NAME/report.html``.
        workers: processes, a number or ``auto``.
        say: called with each line of progress.

    Returns:
        The entries, which now say whether they were verified, and by the name of each that has no report, why.
    """
    found, missing = [], {}
    for place, entry in enumerate(entries, start=1):
        say(f"{place} of {len(entries)}: {entry.identifier}: computing its numbers again, for its report")
        problems = _write(entry, site, workers)
        if problems:
            missing[entry.identifier] = "; ".join(visible(line, 300) for line in problems[:NAMED])
            say(f"  no report: {missing[entry.identifier]}")
        found.append(replace(entry, verified=not problems))
    if len(missing) < len(found):
        (site / LIBRARIES).mkdir()
        write_libraries(site / LIBRARIES)
    return found, missing


def _write(entry: Entry, site: Path, workers: str) -> list[str]:
    """Write the report of an entry; returns what is wrong with it instead, if anything is."""
    with tempfile.TemporaryDirectory(prefix="dismai-report-") as scratch:
        try:
            problems = verify(entry.folder, workers, Path(scratch))
        except BadInput as error:
            problems = [str(error)]
        if problems:
            return problems
        computed = {
            item.name: Computed(
                Path(scratch) / item.name / RESULTS,
                (Path(scratch) / item.name / RESULTS).with_suffix(".npz"),
                read_npz(entry.folder / item.structures),
            )
            for item in entry.result.models
        }
        command = f"aiida-dismai leaderboard verify BOARD --only {entry.identifier}"
        report = report_of_result(entry.result, computed, command)
        folder = site / "entries" / entry.identifier
        folder.mkdir(parents=True, exist_ok=True)
        write_page(report, folder / REPORT, f"../../{LIBRARIES}/")
        return []
