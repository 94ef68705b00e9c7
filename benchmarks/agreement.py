"""Our CrystalNN fingerprints beside matminer's, on random structures of several families.

    python benchmarks/agreement.py [--family interface] [--structures 200] [--sites 24] [--seed 0]

Of every structure a few sites, drawn at random, are given to matminer (all of them with ``--sites 0``: 4 to 10 s a
structure). Printed are the largest difference of any component, how many sites differ by more than 1e-6, how many of
these are not among those that we call ambiguous, and the time per structure of both (matminer's scaled to all sites).
The exit code is 1 if a site differs that was not called ambiguous.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from aiida_dismai.engine.crystalnn.options import CrystalNNOptions
from aiida_dismai.engine.descriptors.fingerprints import MAX_CN, fingerprints
from aiida_dismai.engine.errors import NotAnalysed
from aiida_dismai.engine.structures import StructureSet, load_structures, to_pymatgen

DATA = Path(__file__).parents[1] / "tests" / "data" / "reference"
INTERFACE = {"Li": 1.0, "Sc": 3.0, "Co": 3.0, "Cl": -1.0, "O": -2.0}
SAME = 1e-6


@dataclass
class Case:
    """A structure and how it is to be looked at; ``sites`` are those that have a fingerprint."""

    structure: StructureSet
    sites: NDArray[np.int64]
    cation_anion: bool = False
    oxidation_states: dict[str, float] | None = None
    anions: tuple[str, ...] = ()


def displaced(structure: StructureSet, random: np.random.Generator, largest: float) -> StructureSet:
    """Return it with Gaussian displacements of a random width up to ``largest`` Å."""
    width = random.uniform(0, largest)
    positions = structure.positions + random.normal(0, 1, structure.positions.shape) * width
    return structure.without_properties().with_positions(positions)


def interface(random: np.random.Generator) -> Case:
    """Make a Li3ScCl6 | LiCoO2 interface, 264 atoms, 14 Å vacuum, displaced by up to 0.3 Å."""
    sets = [load_structures(DATA / "int" / "inputs" / f"{name}.extxyz.gz") for name in ("train", "gen_relaxed")]
    structure = displaced(sets[random.integers(2)][int(random.integers(5))], random, 0.3)
    return Case(structure, np.flatnonzero(np.isin(structure.numbers, (3, 21, 27))), True, INTERFACE, ("Cl", "O"))


def amorphous(random: np.random.Generator) -> Case:
    """Make amorphous silicon, 256 atoms, displaced by up to 0.3 Å."""
    sets = [load_structures(DATA / "a_Si" / "inputs" / f"{name}.extxyz.gz") for name in ("train", "gen_relaxed")]
    structure = displaced(sets[random.integers(2)][int(random.integers(6))], random, 0.3)
    return Case(structure, np.arange(256))


def alloy(random: np.random.Generator) -> Case:
    """Make a random Fe-Ni-Cr alloy, 256 sites of a fcc lattice, some vacant; one in ten is a perfect lattice."""
    basis = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    cells = np.array([[i, j, k] for i in range(4) for j in range(4) for k in range(4)])
    positions = 3.6 * (cells[:, None] + basis).reshape(-1, 3)
    numbers = random.permutation(np.repeat([26, 28, 24], [154, 51, 51]))
    kept = np.sort(random.permutation(256)[: 256 - random.integers(5)])
    structure = StructureSet.from_uniform(numbers[kept], positions[kept][None], np.eye(3) * 14.4)
    largest = 0.3 if random.random() > 0.1 else 0.0
    return Case(displaced(structure, random, largest), np.arange(len(kept)))


def oxide(random: np.random.Generator) -> Case:
    """Make 2 to 32 ions of 2 to 4 elements at random in a cell of any shape, none closer than 1.4 Å."""
    cations = {"Li": 1.0, "Mg": 2.0, "Ti": 4.0, "Fe": 2.667, "La": 3.0, "W": 5.5}
    anions = {"O": -2.0, "F": -1.0, "S": -2.0, "I": -1.0}
    chosen = [
        *random.choice(list(cations), random.integers(1, 3), replace=False),
        *random.choice(list(anions), random.integers(1, 3), replace=False),
    ]
    from ase.data import atomic_numbers

    n = int(random.integers(len(chosen), 33))
    while True:
        cell = np.eye(3) + random.uniform(-0.4, 0.4, (3, 3))
        cell *= (16.0 * n / abs(np.linalg.det(cell))) ** (1 / 3)
        positions = np.empty((0, 3))
        images = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]) @ cell
        for _ in range(2000):
            new = random.uniform(0, 1, 3) @ cell
            apart = np.linalg.norm((positions[:, None] + images - new).reshape(-1, 3), axis=1)
            if (apart > 1.4).all():
                positions = np.vstack([positions, new])
            if len(positions) == n:
                break
        if len(positions) == n:
            break
    symbols = [*chosen, *random.choice(chosen, n - len(chosen))]
    structure = StructureSet.from_uniform([atomic_numbers[s] for s in symbols], positions[None], cell)
    known = random.random() > 0.2
    states = {symbol: {**cations, **anions}[symbol] for symbol in chosen}
    restricted = bool(known and random.random() > 0.5)
    return Case(structure, np.arange(n), restricted, states if known else None, tuple(s for s in chosen if s in anions))


FAMILIES: dict[str, Callable[[np.random.Generator], Case]] = {
    "interface": interface,
    "amorphous": amorphous,
    "alloy": alloy,
    "oxide": oxide,
}


def matminer(case: Case, sites: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return matminer's fingerprints with the authors' anion shares; raises what pymatgen raises."""
    from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

    crystal = to_pymatgen(case.structure)[0]
    if case.oxidation_states is not None:
        crystal.add_oxidation_state_by_element(case.oxidation_states)
    featurizer = CrystalNNFingerprint.from_preset("ops", cation_anion=case.cation_anion)
    search, last = featurizer.cnn.get_nn_data, []

    def keeping(*arguments: Any, **options: Any) -> Any:
        last[:] = [search(*arguments, **options)]
        return last[0]

    featurizer.cnn.get_nn_data = keeping
    rows = []
    for site in sites.tolist():
        row = list(featurizer.featurize(crystal, site))
        for cn in range(1, MAX_CN + 1):
            near = [entry["site"].specie.symbol for entry in last[0].cn_nninfo.get(cn, [])]
            row += [near.count(anion) / cn for anion in case.anions]
        rows.append(row)
    return np.array(rows, dtype=np.float64)


