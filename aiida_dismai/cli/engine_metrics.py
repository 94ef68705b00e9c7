"""The metrics of a file of structures, computed by the engine in a process of its own: `dismai metrics`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..engine.errors import BadInput
from ..engine.text import visible
from ..engine.untrusted import read_object

RESULTS = "results.json"


def run_metrics(kind: str, generated: Path, reference: Path, folder: Path, options: Sequence[str]) -> dict[str, Any]:
    """Compute the metrics of generated structures.

    Args:
        kind: family of structures.
        generated: file of structures.
        reference: training structures, a reference, or a folder of the authors' csv files.
        folder: where ``results.json`` and ``results.npz`` are written.
        options: further options of `dismai metrics`.

    Returns:
        The results of the task ``metrics``.

    Raises:
        BadInput: what the engine says.
    """
    words = [sys.executable, "-P", "-m", "aiida_dismai.engine.main", "metrics", kind]
    words += ["--generated", str(generated.resolve()), "--reference", str(reference.resolve())]
    words += ["--output", RESULTS, *options]
    run = subprocess.run(words, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, check=False)
    if run.returncode:
        lines = [line for line in run.stderr.strip().splitlines() if line.strip()] or ["no message"]
        raise BadInput(f"{visible(generated)}: {visible(lines[-1].removeprefix('Error: '), 1000)}")
    return read_object(folder / RESULTS)
