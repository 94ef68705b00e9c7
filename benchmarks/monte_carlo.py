"""Swaps per second of ``alloys.sample`` beside icet's mchammer on the same system, and the paper's whole sampling.

    python benchmarks/monte_carlo.py [--passes 4000] [--theirs 40] [--no-paper]

The system is Fe154Ni51Cr51 on 4 × 4 × 4 fcc cells with the paper's 46 coefficients; mchammer's CanonicalEnsemble is
given the same coefficients in icet's basis. Both run on one thread, in turn, and the best of three counts. An attempt
of ours may meet two atoms of one species (44 % do, and cost less); mchammer only tries unlike ones. So the ratio is
also given per attempt with unlike atoms. ``--paper`` runs 2 temperatures × 10 runs × 50000 passes on all cores.
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
from ase import Atoms

from aiida_dismai.engine.alloys.expansion import packaged_expansion
from aiida_dismai.engine.alloys.icet import to_icet
from aiida_dismai.engine.alloys.monte_carlo.parameters import SampleParameters
from aiida_dismai.engine.alloys.monte_carlo.sampler import Sampler
from aiida_dismai.engine.alloys.monte_carlo.system import System, build_system, find_file
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.workers import available_cores

PAIRS = ("Fe-Ni", "Cr-Fe", "Cr-Ni", "Fe-Fe", "Cr-Cr", "Ni-Ni")
#: science.md section 5: energy per atom, acceptance, and order of the first shell.
PAPER = {
    300.0: (-0.0942, 0.026, (0.226, -0.187, -0.430, -0.013, 0.996, -0.251)),
    1500.0: (-0.0632, 0.43, (0.010, -0.004, -0.082, -0.002, 0.095, 0.050)),
}


def ours(system: System, temperature: float, passes: int, seed: int) -> tuple[float, np.ndarray]:
    """Return swaps per second of one run, and the arrangement at its end."""
    parameters = SampleParameters(temperature=temperature, passes=passes, burn_in=0, snapshot_interval=10, runs=1)
    with tempfile.TemporaryDirectory(prefix="dismai-benchmark-") as folder:
        sampler = Sampler(system, parameters, seed, Path(folder))
        started = time.perf_counter()
        attempts = sum(sampler.go_on())
        spent = time.perf_counter() - started
        return attempts / spent, np.array(sampler.records(0)[-1]["species"])


def theirs(system: System, calculator: Any, atoms: Atoms, temperature: float, passes: int, seed: int) -> float:
    """Return mchammer's swaps per second."""
    from mchammer.ensembles import CanonicalEnsemble

    ensemble = CanonicalEnsemble(
        structure=atoms,
        calculator=calculator,
        temperature=temperature,
        random_seed=seed,
        ensemble_data_write_interval=2560,
    )
    ensemble.run(100)
    started = time.perf_counter()
    ensemble.run(passes * system.n_sites)
    return passes * system.n_sites / (time.perf_counter() - started)


def beside(passes: int, their_passes: int) -> None:
    """Print swaps per second of both."""
    from mchammer.calculators import ClusterExpansionCalculator

    expansion = packaged_expansion()
    parameters = SampleParameters(temperature=300)
    system = build_system(parameters, find_file(parameters))
    unlike = 1 - float((system.fractions**2).sum())
    cluster_expansion = to_icet(expansion)
    print(f"{'T / K':>6} {'ours / s':>12} {'mchammer / s':>14} {'ratio':>8} {'unlike pairs only':>18}")
    for temperature in PAPER:
        best, their_best = 0.0, 0.0
        for attempt in range(3):
            speed, species = ours(system, temperature, passes, attempt)
            best = max(best, speed)
            # mchammer goes on from an arrangement of that temperature, so that both accept as often
            symbols = [expansion.species[place] for place in species]
            atoms = Atoms(symbols, positions=system.positions, cell=system.cell, pbc=True)
            calculator = ClusterExpansionCalculator(atoms, cluster_expansion)
            their_best = max(their_best, theirs(system, calculator, atoms, temperature, their_passes, attempt))
        ratio = best / their_best
        print(f"{temperature:6.0f} {best:12.0f} {their_best:14.0f} {ratio:7.0f}× {ratio * unlike:17.0f}×")


def paper() -> None:
    """Run the paper's sampling through the task, and print what comes out beside the paper's averages."""
    total = 0.0
    for temperature, (energy, acceptance, order) in PAPER.items():
        with tempfile.TemporaryDirectory(prefix="dismai-benchmark-") as folder:
            task = {"task": "alloys.sample", "seed": 1, "parameters": {"temperature": temperature}}
            path = Path(folder) / "task.json"
            path.write_text(json.dumps(task))
            started = time.perf_counter()
            assert run_task(path) == 0
            spent = time.perf_counter() - started
            results = json.loads((Path(folder) / "results.json").read_text())
        total += spent
        found = results["formation_energy"]
        print(
            f"{temperature:.0f} K: {spent:.1f} s, {results['swaps']:,} swaps, {results['swaps_per_second']:,.0f} / s "
            f"on {results['workers']} threads; E {found['mean']:.5f}({found['error']:.5f}) eV/atom (paper {energy}), "
            f"acceptance {100 * results['acceptance']:.2f} % ({100 * acceptance:g} %), "
            f"τ {results['autocorrelation_passes']:.1f} passes, R-hat {results['r_hat']:.4f}, "
            f"drift {results['drift']:.1e} eV/atom"
        )
        first = results["sro"]["1NN"]
        told = [
            f"{pair} {first[pair]['mean']:+.3f}({first[pair]['error']:.3f}) [{value:+.3f}]"
            for pair, value in zip(PAIRS, order, strict=True)
        ]
        print("   " + ", ".join(told))
    print(f"the paper's sampling: {total:.0f} s on {available_cores()} cores; asked for are 300 s on two")


@click.command()
@click.option("--passes", default=4000, show_default=True, help="Passes of ours.")
@click.option("--theirs", "their_passes", default=40, show_default=True, help="Passes of mchammer.")
@click.option("--paper/--no-paper", "whole", default=True, help="Run the paper's whole sampling.")
def main(passes: int, their_passes: int, whole: bool) -> None:
    """Print both parts."""
    warnings.filterwarnings("ignore")
    beside(passes, their_passes)
    if whole:
        paper()


if __name__ == "__main__":
    main()
