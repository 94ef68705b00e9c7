"""Do the models learn? Small true problems, 64 generated structures, the project's own metrics.

    OMP_NUM_THREADS=1 python benchmarks/learning.py [--problem ordered] [--model diffcsp] [--folder learning]

Every problem makes its data with the tasks of the project; each model is trained on a part, 64 structures are generated
and compared with the training structures, beside `random` (the floor of a benchmark: right atoms and cell, nothing
learnt), structures kept aside, and the noise floor of the metric. Asked for: at most a third of `random`'s distance
from CDVAE and DiffCSP, half of it from the others; `unsorted` is to show that CrysTens and UniMat fail where atoms have
no order.
Without `--problem` only `eight` is run, in half an hour; the others take half an hour to an hour and a half.
Everything is written under the folder and the script resumes from there when it is run again; times are wall minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from pymatgen.core import Lattice, Structure

from aiida_dismai.engine.structures import StructureSet, from_pymatgen, load_structures, write_npz

GENERATED = 64


def run(
    folder: Path, name: str, parameters: Mapping[str, Any], inputs: Mapping[str, Path] | None = None, seed: int = 1
) -> dict[str, Any]:
    """Run a task in a folder, unless it is finished there with the same parameters; return its results.

    In a process of its own, whose peak memory is its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {key: str(path.resolve()) for key, path in (inputs or {}).items()}
    content = {"task": name, "parameters": dict(parameters), "inputs": files, "seed": seed}
    file, results = folder / "task.json", folder / "results.json"
    command = [sys.executable, "-m", "aiida_dismai.engine.main", "run", "task.json"]
    if not (results.is_file() and file.is_file() and json.loads(file.read_text()) == content):
        file.write_text(json.dumps(content, indent=2))
        if subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL).returncode:
            raise SystemExit(f"{folder}: {name} did not finish")
    return dict(json.loads(results.read_text()))


def split(structures: StructureSet, folder: Path, sizes: Mapping[str, int], seed: int) -> dict[str, Path]:
    """Divide structures at random into files; return them by name."""
    order = np.random.default_rng(seed).permutation(len(structures))
    files, start = {}, 0
    for name, size in sizes.items():
        files[name] = folder / f"{name}.npz"
        write_npz(structures[np.sort(order[start : start + size])], files[name])
        start += size
    return files


def alloy(
    temperature: float, supercell: list[int] | list[list[int]], composition: dict[str, int]
) -> Callable[[Path], Path]:
    """Return what samples the paper's cluster expansion in a small cell: eight runs, snapshots ten passes apart."""

    def make(folder: Path) -> Path:
        parameters = {"temperature": temperature, "supercell": supercell, "composition": composition}
        times = {"runs": 8, "passes": 9000, "burn_in": 1000, "snapshot_interval": 10}
        run(folder / "sample", "alloys.sample", parameters | times)
        return folder / "sample" / "structures.npz"

    return make


