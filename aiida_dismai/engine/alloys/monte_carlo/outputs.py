"""What a sampling leaves behind: snapshots, some of them as structures, and traces of all runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...arrays import write_arrays
from ...structures import Property, StructureSet, write_npz
from ..counts import Counts, short_range_order
from .sampler import Sampler
from .system import System

STRUCTURES, SNAPSHOTS, TRACES = "structures.npz", "snapshots.npz", "traces.npz"


@dataclass(frozen=True, eq=False)
class Traces:
    """Series of all runs.

    Attributes:
        passes: sampled passes, ``(samples,)``.
        energy: formation energy, eV/atom, after every pass from 0 on, ``(runs, passes + 1)``.
        sro: Warren–Cowley parameters at the sampled passes, ``(runs, samples, shells, pairs)``.
        sampled_energy: formation energy recomputed from the pairs at the sampled passes, eV/atom, ``(runs, samples)``.
        accepted: swaps accepted up to the sampled passes, ``(runs, samples)``.
        first: index of the first sampled pass after the burn-in.
    """

    passes: NDArray[np.int64]
    energy: NDArray[np.float64]
    sro: NDArray[np.float64]
    sampled_energy: NDArray[np.float64]
    accepted: NDArray[np.int64]
    first: int

    @property
    def drift(self) -> float:
        """Largest difference between the energy as changed by swaps and as recomputed, eV/atom."""
        return float(np.abs(self.energy[:, self.passes] - self.sampled_energy).max())


def pair_counts(system: System, bonds: NDArray[np.integer]) -> Counts:
    """Return undirected bonds per atom for directed ones ``(..., shells, species, species)``."""
    species = len(system.expansion.species)
    upper = np.triu_indices(species)
    # every bond was counted from both ends: A-B once as A-B and once as B-A, A-A twice
    pairs = bonds[..., upper[0], upper[1]] * np.where(upper[0] == upper[1], 0.5, 1.0) / system.n_sites
    return Counts(system.fractions, pairs)


def formation_energies(system: System, counts: Counts) -> NDArray[np.float64]:
    """Return formation energies, eV/atom, for counts with more axes before."""
    expansion = system.expansion
    composition = expansion.constant + expansion.site_terms @ counts.fractions
    return np.asarray(composition + (expansion.pair_terms * counts.pairs).sum(axis=(-2, -1)))


def collect_traces(sampler: Sampler) -> Traces:
    """Compute the series from the records of the finished runs."""
    system = sampler.system
    energy, sro, sampled, accepted = [], [], [], []
    for run in range(len(sampler.files)):
        records = sampler.records(run)
        counts = pair_counts(system, records["bonds"])
        begun = formation_energies(system, pair_counts(system, sampler.bonds(sampler.start(run))))
        # the first record reaches back to passes before the start
        change = records["change"].reshape(-1)[sampler.interval - 1 - sampler.offset :]
        energy.append(begun + change / system.n_sites)
        sampled.append(formation_energies(system, counts))
        sro.append(short_range_order(counts))
        accepted.append(np.array(records["accepted"]))
    passes = np.array(records["pass"])
    first = int(np.searchsorted(passes, sampler.parameters.burn_in, side="right"))
    return Traces(passes, np.array(energy), np.array(sro), np.array(sampled), np.array(accepted), first)


def write_outputs(folder: Path, sampler: Sampler, traces: Traces) -> tuple[int, int]:
    """Write the three files; returns the numbers of snapshots and of structures.

    ``snapshots.npz``: ``numbers`` ``(n, sites)`` uint8 atomic numbers, ``positions`` ``(sites, 3)`` and ``cell`` in Å
    for all of them, ``run``, ``pass``, ``formation_energy`` (eV/atom) and ``sro`` ``(n, shells, pairs)`` of each.
    ``structures.npz``: a set with the same properties, atoms sorted by species.
    ``traces.npz``: ``energy`` of every pass, and at the sampled passes (``pass``) ``sro`` (float32) and ``accepted``.
    """
    system = sampler.system
    kept = slice(traces.first, None)
    runs, samples = traces.sampled_energy[:, kept].shape
    species = np.concatenate([sampler.records(run)["species"][kept] for run in range(runs)])
    each = {
        "run": np.repeat(np.arange(runs), samples),
        "pass": np.tile(traces.passes[kept], runs),
        "formation_energy": traces.sampled_energy[:, kept].reshape(-1),
        "sro": traces.sro[:, kept].reshape(-1, *traces.sro.shape[2:]),
    }
    labels = {
        "shells": np.array([f"{shell}NN" for shell in range(1, traces.sro.shape[2] + 1)]),
        "pairs": np.array(system.expansion.pair_labels()),
    }
    numbers = system.expansion.numbers.astype(np.uint8)[species]
    write_arrays(
        folder / SNAPSHOTS, each | labels | {"numbers": numbers, "positions": system.positions, "cell": system.cell}
    )
    series = {"pass": traces.passes, "energy": traces.energy, "accepted": traces.accepted}
    write_arrays(folder / TRACES, series | labels | {"sro": traces.sro.astype(np.float32)})

    chosen = np.arange(min(sampler.parameters.max_structures, len(species)))
    chosen = chosen * len(species) // max(len(chosen), 1)
    atoms, positions = system.ordered(species[chosen])
    units = {"formation_energy": "eV/atom"}
    properties = {name: Property(values[chosen], "structure", units.get(name, "")) for name, values in each.items()}
    structures = StructureSet.from_uniform(atoms, positions, system.cell, True, properties)
    write_npz(structures, folder / STRUCTURES)
    return len(species), len(structures)
