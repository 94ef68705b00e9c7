"""Relaxations one by one and in batches: what they cost, and whether they end in the same place.

    OMP_NUM_THREADS=1 python benchmarks/relaxation.py [--set interface] [--folder relaxation]
    python benchmarks/relaxation.py --structures set.npz --potential folder --kind amorphous -n 100 --device cuda
    OMP_NUM_THREADS=1 python benchmarks/relaxation.py --workers 2
    OMP_NUM_THREADS=1 python benchmarks/relaxation.py --profile

Without files it makes structures and trains a small M3GNet for them (``relaxation_sets.py``). The same structures are
relaxed by SciPyFminCG one by one, by both optimisers of the batches, and one by one again from positions that differ by
0.001 Å: what share of structures ends in another minimum whatever is done. Everything is written under the folder and
the script resumes from there when it is run again.

``--workers`` relaxes the set with one process and with several, in turns; ``--profile`` prints where the time of one
evaluation goes, at 264 atoms with the paper's network, beside matgl's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import relaxation_profile
import relaxation_sets
from learning import run

from aiida_dismai.engine.structures import StructureSet, load_structures, read_npz, write_npz

#: A structure that ends with another energy (eV/atom) or farther away (Å, root mean square) is in another minimum.
OTHER_ENERGY, OTHER_PLACE = 1e-3, 0.1
#: Displacement of the structures that are relaxed once more, Å.
NUDGE = 1e-3
#: What is compared with SciPyFminCG one by one.
WAYS = {
    "batched": {"mode": "batched", "optimizer": "SciPyFminCG"},
    "batched FIRE": {"mode": "batched", "optimizer": "FIRE"},
    "nudged": {"mode": "sequential", "optimizer": "SciPyFminCG"},
}


def relax(folder: Path, parameters: dict[str, Any], inputs: dict[str, Path]) -> tuple[dict[str, Any], StructureSet]:
    """Relax structures; returns the results with the CPU seconds that all runs in the folder took, and the set."""
    spent, before = folder / "cpu_seconds.json", resource.getrusage(resource.RUSAGE_CHILDREN)
    results = run(folder, "relax", parameters, inputs)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = json.loads(spent.read_text()) if spent.is_file() else 0.0
    seconds += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    spent.write_text(json.dumps(seconds))
    return results | {"cpu_seconds": seconds}, read_npz(folder / "structures.npz")


def say(name: str, found: dict[str, Any]) -> None:
    """Print what a relaxation took."""
    rate, n = found["structures_per_minute"], found["n_structures"]
    print(
        f"{name:12s} {rate:6.1f} structures a minute (3000: {50 / rate:.1f} h), "
        f"{found['cpu_seconds'] / n:.2f} CPU s each, {found['n_converged']} of {n} converged, "
        f"{found['n_failed']} failed, {found['mean_steps']:.0f} steps, "
        f"{found['force_evaluations'] / n:.0f} force evaluations each"
    )


def compare(one: StructureSet, other: StructureSet) -> dict[str, float]:
    """Return how two relaxations of the same structures differ, over those that both converged."""
    both = np.flatnonzero(one.values("converged") & other.values("converged"))
    energy = (other.values("energy") - one.values("energy"))[both] / one.n_atoms[both]
    places = []
    for i in both:
        own = one.atoms_of(int(i))
        cell = one.cells[i]
        moved = np.linalg.solve(cell.T, (one.positions[own] - other.positions[own]).T).T
        places.append(float(np.sqrt(np.square((moved - np.round(moved)) @ cell).sum(axis=1).mean())))
    elsewhere = (np.abs(energy) > OTHER_ENERGY) | (np.array(places) > OTHER_PLACE)
    if not len(both):
        return {"both converged": 0}
    return {
        "both converged": len(both),
        "energies, meV/atom": 1000 * float(np.abs(energy).mean()),
        "their mean, meV/atom": 1000 * float(energy.mean()),
        "RMSD, Å": float(np.mean(places)),
        "median RMSD, Å": float(np.median(places)),
        "in another minimum": float(np.mean(elsewhere)),
    }


def distances(folder: Path, table: dict[str, Any], one: Path, other: Path) -> dict[str, Any]:
    """Return the benchmark's own distances between the two sets, each with its noise floor."""
    results = run(folder, "metrics", table, {"structures": other, "reference": one})
    return {
        name: {"value": entry["value"], "floor": entry["floor"]}
        for name, entry in results.items()
        if isinstance(entry, dict) and entry.get("floor") is not None and entry.get("value") is not None
    }


