"""What a quench of amorphous silicon costs and gives, by potential and rate, and what its relaxation costs.

    python benchmarks/amorphous_quench.py [--structures 3] [--case sw_vink:1e14 --case edip:5e12:2000] [--n-atoms 256]

A case is a potential, a cooling rate (K/s) and, if it is not the default, a melt temperature (K). Every structure is
made by the task ``amorphous.quench`` without a gate, measured as quenched, relaxed by the task ``relax`` with EDIP, and
measured again. Seconds of a quench are of processor time, relaxations a minute of wall time; on one thread with
``OMP_NUM_THREADS=1``.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from aiida_dismai.engine.amorphous.measures import measure, summarise
from aiida_dismai.engine.amorphous.parameters import MeasureParameters
from aiida_dismai.engine.amorphous.targets import TARGETS
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import StructureSet, read_npz

#: Potential, rate and melt temperature: what is printed without ``--case``.
CASES = ("sw_vink:1e14", "sw_vink:5e13", "sw_vink:2e13", "tersoff:1e14:4000", "edip:1e14:2500", "sw:1e14")


def run(task: str, folder: Path, parameters: dict[str, Any], inputs: dict[str, str], seed: int | None) -> float:
    """Run a task in a folder; return its seconds of processor time."""
    content = {"task": task, "parameters": parameters, "inputs": inputs, "seed": seed}
    (folder / "task.json").write_text(json.dumps(content))
    started = time.process_time()
    if run_task(folder / "task.json"):
        raise SystemExit(1)
    return time.process_time() - started


def show(label: str, structures: StructureSet, seconds: str) -> None:
    """Print the measures of a set in a line."""
    of_all = MeasureParameters()
    found = summarise([measure(structures[i], of_all, None) for i in range(len(structures))])
    shares = found["coordination_percent"]
    coordination = " ".join(f"{shares.get(number, 0.0):6.1f}" for number in ("3", "4", "5"))
    peak = found["rdf_peak"]
    print(
        f"{label:32s} {coordination} {found['tetrahedral_percent']:6.1f} {found['bond_angle_mean']:7.1f} "
        f"{found['bond_angle_sigma']:5.1f} {peak['position']:6.2f} {peak['height']:5.1f}   {seconds}",
        flush=True,
    )


@click.command()
@click.option("--case", "cases", multiple=True, default=CASES, help="POTENTIAL:RATE[:MELT_TEMPERATURE]")
@click.option("--structures", default=3, help="of each case")
@click.option("--n-atoms", default=256)
@click.option("--seed", default=1)
def main(cases: tuple[str, ...], structures: int, n_atoms: int, seed: int) -> None:
    """Measure."""
    print(f"{'':32s} {'3':>6s} {'4':>6s} {'5':>6s} {'tet.':>6s} {'angle':>7s} {'σ':>5s} {'Å':>6s} {'g':>5s}")
    print(f"paper: {json.dumps(TARGETS)}")
    for case in cases:
        potential, rate, *melt = case.split(":")
        parameters: dict[str, Any] = {"potential": potential, "rate": float(rate), "n_structures": structures}
        parameters |= {"n_atoms": n_atoms, "gate": {}, "energies": None}
        if melt:
            parameters["melt_temperature"] = float(melt[0])
        with tempfile.TemporaryDirectory(prefix="dismai-benchmark-") as name:
            folder = Path(name)
            seconds = run("amorphous.quench", folder, parameters, {}, seed) / structures
            quenched = read_npz(folder / "structures.npz")
            show(f"{case} as quenched", quenched, f"{seconds:.0f} s per structure")
            (folder / "relax").mkdir()
            inputs = {"structures": "../structures.npz"}
            run("relax", folder / "relax", {"calculator": "edip"}, inputs, None)
            results = json.loads((folder / "relax" / "results.json").read_text())
            relaxed = read_npz(folder / "relax" / "structures.npz")
            show(
                f"{case} relaxed with EDIP",
                relaxed,
                f"{results['mean_steps']:.0f} steps, {60 / results['seconds_per_structure']:.0f} a minute",
            )


if __name__ == "__main__":
    main()