def without_order(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """Return what makes the same structures with the atoms of each element in random order."""

    def shuffle(folder: Path) -> Path:
        structures, random = load_structures(make(folder)), np.random.default_rng(1)
        numbers = structures.numbers[structures.atoms_of(0)]
        positions = structures.positions.reshape(len(structures), len(numbers), 3)
        # a random order within the elements, which are sorted
        orders = [np.lexsort([random.random(len(numbers)), numbers]) for _ in positions]
        shuffled = np.array([one[order] for one, order in zip(positions, orders, strict=True)])
        path = folder / "shuffled.npz"
        write_npz(StructureSet.from_uniform(np.sort(numbers), shuffled, structures.cells, structures.pbc[0]), path)
        return path

    return shuffle


def interface(folder: Path) -> Path:
    """Make Li2O(001) | LiCl(001) with a random region, Li23Cl11O6; half of the regions cannot be packed."""
    crystals = {
        "slab_a": (4.62, ["Li", "O"], [(0.25, 0.25, 0.25), (0, 0, 0)]),
        "slab_b": (5.13, ["Li", "Cl"], [(0.5, 0.5, 0.5), (0, 0, 0)]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {}
    for name, (length, elements, sites) in crystals.items():
        inputs[name] = folder / f"{name}.npz"
        crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(length), elements, sites)
        write_npz(from_pymatgen([crystal]).without_properties(), inputs[name])
    square = {"miller": [0, 0, 1], "offset": None, "vectors": [[1, 0, 0], [0, 1, 0]]}
    distances = {"Li-Li": 2.2, "Cl-Cl": 2.8, "Li-Cl": 2.0, "O-Cl": 2.5, "Li-O": 1.7, "O-O": 2.4}
    parameters = {
        "n_structures": 640,
        "slab_a": square | {"layers": 3},
        "slab_b": square | {"layers": 4},
        "lateral_cell": {"a": 4.9, "b": 4.9, "gamma": 90.0},
        "region": {"composition": {"Li": 3, "Cl": 3}, "thickness": [5.0, 6.0], "distances": distances},
        "vacuum": 6.0,
        "shift": False,
    }
    run(folder / "build", "interfaces.build", parameters, inputs)
    return folder / "build" / "structures.npz"


def silicon(folder: Path) -> Path:
    """Make amorphous silicon by bond switching: 64 atoms, 2.28 g/cm³; annealed briefly, so that angles are wide."""
    parameters = {"n_structures": 640, "n_atoms": 64, "annealing": 500, "hot": 0.4, "angle_sigma": 12.0}
    run(folder / "network", "amorphous.network", parameters)
    return folder / "network" / "structures.npz"


@dataclass(frozen=True)
class Problem:
    """Data, and how models are trained on them and measured.

    Attributes:
        kind: of the metrics.
        make: makes the structures in a folder, returns their file.
        training: number of training structures; 64 more are kept aside for the choice of the weights, 64 for the table.
        metrics: parameters of the task beside the kind.
        shown: the metrics in the table, of which the first is the one that is judged.
        models: hyper-parameters.
    """

    kind: str
    make: Callable[[Path], Path]
    training: int
    metrics: dict[str, Any]
    shown: tuple[str, ...]
    models: dict[str, dict[str, Any]]


#: Narrow networks for small cells, published otherwise.
CDVAE = {
    "epochs": 16, "teacher_forcing_epochs": 16, "batch_size": 4, "validation_interval": 2, "plateau_patience": 1,
    "latent_dim": 8, "cutoff": 5.0, "max_neighbours": 18, "n_spherical": 4, "composition": "template",
    "encoder_channels": 16, "encoder_blocks": 1, "encoder_triplet_channels": 8, "encoder_output_channels": 32,
    "decoder_channels": 48, "decoder_blocks": 2, "decoder_triplet_channels": 24, "decoder_radial": 32,
    "head_channels": 32, "noise_levels": 15, "langevin_steps": 40, "sigma_begin": 1.0, "sigma_end": 0.1,
    "step_size": 0.01,
}  # fmt: skip
#: σ in fractions of a small cell; a corrector step of 0.4 σ², as published.
DIFFCSP = {
    "epochs": 280, "batch_size": 32, "validation_interval": 5, "plateau_patience": 5, "normalise_lattice": True,
    "hidden_dim": 64, "num_layers": 4, "num_frequencies": 4, "time_dim": 32, "timesteps": 100,
    "sigma_begin": 0.06, "sigma_end": 0.45, "corrector_step": 0.0014,
}  # fmt: skip
#: The same for 32 atoms, where an epoch is longer.
CDVAE_32 = CDVAE | {"epochs": 8, "teacher_forcing_epochs": 8, "validation_interval": 1, "plateau_patience": 0}
DIFFCSP_32 = DIFFCSP | {
    "epochs": 60, "validation_interval": 2, "plateau_patience": 1, "learning_rate": 0.002, "num_frequencies": 6,
    "timesteps": 1000, "sigma_begin": 0.03, "sigma_end": 0.4, "corrector_step": 0.00036,
}  # fmt: skip
CDVAE_SILICON = CDVAE | {
    "epochs": 18, "teacher_forcing_epochs": 18, "validation_interval": 1, "n_spherical": 5, "decoder_radial": 48,
    "langevin_steps": 30, "sigma_end": 0.04, "step_size": 0.0016,
}  # fmt: skip


#: A first try, which did not learn `interface` (README.md). The average spans the last hundred steps; with the
#: published interval it would be a thousand, all of such a training.
UNETS: dict[str, Any] = {
    "learning_rate": 0.001, "batch_size": 4, "width": 8, "average_interval": 1, "validation_steps": 50,
    "validate_average": True, "same_validation_noise": True, "sampling_steps": 20,
}  # fmt: skip
CRYSTENS: dict[str, Any] = UNETS | {"steps": 400, "small_side": 16}
UNIMAT: dict[str, Any] = UNETS | {"steps": 560, "accept": "all"}


def of_alloys(
    make: Callable[[Path], Path], training: int, max_removed: int, models: dict[str, dict[str, Any]]
) -> Problem:
    """Return a problem whose structures are alloys."""
    shown = ("d_cluster", "vacancy_percent", "failed_percent")
    return Problem("alloy", make, training, {"alloy": {"max_removed": max_removed}}, shown, models)


#: 2 × 2 × 2 primitive cells of fcc, in cubic cells.
EIGHT = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
GRAPHS_32: dict[str, dict[str, Any]] = {"cdvae": CDVAE_32, "diffcsp": DIFFCSP_32}
PICTURES: dict[str, dict[str, Any]] = {"crystens": CRYSTENS, "unimat": UNIMAT}
ORDERED = alloy(700.0, [2, 2, 2], {"Cr": 8, "Ni": 24})
IONS = {"oxidation_states": {"Li": 1, "Cl": -1, "O": -2}, "cations": ["Li"], "anions": ["Cl", "O"]}
PROBLEMS = {
    "eight": of_alloys(alloy(700.0, EIGHT, {"Cr": 2, "Fe": 4, "Ni": 2}), 1024, 2, {"cdvae": CDVAE, "diffcsp": DIFFCSP}),
    "ordered": of_alloys(ORDERED, 2048, 6, GRAPHS_32 | PICTURES),
    "unsorted": of_alloys(without_order(ORDERED), 2048, 6, PICTURES),
    "sro": of_alloys(alloy(300.0, [2, 2, 2], {"Cr": 6, "Fe": 20, "Ni": 6}), 2048, 6, GRAPHS_32),
    "silicon": Problem(
        "amorphous", silicon, 512, {}, ("d_motif", "d_rdf", "d_angle", "failed_percent"), {"cdvae": CDVAE_SILICON}
    ),
    "interface": Problem("interface", interface, 204, {"interface": IONS}, ("d_all", "failed_percent"), PICTURES),
}


def measure(problem: Problem, folder: Path, structures: Path, reference: Path) -> dict[str, Any]:
    """Compare structures with the training structures."""
    parameters = {"kind": problem.kind, "generated_total": GENERATED} | problem.metrics
    return run(folder / "metrics", "metrics", parameters, {"structures": structures, "reference": reference})


def learn(problem: Problem, folder: Path, model: str, files: Mapping[str, Path]) -> dict[str, Any]:
    """Train a model, generate, measure; return the metrics with both times."""
    hyper = problem.models.get(model, {})
    inputs = {"structures": files["training"], "validation": files["validation"]}
    trained = run(folder / "train", "generator.train", {"model": model, "hyperparameters": hyper, "threads": 1}, inputs)
    asked = {"n_structures": GENERATED, "batch_size": 8, "threads": 1}
    sampled = run(folder / "sample", "generator.sample", asked, {"generator": folder / "train" / "generator"}, seed=2)
    found = measure(problem, folder, folder / "sample" / "structures.npz", files["training"])
    return found | {"train": trained["timings"]["train"], "sample": sampled["timings"]["sample"]}


def row(name: str, problem: Problem, found: Mapping[str, Any], floor: float) -> str:
    """Return a line of the table: metrics with their intervals, the ratio to `random`, minutes."""
    cells = []
    for metric in problem.shown:
        value = found[metric]
        cells.append(f"{value['value']:.3g} ({value['lower']:.3g}, {value['upper']:.3g})")
    ratio = found[problem.shown[0]]["value"] / floor
    times = [f"{found[part] / 60:.1f}" if found.get(part, 0) > 1 else "" for part in ("train", "sample")]
    return "| " + " | ".join([name, *cells, f"{ratio:.2f}", *times]) + " |"


@click.command()
@click.option(
    "--problem", "problems", multiple=True, type=click.Choice(list(PROBLEMS)), default=["eight"], show_default=True
)
@click.option(
    "--model",
    "models",
    multiple=True,
    help="Those that the problem has settings for if none is given.",
)
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("learning"), help="Where everything is written."
)
def main(problems: tuple[str, ...], models: tuple[str, ...], folder: Path) -> None:
    """Print a table for every problem."""
    for name in problems:
        problem, place = PROBLEMS[name], folder / name
        sizes = {"training": problem.training, "validation": 64, "aside": GENERATED}
        files = split(load_structures(problem.make(place)), place, sizes, seed=1)
        random = learn(problem, place / "random", "random", files)
        base = random[problem.shown[0]]["value"]
        print(f"\n{name}: {problem.training} training structures, {GENERATED} generated\n")
        print("| | " + " | ".join(problem.shown) + " | of random | train, min | sample, min |")
        print("|" + "---|" * (len(problem.shown) + 4))
        print(row("random", problem, random, base))
        for model in models or problem.models:
            print(row(model, problem, learn(problem, place / model, model, files), base), flush=True)
        aside = measure(problem, place / "aside", files["aside"], files["training"])
        print(row("kept aside", problem, aside, base))
        floors = [f"{random[metric].get('floor', float('nan')):.3g}" for metric in problem.shown]
        print("| noise floor | " + " | ".join(floors) + " | | | |", flush=True)


if __name__ == "__main__":
    main()
