"""CPU seconds per accepted structure of ``amorphous.network``, and what the early rejection saves.

    python benchmarks/amorphous_network.py [--structures 20] [--atoms 256] [--no-early]

Every structure is printed with its bond-angle deviation, crystalline share and rings per atom (bonds by distance),
made with the task's parameters by default; attempts that were rejected count. The other part tries the same
transpositions from the same states with and without early rejection, in turns, and gives the ratio of the best of
three.
CPU time on one thread; compiling (once after an installation) is not in it.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from aiida_dismai.engine.amorphous.bonds import bonds_within
from aiida_dismai.engine.amorphous.crystallinity import crystalline
from aiida_dismai.engine.amorphous.making import Attempt, Rejected
from aiida_dismai.engine.amorphous.network.annealing import ANNEAL, OVER, Course
from aiida_dismai.engine.amorphous.network.parameters import NetworkParameters
from aiida_dismai.engine.amorphous.network.run import make_network
from aiida_dismai.engine.amorphous.rings import ring_counts
from aiida_dismai.engine.context import Context

#: Asked for, s.
LIMIT = 180.0


def make(parameters: NetworkParameters, index: int, seed: int) -> tuple[float, int, dict[str, object]]:
    """Return the CPU seconds of an accepted structure, how many attempts it took, and what it is."""
    spent, number = 0.0, 0
    while True:
        with tempfile.TemporaryDirectory(prefix="dismai-benchmark-") as folder:
            path = Path(folder)
            started = time.process_time()
            try:
                made = make_network(Attempt(index, number, seed, path, Context(path, seed)), parameters)
            except Rejected:
                made = None
            spent += time.process_time() - started
        number += 1
        if made is None:
            continue
        bonds = bonds_within(made.structure, parameters.measures.bond_cutoff)
        rings = ring_counts(bonds.start, bonds.neighbour, bonds.image, 8) / parameters.n_atoms
        crystal = 100 * np.mean(crystalline(bonds.start, bonds.neighbour, bonds.vectors) > 0)
        told = {"sigma": made.numbers["keating_sigma"], "energy": made.numbers["keating_energy"], "crystal": crystal}
        return spent, number, told | {"rings": rings[3:]}


def structures(parameters: NetworkParameters, count: int, seed: int) -> None:
    """Print the time and the quality of some structures."""
    print(f"{'':>3} {'CPU s':>7} {'attempts':>8} {'σ / °':>6} {'E / eV':>7} {'crystal %':>9}  rings of 3 … 8 per atom")
    times = []
    for index in range(count):
        spent, attempts, told = make(parameters, index, seed)
        times.append(spent)
        rings = " ".join(f"{value:.3f}" for value in np.asarray(told["rings"]))
        print(
            f"{index:3d} {spent:7.1f} {attempts:8d} {told['sigma']:6.2f} {told['energy']:7.4f} {told['crystal']:9.2f}  "
            f"{rings}",
            flush=True,
        )
    print(
        f"{parameters.n_atoms} atoms: mean {np.mean(times):.1f} s, median {np.median(times):.1f} s, longest "
        f"{max(times):.1f} s; {LIMIT:.0f} s are asked for, {LIMIT / np.mean(times):.1f} times as much"
    )


def early_rejection(n_atoms: int, seed: int, blocks: int = 3) -> None:
    """Print how much faster the same transpositions are tried with early rejection."""
    shared = {"n_atoms": n_atoms, "angle_sigma": 9.0}
    for temperature, warm in ((0.4, 5), (0.3, 15), (0.25, 30)):
        with tempfile.TemporaryDirectory(prefix="dismai-benchmark-") as folder:
            state = Path(folder) / "state.npz"
            told = shared | {"hot": temperature, "cold": temperature}
            course = Course(NetworkParameters.model_validate(told), np.random.default_rng(seed))
            while course.phase != ANNEAL:
                course.go_on()
            for _ in range(warm):
                course.go_on()
            course.save(state)
            best, accepted = {}, {}
            for name, forecast in (("with", 0.4), ("without", None)) * 3:
                again = Course(NetworkParameters.model_validate(told | {"forecast": forecast}), np.random.default_rng())
                again.load(state)
                before, started = again.accepted, time.process_time()
                for _ in range(blocks):
                    assert again.phase != OVER
                    again.go_on()
                best[name] = min(best.get(name, np.inf), time.process_time() - started)
                accepted[name] = again.accepted - before
            trials = blocks * 4096
            print(
                f"kT {temperature:.2f} eV, from {course.sigma:.1f}°: {1e6 * best['with'] / trials:.0f} µs per "
                f"transposition with early rejection, {1e6 * best['without'] / trials:.0f} µs without, "
                f"{best['without'] / best['with']:.1f} ×; accepted {json.dumps(accepted)}",
                flush=True,
            )


@click.command()
@click.option("--structures", "count", default=20, show_default=True, help="How many structures.")
@click.option("--atoms", default=256, show_default=True, help="Atoms per structure.")
@click.option("--seed", default=1, show_default=True, help="Seed of the set.")
@click.option("--early/--no-early", default=True, help="Compare with relaxing every transposition to the end.")
def main(count: int, atoms: int, seed: int, early: bool) -> None:
    """Print both parts."""
    Course(NetworkParameters(n_atoms=32), np.random.default_rng(0)).go_on()  # compiles
    if early:
        early_rejection(atoms, seed)
    structures(NetworkParameters.model_validate({"n_atoms": atoms, "energies": None}), count, seed)


if __name__ == "__main__":
    main()
