"""Small systems of many kinds, and their energies from ASE's neighbour list."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from aiida_dismai.engine.alloys.expansion import ExpansionFile, packaged_file
from aiida_dismai.engine.alloys.monte_carlo.parameters import SampleParameters
from aiida_dismai.engine.alloys.monte_carlo.system import System, build_system


def make_file(lattice: dict[str, Any], radii: list[float], species: list[str], seed: int = 0) -> ExpansionFile:
    """Return an expansion with random coefficients of 20 meV."""
    random = np.random.default_rng(seed)
    pairs = ["-".join(pair) for pair in itertools.combinations_with_replacement(species, 2)]
    return ExpansionFile.model_validate(
        {
            "lattice": lattice,
            "species": species,
            "constant": 0.1,
            "sites": {symbol: float(random.normal(0, 0.02)) for symbol in species},
            "shells": [
                {"radius": radius, "pairs": {pair: float(random.normal(0, 0.02)) for pair in pairs}} for radius in radii
            ],
        }
    )


HCP = make_file({"type": "hcp", "a": 3.0}, [3.0, 4.2426, 4.899], ["Ti", "Al", "V"])
#: Two sites that no symmetry exchanges, and so shells with different numbers of neighbours.
TWO_SITES = make_file(
    {"cell": [[3, 0, 0], [0, 3.2, 0], [0, 0, 3.5]], "basis": [[0, 0, 0], [0.5, 0.5, 0.4]]},
    [2.601, 3.0, 3.2],
    ["Cu", "Au"],
)
BCC5 = make_file({"type": "bcc", "a": 3.2}, [2.771, 3.2, 4.525], ["Nb", "Mo", "Ta", "W", "V"])

SYSTEMS = {
    # a cell so small that shells lead to images of the site itself, and several times to one neighbour
    "fcc 8 sites": (packaged_file(), [[0, 1, 1], [1, 0, 1], [1, 1, 0]], {"Cr": 2, "Fe": 4, "Ni": 2}),
    "fcc skew": (packaged_file(), [[1, 1, 0], [0, 2, 1], [1, 0, 2]], {"Cr": 5, "Fe": 9, "Ni": 6}),
    "fcc 4 × 4 × 4": (packaged_file(), [4, 4, 4], {"Cr": 51, "Fe": 154, "Ni": 51}),
    "hcp": (HCP, [2, 3, 2], {"Ti": 10, "Al": 8, "V": 6}),
    "two kinds of sites": (TWO_SITES, [2, 1, 3], {"Cu": 7, "Au": 5}),
    "bcc, five species": (BCC5, [2, 2, 3], {"Nb": 5, "Mo": 5, "Ta": 5, "W": 5, "V": 4}),
}


def system_of(name: str) -> System:
    file, supercell, composition = SYSTEMS[name]
    parameters = SampleParameters(temperature=300.0, supercell=supercell, composition=composition)
    return build_system(parameters, file)


class Neighbours:
    """Energies of arrangements from distances between atoms and all their images (pairs found by ASE)."""

    def __init__(self, name: str, system: System) -> None:
        self.file = SYSTEMS[name][0]
        self.system = system
        atoms = Atoms("X" * system.n_sites, positions=system.positions, cell=system.cell, pbc=True)
        radii = np.array([vectors.lengths()[0] for vectors in system.expansion.vectors])
        self.i, self.j, distances = neighbor_list("ijd", atoms, float(radii[-1]) + 0.01)
        gaps = np.abs(distances[:, None] - radii)
        kept = gaps.min(axis=1) < 1e-3
        self.i, self.j, self.shell = self.i[kept], self.j[kept], gaps.argmin(axis=1)[kept]
        species = system.expansion.species
        self.terms = np.array(
            [
                [[shell.pairs.get(f"{a}-{b}", shell.pairs.get(f"{b}-{a}")) for b in species] for a in species]
                for shell in self.file.shells
            ]
        )
        self.sites = np.array([self.file.sites[symbol] for symbol in species])

    def energy(self, species: NDArray[np.integer]) -> float:
        """Return the energy of the whole cell, eV."""
        pairs = self.terms[self.shell, species[self.i], species[self.j]].sum() / 2
        return float(self.file.constant * len(species) + self.sites[species].sum() + pairs)
