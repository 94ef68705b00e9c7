"""CPU seconds of the first run of a command on a machine, whose kernels are compiled, and of the second.

    python benchmarks/cold_start.py

The metrics of ten structures of the reference data, training set included, and two tasks that make and relax silicon:
each with an empty folder of compiled kernels and with the one that the first run left. User and system time of the
whole command, imports included.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from ase.build import bulk

from aiida_dismai.engine.structures import StructureSet, from_ase, load_structures, write_npz

DATA = Path(__file__).parents[1] / "tests" / "data" / "reference"
DISMAI = Path(sys.executable).with_name("dismai")
#: Files of generated structures, and of training structures.
FAMILIES = {
    "interface": ("int/inputs/gen_relaxed", "int/inputs/train"),
    "amorphous": ("a_Si/inputs/gen_relaxed", "a_Si/inputs/train"),
    "alloy": ("alloy/inputs/gen_iii", "alloy/inputs/train_300K"),
}
TASKS = {
    "amorphous.network": {"n_atoms": 64, "angle_sigma": 13.0, "annealing": 200, "energies": None},
    "relax": {"calculator": "sw", "fmax": 0.05},
}


def cpu_seconds(command: list[str], folder: Path) -> float:
    """Run a command with the kernels of ``folder``; returns its user and system time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "kernels"), "OMP_NUM_THREADS": "1"}
    subprocess.run([str(DISMAI), *command], cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(name: str, command: Callable[[Path, str], list[str]]) -> None:
    """Print the seconds of both runs; ``command`` writes the inputs of a run into the folder and names it."""
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (cpu_seconds(command(Path(folder), run), Path(folder)) for run in ("first", "second"))
    print(f"{name:20s}{cold:8.1f}{warm:8.1f}{cold / warm:8.1f}")


def metrics(family: str) -> Callable[[Path, str], list[str]]:
    """Return the command for the metrics of a family: ten structures and more in all."""

    def command(folder: Path, run: str) -> list[str]:
        for name, source in zip(("generated", "reference"), FAMILIES[family], strict=True):
            write_npz(load_structures(DATA / f"{source}.extxyz.gz"), folder / f"{name}.npz")
        return ["metrics", family, "--generated=generated.npz", "--reference=reference.npz", f"--output={run}.json"]

    return command


def task(name: str) -> Callable[[Path, str], list[str]]:
    """Return the command for a task, in a folder of its own."""

    def command(folder: Path, run: str) -> list[str]:
        (folder / run).mkdir()
        content = {"task": name, "seed": 1, "parameters": TASKS[name]}
        if name == "relax":
            write_npz(rattled(), folder / run / "start.npz")
            content["inputs"] = {"structures": "start.npz"}
        (folder / run / "task.json").write_text(json.dumps(content))
        return ["run", f"{run}/task.json"]

    return command


def rattled() -> StructureSet:
    """Return a perturbed crystal of silicon."""
    atoms = bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    return from_ase([atoms])


def main() -> None:
    """Print a line for each command."""
    print(f"{'':20s}{'cold':>8s}{'warm':>8s}{'ratio':>8s}   CPU seconds")
    for family in FAMILIES:
        compare(f"metrics {family}", metrics(family))
    for name in TASKS:
        compare(name, task(name))


if __name__ == "__main__":
    main()