def agreement(folder: Path, structures: StructureSet, potential: Path, table: dict[str, Any], common: Any) -> None:
    """Relax in all ways, and print how they agree."""
    given, nudged = folder / "given.npz", folder / "nudged.npz"
    write_npz(structures, given)
    noise = np.random.default_rng(3).normal(scale=NUDGE, size=structures.positions.shape)
    write_npz(structures.with_positions(structures.positions + noise), nudged)
    base = {**common, "mode": "sequential", "optimizer": "SciPyFminCG"}
    first, single = relax(folder / "sequential", base, {"structures": given, "potential": potential})
    say("sequential", first)
    summary: dict[str, Any] = {"sequential": first}
    for name, way in WAYS.items():
        own = folder / name.replace(" ", "_")
        inputs = {"structures": nudged if name == "nudged" else given, "potential": potential}
        found, relaxed = relax(own, common | way, inputs)
        say(name, found)
        if name != "nudged":
            faster = found["structures_per_minute"] / first["structures_per_minute"]
            cheaper = first["cpu_seconds"] / found["cpu_seconds"]
            print(f"{name}/sequential: {faster:.2f}× structures a minute, {cheaper:.2f}× less CPU time")
        numbers = compare(single, relaxed)
        print(f"agreement, {name}: " + ", ".join(f"{key} {value:.3g}" for key, value in numbers.items()))
        summary[name] = {"results": found, "agreement": numbers}
        if table:
            files = [path / "structures.npz" for path in (folder / "sequential", own)]
            pairs = distances(own / "metrics", table, *files)
            for metric, pair in pairs.items():
                print(f"  {metric}: {pair['value']:.4g} between the two, noise floor {pair['floor']:.4g}")
            summary[name]["distances"] = pairs
    (folder / "summary.json").write_text(json.dumps(summary, indent=2))


def several(folder: Path, structures: StructureSet, potential: Path, workers: int, common: Any) -> None:
    """Print how much faster several processes are than one, in turns (1, n, n, 1): the speed of a machine drifts.

    Three ratios: of the relaxations alone, from the first to the last that has finished; with the start of the
    processes; with the start of the task.
    """
    write_npz(structures, folder / "given.npz")
    inputs = {"structures": folder / "given.npz", "potential": potential}
    seconds = {1: np.zeros(3), workers: np.zeros(3)}
    sets = set()
    for turn, number in enumerate((1, workers, workers, 1)):
        started = time.monotonic()
        own = folder / f"workers_{number}_{os.getpid()}_{turn}"  # a new one each time
        found, _ = relax(own, {**common, "workers": number}, inputs)
        wall = time.monotonic() - started
        lines = [json.loads(line) for line in (own / "progress.jsonl").read_text().splitlines()]
        ends = [line["time"] for line in lines if line.get("stage") == "relax"]
        took = ends[-1] - ends[0], 60 * len(structures) / found["structures_per_minute"], wall
        seconds[number] += took
        sets.add((own / "structures.npz").read_bytes())
        alone, processes, task = took
        print(
            f"{number} workers: {alone:.1f} s, with the start of the processes {processes:.1f} s, of the task "
            f"{task:.1f} s",
            flush=True,
        )
    alone, processes, task = seconds[1] / seconds[workers]
    same = "the same" if len(sets) == 1 else "ANOTHER"
    print(
        f"workers {workers}/1: {alone:.2f}×, with the start of the processes {processes:.2f}×, with that of the task "
        f"{task:.2f}×; {same} result"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=sorted(relaxation_sets.KINDS), default="silicon", help="what is made here")
    parser.add_argument("--structures", type=Path, help="set of structures to relax instead")
    parser.add_argument("--potential", type=Path, help="folder of the trained potential for them")
    parser.add_argument("--kind", default="", help="family of these structures, for the distances; none without")
    parser.add_argument("-n", type=int, default=100, help="structures")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, help="where everything is kept; gone at the end without")
    parser.add_argument("--workers", type=int, help="compare so many processes with one")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    if given.profile:
        relaxation_profile.main()
        return
    if (given.structures is None) != (given.potential is None):
        parser.error("give --structures and --potential, or neither")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(given.folder or name).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if given.structures is not None:
            structures, potential = load_structures(given.structures)[: given.n], given.potential
            table = {"kind": given.kind} if given.kind else {}
        else:
            structures, potential, table = relaxation_sets.make(given.set, folder, given.n)
        common = {"device": given.device, "steps": given.steps, "workers": 1}
        if given.workers:
            several(folder, structures, potential, given.workers, common)
        else:
            agreement(folder, structures, potential, table, common)


if __name__ == "__main__":
    main()
