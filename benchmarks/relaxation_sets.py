"""Structures to relax and potentials trained for them, for ``relaxation.py``; made once, kept in a folder.

- ``silicon``: amorphous silicon by bond switching, 64 atoms, displaced at random as generated structures are; M3GNet of
  16 units, trained on Stillinger–Weber energies and forces of others made alike.
- ``interface``: Li2O(001)|LiCl(001), 80 atoms of which 16 lie at random between the slabs; M3GNet trained on CHGNet's
  energies and forces along short relaxations of others made alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from learning import run

from aiida_dismai.engine.structures import StructureSet, from_ase, load_structures, to_ase, write_npz

#: The networks that are trained here.
SMALL: dict[str, Any] = {
    "cutoff": 4.0, "threebody_cutoff": 3.2, "n_blocks": 2, "units": 16, "stress_weight": 0.0, "device": "cpu",
    "learning_rate": 0.005, "schedule": "cosine", "batch_size": 4, "max_epochs": 15,
}  # fmt: skip
IONIC = SMALL | {"max_epochs": 50, "cutoff": 4.5, "threebody_cutoff": 3.0, "repulsion": True}
INTERFACE: dict[str, Any] = {
    "slab_a": {"miller": [0, 0, 1], "layers": 2, "vectors": [[2, 0, 0], [0, 2, 0]]},
    "slab_b": {"miller": [0, 0, 1], "layers": 1, "vectors": [[2, 0, 0], [0, 2, 0]]},
    "lateral_cell": {"a": 9.8, "b": 9.8},
    "region": {
        "composition": {"Li": 8, "Cl": 8},
        "thickness": [4.0, 4.5],
        "distances": {"Li-Li": 2.2, "Cl-Cl": 2.8, "Li-Cl": 2.0, "O-Cl": 2.5, "Li-O": 1.7, "O-O": 2.4},
    },
    "vacuum": 8.0,
}
#: Oxidation states for the metrics of these interfaces.
IONS = {"oxidation_states": {"Li": 1, "Cl": -1, "O": -2}, "cations": ["Li"], "anions": ["Cl", "O"]}


def silicon(folder: Path, n: int, seed: int) -> StructureSet:
    """Return networks of 64 atoms, displaced by 0.05 to 0.2 Å."""
    parameters = {"n_structures": n, "n_atoms": 64, "annealing": 200, "hot": 0.4, "angle_sigma": 14.0}
    run(folder, "amorphous.network", parameters, seed=seed)
    networks = load_structures(folder / "structures.npz").without_properties("energy")
    rng = np.random.default_rng(seed)
    scale = np.repeat(rng.uniform(0.05, 0.2, len(networks)), networks.n_atoms)[:, None]
    return networks.with_positions(networks.positions + scale * rng.normal(size=networks.positions.shape))


def interfaces(folder: Path, n: int, seed: int) -> StructureSet:
    """Return random interfaces of Li2O and LiCl."""
    from ase.spacegroup import crystal

    li2o = crystal(["Li", "O"], [(0.25, 0.25, 0.25), (0, 0, 0)], spacegroup=225, cellpar=[4.62] * 3 + [90] * 3)
    licl = crystal(["Li", "Cl"], [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=225, cellpar=[5.13] * 3 + [90] * 3)
    files = {"slab_a": folder / "li2o.npz", "slab_b": folder / "licl.npz"}
    folder.mkdir(parents=True, exist_ok=True)
    for file, atoms in zip(files.values(), (li2o, licl), strict=True):
        plain = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
        write_npz(from_ase([plain]), file)
    run(folder / "build", "interfaces.build", INTERFACE | {"n_structures": n}, files, seed=seed)
    return load_structures(folder / "build" / "structures.npz")


def stillinger_weber(structures: StructureSet) -> StructureSet:
    """Label displaced structures and a step towards their minima."""
    from aiida_dismai.engine.potentials.calculators import make_calculator

    return _labelled(structures, make_calculator("sw", {}, None, "cpu", structures), steps=6, every=3)


def chgnet(structures: StructureSet) -> StructureSet:
    """Label structures along the first steps of their relaxations."""
    from aiida_dismai.engine.potentials.calculators import make_calculator

    return _labelled(structures, make_calculator("chgnet", {}, None, "cpu", structures), steps=6, every=3)


def _labelled(structures: StructureSet, calculator: Any, steps: int, every: int) -> StructureSet:
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.optimize import FIRE

    frames = []
    for number, atoms in enumerate(to_ase(structures.without_properties())):
        atoms.calc = calculator
        for step, _ in enumerate(FIRE(atoms, logfile=None).irun(fmax=0.05, steps=steps)):
            if step % every:
                continue
            frame = atoms.copy()
            labels = {name: atoms.calc.get_property(name, atoms) for name in ("energy", "forces", "stress")}
            frame.calc = SinglePointCalculator(frame, **labels)
            frame.info |= {"trajectory": number, "step": step}
            frames.append(frame)
    return from_ase(frames)


@dataclass(frozen=True)
class Kind:
    """A kind of structures.

    Attributes:
        metrics: parameters of the task ``metrics``.
        structures: makes so many in a folder, from a seed.
        labels: gives frames with energies, forces and stresses.
        network: parameters of the training.
        training: structures that the potential is trained on; they are made from another seed.
    """

    metrics: dict[str, Any]
    structures: Callable[[Path, int, int], StructureSet]
    labels: Callable[[StructureSet], StructureSet]
    network: dict[str, Any]
    training: int


KINDS = {
    "silicon": Kind({"kind": "amorphous"}, silicon, stillinger_weber, SMALL, 24),
    "interface": Kind({"kind": "interface", "interface": IONS}, interfaces, chgnet, IONIC, 12),
}


def make(name: str, folder: Path, n: int) -> tuple[StructureSet, Path, dict[str, Any]]:
    """Return structures, the folder of a potential for them, and the parameters of their metrics."""
    kind, training = KINDS[name], folder / "training.npz"
    if not training.is_file():
        write_npz(kind.labels(kind.structures(folder / "others", kind.training, 2)), training)
    errors = run(folder / "train", "potential.train", kind.network, {"structures": training})
    said = f"{errors['validation_mae_energy']:.1f} meV/atom, {errors['validation_mae_forces']:.0f} meV/Å"
    print(f"potential of {name}: {said} from the labels it was not trained on")
    return kind.structures(folder / "given", n, 1), folder / "train" / "potential", kind.metrics
