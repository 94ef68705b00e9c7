"""Write ``reference/processes.md``, ``exit_codes.md`` and ``tasks.md`` from the code itself.

    python docs/generate_reference.py

Ports, exit codes and parameters are read from the process specs and the parameter models, so that the pages
cannot say anything else; a test fails while the committed pages are not what this script writes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reference_exit_codes import exit_codes_page
from reference_processes import processes_page
from reference_tasks import tasks_page

FOLDER = Path(__file__).parent / "reference"
PAGES = {"exit_codes.md": exit_codes_page, "processes.md": processes_page, "tasks.md": tasks_page}


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
        sys.stdout.write(f"wrote {FOLDER / name}\n")


if __name__ == "__main__":
    main()
