"""Crystals to look for neighbours in, from perfect lattices to slabs; all small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.build import bulk

from aiida_dismai.engine.structures import StructureSet, load_structures

DATA = Path(__file__).parents[1] / "data" / "reference"
INTERFACE = {"Li": 1.0, "Sc": 3.0, "Co": 3.0, "Cl": -1.0, "O": -2.0}
SPINEL = {"Li": 1.0, "Mg": 2.0, "Ti": 4.0, "O": -2.0}
SALT = {"Na": 1.0, "Cl": -1.0}


def crystal(numbers, positions, cell, pbc=True) -> StructureSet:
    return StructureSet.from_uniform(numbers, np.asarray(positions, dtype=float)[None], np.asarray(cell, float), pbc)


def of(name: str, structure: str, length: float, repeat: int = 1, rattle: float = 0.0) -> StructureSet:
    """Return a lattice of ASE, cubic unless it is primitive, displaced by Gaussian noise (Å)."""
    cubic = structure not in ("hcp", "sc")
    atoms = bulk(name, structure, length, cubic=cubic) * (repeat, repeat, repeat)
    noise = np.random.default_rng(1).normal(0, 1, atoms.positions.shape) * rattle
    return crystal(atoms.numbers, atoms.positions + noise, np.asarray(atoms.cell))


def oxide(rattle: float = 0.1) -> StructureSet:
    """Return 32 ions of Li, Mg, Ti and O on the sites of rock salt, in a cell that is not a cube."""
    salt = of("NaCl", "rocksalt", 4.2, 2)
    cations = np.flatnonzero(salt.numbers == 11)[:16]
    anions = np.flatnonzero(salt.numbers == 17)[:16]
    half = np.concatenate([cations, anions])
    numbers = np.concatenate([np.resize([3, 12, 22], 16), np.full(16, 8)])
    noise = np.random.default_rng(2).normal(0, rattle, (32, 3)) if rattle else 0.0
    shear = np.array([[4.2, 0, 0], [0, 8.4, 0], [0, 0, 8.4]])
    assert len(np.unique(np.round(salt.positions[half] @ np.linalg.inv(shear) % 1, 6), axis=0)) == 32
    return crystal(numbers, salt.positions[half] + noise, shear)


def tilted(n: int, seed: int) -> StructureSet:
    """Return ``n`` silicon atoms in a strongly tilted cell."""
    random = np.random.default_rng(seed)
    cell = np.array([[3.1, 0, 0], [2.6, 3.4, 0], [-2.2, 1.9, 3.0]]) * (n / 2) ** (1 / 3)
    return crystal([14] * n, random.uniform(0, 1, (n, 3)) @ cell, cell)


def slab(vacuum: float, bumps: float) -> StructureSet:
    """Return three layers of fcc aluminium (111), 2 × 2, rough by ``bumps`` Å."""
    from ase.build import fcc111

    atoms = fcc111("Al", (2, 2, 3), vacuum=vacuum / 2)
    noise = np.random.default_rng(3).normal(0, 1, atoms.positions.shape) * bumps
    cell = np.asarray(atoms.cell)
    return crystal(atoms.numbers, atoms.positions + noise, cell)


def interface(which: int = 0) -> StructureSet:
    return load_structures(DATA / "int" / "inputs" / "gen_relaxed.extxyz.gz")[which]


def silicon(which: int = 0) -> StructureSet:
    return load_structures(DATA / "a_Si" / "inputs" / "gen_relaxed.extxyz.gz")[which]
