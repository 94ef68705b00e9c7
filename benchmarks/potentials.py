"""Cost of M3GNet on a 264-atom interface cell: one energy-and-forces call, one training step.

    OMP_NUM_THREADS=1 python benchmarks/potentials.py

The atoms lie at random (at least 1.8 Å apart); the cost depends on the number of neighbours alone, not on
the weights. A step of conjugate gradients takes two calls.
"""

from __future__ import annotations

import time

import numpy as np
from ase import Atoms

from aiida_dismai.engine.potentials.calculators import PotentialCalculator
from aiida_dismai.engine.potentials.folder import TrainedPotential, build_potential, network_of
from aiida_dismai.engine.potentials.graphs import GraphBuilder
from aiida_dismai.engine.potentials.losses import Labels, compute, loss_part
from aiida_dismai.engine.structures import StructureSet, from_ase, to_ase

#: Network sizes: the demo's and the paper's.
NETWORKS = {
    "demo": {"cutoff": 4.0, "threebody_cutoff": 3.0, "n_blocks": 1, "units": 16},
    "paper": {},
}
REPEATS = 5


def random_interface(seed: int) -> StructureSet:
    rng = np.random.default_rng(seed)
    gamma, c = np.radians(75.67), 33.2
    cell = np.array([[12.47, 0, 0], [17.2 * np.cos(gamma), 17.2 * np.sin(gamma), 0], [0, 0, c]])
    places: list[np.ndarray] = []
    while len(places) < 264:
        new = np.append(rng.random(2), rng.uniform(3, 24) / c)
        apart = np.array(places).reshape(-1, 3) - new
        if not (np.linalg.norm((apart - np.round(apart)) @ cell, axis=1) < 1.8).any():
            places.append(new)
    atoms = Atoms("Li72Sc12Co36Cl72O72", scaled_positions=places, cell=cell, pbc=True)
    labelled = from_ase([atoms]).with_property("energy", [-1300.0])
    forces, stress = rng.normal(size=(264, 3)), np.zeros((1, 3, 3))
    return labelled.with_property("forces", forces).with_property("stress", stress)


def median_seconds(work) -> float:
    work()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def main() -> None:
    structures = random_interface(0)
    elements = structures.elements
    numbers = tuple(int(number) for number in np.unique(structures.numbers))
    for name, network in NETWORKS.items():
        config = {"architecture": "m3gnet", "elements": elements, "network": network, "data_std": 1.0}
        potential = build_potential(config)
        builder = GraphBuilder(numbers, float(network.get("cutoff", 5.0)))
        labels = Labels.above(structures, np.array([-1300.0]))

        def step(potential=potential, builder=builder, labels=labels) -> None:
            potential.train()
            potential.zero_grad()
            errors = labels.errors(compute(potential, builder, structures, [0]), [0])
            loss_part(errors, (1.0, 1.0, 0.1), 1, 264).backward()

        training = median_seconds(step)
        potential.eval().requires_grad_(False)
        calculator = PotentialCalculator(TrainedPotential(potential, np.zeros(len(numbers)), builder, config, "cpu"))
        atoms = to_ase(structures.without_properties())[0]
        calls = median_seconds(lambda calculator=calculator, atoms=atoms: calculator.calculate(atoms, ["forces"]))
        parameters = sum(p.numel() for p in network_of(potential).parameters())
        print(
            f"{name:6s} {parameters:7d} parameters   energy and forces {1000 * calls:6.0f} ms   "
            f"training step, one structure {1000 * training:6.0f} ms"
        )


if __name__ == "__main__":
    main()
