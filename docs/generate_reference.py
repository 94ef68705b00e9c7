"""Write ``reference/processes.md``, ``exit_codes.md``, ``tasks.md`` and ``result.schema.json`` from the code itself.

    python docs/generate_reference.py

Ports, exit codes, parameters and the format of a result are read from the process specs and the models, so that the
pages cannot say anything else; a test fails while the committed pages are not what this script writes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from reference_exit_codes import exit_codes_page
from reference_processes import processes_page
from reference_tasks import tasks_page

from aiida_dismai.engine.results.result import Result


def result_schema() -> str:
    """Return the JSON schema of ``result.json``."""
    return json.dumps(Result.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


FOLDER = Path(__file__).parent / "reference"
PAGES = {
    "exit_codes.md": exit_codes_page,
    "processes.md": processes_page,
    "result.schema.json": result_schema,
    "tasks.md": tasks_page,
}


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
        sys.stdout.write(f"wrote {FOLDER / name}\n")


if __name__ == "__main__":
    main()