def compare(name: str, structures: int, sites: int, seed: int) -> bool:
    """Print one line about a family; returns whether all differences were announced."""
    random = np.random.default_rng(seed)
    largest, unexpected, differing, ambiguous, total, refused = 0.0, 0, 0, 0, 0, 0
    ours, theirs = 0.0, 0.0
    for number in range(structures):
        case = FAMILIES[name](random)
        chosen = np.sort(random.permutation(len(case.sites))[: sites or None])
        options = CrystalNNOptions(cation_anion=case.cation_anion)
        started = time.perf_counter()
        try:
            found = fingerprints(case.structure, options, case.oxidation_states, case.sites, case.anions)
        except NotAnalysed as error:
            refused += 1
            unexpected += not _also_refused(case)
            click.echo(f"  {name} {number}: {error}")
            continue
        if number:  # the first one compiles
            ours += time.perf_counter() - started
        started = time.perf_counter()
        expected = matminer(case, case.sites[chosen])
        if number:
            theirs += (time.perf_counter() - started) * len(case.sites) / len(chosen)
        difference = np.abs(found.features[chosen] - expected).max(axis=1)
        known = found.ambiguous[chosen]
        ambiguous += int(known.sum())
        total += len(chosen)
        differing += int((difference > SAME).sum())
        largest = max(largest, difference[~known].max(initial=0.0))
        for place in np.flatnonzero((difference > SAME) & ~known):
            unexpected += 1
            click.echo(f"  {name} {number}, site {case.sites[chosen][place]}: differs by {difference[place]:.2g}")
    timed = max(structures - 1 - refused, 1)
    click.echo(
        f"{name:10}{structures:5d} structures{total:7d} sites  largest difference {largest:.1e}  "
        f"ambiguous {ambiguous} (of which differ {differing - unexpected})  unexpected {unexpected}  "
        f"refused by both {refused}  {1e3 * ours / timed:.1f} ms / {theirs / timed:.2f} s = {theirs / ours:.0f}x"
    )
    return unexpected == 0


def _also_refused(case: Case) -> bool:
    try:
        matminer(case, case.sites)
    except (ValueError, RuntimeError):
        return True
    return False


@click.command()
@click.option("--family", type=click.Choice(list(FAMILIES)), multiple=True, help="Which; all when not given.")
@click.option("--structures", default=200, show_default=True, help="How many of each family.")
@click.option("--sites", default=24, show_default=True, help="Of each structure; 0 for all.")
@click.option("--seed", default=0, show_default=True)
def main(family: tuple[str, ...], structures: int, sites: int, seed: int) -> None:
    """Compare with matminer."""
    warnings.simplefilter("ignore")
    good = [compare(name, structures, sites, seed) for name in family or FAMILIES]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
