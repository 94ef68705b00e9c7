"""CPU seconds of the first run of a command on a machine, whose kernels are compiled, and of the second.

    python benchmarks/cold_start.py

Six structures of the reference data are measured, with an empty folder of compiled kernels and with the one that the
first run left. User and system time of the whole command, imports included.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

DATA = Path(__file__).parents[1] / "tests" / "data" / "reference"
DISMAI = Path(sys.executable).with_name("dismai")
FAMILIES = {"interface": "int", "amorphous": "a_Si"}


def cpu_seconds(command: list[str], folder: Path) -> float:
    """Run a command with the kernels of ``folder``; returns its user and system time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "kernels"), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each family."""
    print(f"{'metrics of':12s}{'cold':>8s}{'warm':>8s}{'ratio':>8s}   CPU seconds")
    for family, name in FAMILIES.items():
        inputs = DATA / name / "inputs"
        command = [str(DISMAI), "metrics", family, "--generated", str(inputs / "gen_relaxed.extxyz.gz")]
        command += ["--reference", str(inputs / "train.extxyz.gz")]
        with tempfile.TemporaryDirectory() as folder:
            cold, warm = (
                cpu_seconds([*command, "--output", f"{run}.json"], Path(folder)) for run in ("first", "second")
            )
        print(f"{family:12s}{cold:8.1f}{warm:8.1f}{cold / warm:8.1f}")


if __name__ == "__main__":
    main()
