"""Relaxations one by one and in batches: what they cost, and whether they end in the same place.

    OMP_NUM_THREADS=1 python benchmarks/relaxation.py
    python benchmarks/relaxation.py --structures set.npz --potential folder --kind amorphous -n 100 --device cuda

Without files it relaxes amorphous silicon from small cells with an M3GNet that it trains first on Stillinger–Weber.
With ``--profile`` it prints where the time of one evaluation goes, at 264 atoms with the paper's network, beside
matgl's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import StructureSet, from_ase, load_structures, read_npz, write_npz

#: A structure that ends with another energy (eV/atom) or farther away (Å, root mean square) is in another minimum.
OTHER_ENERGY, OTHER_PLACE = 1e-3, 0.1
#: The small network that is trained here.
TRAIN = {
    "cutoff": 4.0,
    "threebody_cutoff": 4.0,
    "n_blocks": 2,
    "units": 16,
    "max_epochs": 25,
    "batch_size": 8,
    "device": "cpu",
    "stress_weight": 0.0,
}


def rattled_silicon(n: int, cells: int, seed: int) -> list[Any]:
    """Diamond cells, heavily pushed about: what a relaxation of generated structures begins with."""
    from ase.build import bulk

    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        atoms = bulk("Si", cubic=True) * (cells, cells, cells)
        atoms.positions += rng.normal(scale=rng.uniform(0.05, 0.3), size=atoms.positions.shape)
        frames.append(atoms)
    return frames


def trained_here(folder: Path) -> Path:
    """Train a small M3GNet on Stillinger–Weber energies and forces of rattled cells; returns its folder."""
    from ase.calculators.singlepoint import SinglePointCalculator

    from aiida_dismai.engine.potentials.calculators import make_calculator

    frames = rattled_silicon(80, 1, 0)
    calculator = make_calculator("sw", {}, None, "cpu", from_ase(frames[:1]))
    for number, atoms in enumerate(frames):
        atoms.calc = calculator
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        atoms.info |= {"trajectory": number, "step": 0}
    run(folder, "potential.train", TRAIN, {"structures": from_ase(frames)}, seed=1)
    return folder / "potential"


def run(folder: Path, task: str, parameters: dict[str, Any], inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Run a task in a folder; returns its results."""
    folder.mkdir(parents=True)
    names = {}
    for name, value in inputs.items():
        if isinstance(value, StructureSet):
            write_npz(value, folder / f"given_{name}.npz")
            value = folder / f"given_{name}.npz"
        names[name] = str(Path(value).resolve())
    content = {"task": task, "parameters": parameters, "inputs": names, **more}
    (folder / "task.json").write_text(json.dumps(content))
    if run_task(folder / "task.json"):
        raise SystemExit(1)
    return dict(json.loads((folder / "results.json").read_text()))


def compare(one: StructureSet, other: StructureSet) -> dict[str, float]:
    """Return how two relaxations of the same structures differ, over those that both converged."""
    both = np.flatnonzero(one.values("converged") & other.values("converged"))
    energy = np.abs(one.values("energy") - other.values("energy"))[both] / one.n_atoms[both]
    places = []
    for i in both:
        own = one.atoms_of(int(i))
        cell = one.cells[i]
        moved = np.linalg.solve(cell.T, (one.positions[own] - other.positions[own]).T).T
        places.append(float(np.sqrt(np.square((moved - np.round(moved)) @ cell).sum(axis=1).mean())))
    elsewhere = (energy > OTHER_ENERGY) | (np.array(places) > OTHER_PLACE)
    return {
        "both converged": len(both),
        "energy, meV/atom": float(1000 * np.mean(energy)) if len(both) else np.nan,
        "RMSD, Å": float(np.mean(places)) if len(both) else np.nan,
        "another minimum": float(np.mean(elsewhere)) if len(both) else np.nan,
    }


def distances(folder: Path, kind: str, one: StructureSet, other: StructureSet) -> None:
    """Print the benchmark's own distances between the two sets, beside the noise floor."""
    results = run(folder, "metrics", {"kind": kind}, {"structures": other, "reference": one})
    for name, entry in results.items():
        if isinstance(entry, dict) and entry.get("floor") is not None:
            print(f"  {name}: {entry['value']:.4g} between the two, noise floor {entry['floor']:.4g}")


def profile() -> None:
    """Print CPU seconds of one evaluation by matgl's network and by ours, and where ours go."""
    import torch
    from potentials import random_interface

    from aiida_dismai.engine.potentials.evaluator import TrainedEvaluator
    from aiida_dismai.engine.potentials.folder import TrainedPotential, build_potential
    from aiida_dismai.engine.potentials.graphs import GraphBuilder

    one = random_interface(0)
    numbers = tuple(int(number) for number in np.unique(one.numbers))
    config = {"architecture": "m3gnet", "elements": one.elements, "network": {}, "data_std": 1.0}
    potential = build_potential(config).eval().requires_grad_(False)
    potential.calc_stresses = False
    trained = TrainedPotential(potential, np.zeros(len(numbers)), GraphBuilder(numbers, 5.0), config, "cpu")
    evaluator = TrainedEvaluator(trained)
    site = evaluator.site(one.numbers, one.pbc[0])

    def theirs() -> None:
        graph, cells = trained.builder.batch(one, [0])
        potential(graph, cells)

    def ours() -> None:
        evaluator.evaluate([site], [one.positions], [one.cells[0]])

    seconds: dict[str, list[float]] = {"matgl": [], "ours": []}
    for _ in range(11):  # in turns: other jobs disturb both alike
        for name, work in (("matgl", theirs), ("ours", ours)):
            started = time.process_time()
            work()
            seconds[name].append(time.process_time() - started)
    medians = {name: float(np.median(values[1:])) for name, values in seconds.items()}
    print(f"264 atoms, paper's network: matgl {medians['matgl']:.3f} s, ours {medians['ours']:.3f} s of one CPU: "
          f"{medians['matgl'] / medians['ours']:.2f} x")  # fmt: skip
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        ours()
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=40))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", type=Path, help="set of structures to relax")
    parser.add_argument("--potential", type=Path, help="folder of a trained potential")
    parser.add_argument("--kind", default="amorphous", help="family, for the distances")
    parser.add_argument("-n", type=int, default=100, help="structures")
    parser.add_argument("--cells", type=int, default=2, help="edge of the silicon cells, in cubic cells")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--optimizer", default="SciPyFminCG", help="of the batches: SciPyFminCG or FIRE")
    parser.add_argument("--no-distances", action="store_true")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    if given.profile:
        profile()
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        potential = given.potential or trained_here(folder / "train")
        if given.structures is not None:
            structures = load_structures(given.structures)[: given.n]
        else:
            structures = from_ase(rattled_silicon(given.n, given.cells, 7))
        common = {"device": given.device, "steps": given.steps, "workers": 1}
        inputs = {"structures": structures, "potential": potential}
        results, sets = {}, {}
        for mode, optimizer in (("sequential", "SciPyFminCG"), ("batched", given.optimizer)):
            parameters = {**common, "mode": mode, "optimizer": optimizer}
            started = time.process_time()
            results[mode] = run(folder / mode, "relax", parameters, inputs)
            cpu = time.process_time() - started
            sets[mode] = read_npz(folder / mode / "structures.npz")
            found = results[mode]
            per_minute = found["structures_per_minute"]
            print(
                f"{mode:11s} {per_minute:8.1f} structures a minute ({cpu:.0f} CPU s; 3000 take "
                f"{3000 / per_minute / 60:.1f} h), {found['n_converged']} of {found['n_structures']} converged, "
                f"{found['mean_steps']} steps, {found['force_evaluations']} force evaluations"
            )
        ratio = results["batched"]["structures_per_minute"] / results["sequential"]["structures_per_minute"]
        print(f"batched/sequential: {ratio:.2f}×")
        said = ", ".join(f"{name} {value:.4g}" for name, value in compare(sets["sequential"], sets["batched"]).items())
        print(f"agreement: {said}")
        if not given.no_distances:
            distances(folder / "metrics", given.kind, sets["sequential"], sets["batched"])


if __name__ == "__main__":
    main()
