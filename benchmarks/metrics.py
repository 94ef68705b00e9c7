"""What the metrics cost, beside matminer, pymatgen and vasppy as the benchmark's authors call them.

    OMP_NUM_THREADS=1 python benchmarks/metrics.py [--only fingerprints …] [--repeat 2]

Both sides of a ratio run in turns, in this process, on one thread; of each the fastest run counts. Structures are those
of ``tests/data/reference``. The authors' alloy scripts are not at hand: their seconds per structure are quoted from
the README of the reference data, which was written on another machine. Compiling is not counted, but printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from aiida_dismai.engine.alloys.cleanup import clean
from aiida_dismai.engine.alloys.counts import cluster_probabilities, count_pairs, short_range_order
from aiida_dismai.engine.alloys.expansion import packaged_expansion
from aiida_dismai.engine.descriptors.angles import angle_histogram, structure_angles
from aiida_dismai.engine.descriptors.chemistry import composition_of
from aiida_dismai.engine.descriptors.fingerprints import all_site_fingerprints, site_fingerprints
from aiida_dismai.engine.descriptors.rdf import radial_distribution
from aiida_dismai.engine.families.base import make_metrics
from aiida_dismai.engine.metrics.collect import Collected
from aiida_dismai.engine.metrics.compare import Comparison
from aiida_dismai.engine.metrics.parameters import MetricsParameters
from aiida_dismai.engine.metrics.records import StoredRecords
from aiida_dismai.engine.metrics.reference import Reference
from aiida_dismai.engine.structures import StructureSet, load_structures, to_pymatgen, write_npz

DATA = Path(__file__).parent.parent / "tests" / "data" / "reference"
#: Seconds per structure of the authors' scripts: README of the reference data, quiet machine.
QUOTED = {"cluster counts": 20.3, "none": 0.1, "translate": 0.112, "rotate": 0.205}
DISMAI = (sys.executable, "-c", "from aiida_dismai.engine.main import main; main()")

#: Runs a command and prints the peak memory of it. A process begins with the peak of the one it was forked from, so
#: that this one, with matminer in it, must not be its parent.
PEAK = (
    sys.executable,
    "-c",
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)",
)


def reference(name: str) -> StructureSet:
    return load_structures(DATA / name)


def silicon(atoms: int, seed: int = 0) -> StructureSet:
    """Return diamond-type silicon of that many atoms (a multiple of 8) with noise of 0.15 Å."""
    cells = atoms // 8
    counts = min(
        ((x, y, cells // (x * y)) for x in range(1, 14) for y in range(x, 14) if cells % (x * y) == 0),
        key=lambda triple: max(triple) - min(triple),
    )
    basis = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0], [1, 1, 1], [1, 3, 3], [3, 1, 3], [3, 3, 1]]) / 4
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1).reshape(-1, 1, 3)
    positions = 5.43 * (grid + basis).reshape(-1, 3)
    noise = np.random.default_rng(seed).normal(0, 0.15, positions.shape)
    return StructureSet.from_uniform(np.full(atoms, 14), (positions + noise)[None], 5.43 * np.diag(counts))


def alloys(n: int, cells: int = 3) -> StructureSet:
    """Return random Fe-Ni-Cr of ``4 cells³`` atoms with noise of 0.1 Å."""
    random = np.random.default_rng(1)
    basis = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
    grid = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    positions = 3.6 * (grid + basis).reshape(-1, 3)
    atoms = len(positions)
    numbers = np.repeat([24, 26, 28], [atoms // 5, atoms - 2 * (atoms // 5), atoms // 5])
    shuffled = np.array([positions[random.permutation(atoms)] for _ in range(n)])
    return StructureSet.from_uniform(numbers, shuffled + random.normal(0, 0.1, shuffled.shape), 3.6 * cells * np.eye(3))


# ---------------------------------------------------------------------- timing
def best(work: Callable[[], object], seconds: float = 0.3) -> float:
    """Return the wall time of the fastest run; as many as fit into some time, at least one."""
    fastest, started = np.inf, time.perf_counter()
    while True:
        begun = time.perf_counter()
        work()
        ended = time.perf_counter()
        fastest = min(fastest, ended - begun)
        if ended - started > seconds:
            return fastest


def compiled(name: str, work: Callable[[], object]) -> None:
    """Run once what is then timed, and say how long that took."""
    started = time.perf_counter()
    work()
    print(f"{name}: first call {time.perf_counter() - started:.2f} s (Numba compiles or loads its cache)")


def in_turns(
    name: str, ours: Callable[[], object], theirs: Callable[[], object], repeat: int, scale: float = 1
) -> None:
    """Time both sides alternately and print the ratio; ``scale`` is how much more work ours has done."""
    own, other = np.inf, np.inf
    for _ in range(repeat):
        own = min(own, best(ours))
        other = min(other, best(theirs, 0) * scale)
        own = min(own, best(ours))
    print(f"{name:48s}{1000 * own:9.2f} ms{other:9.3f} s{other / own:9.0f} ×")


# ---------------------------------------------------------------------- beside other libraries
def fingerprints(repeat: int) -> None:
    """CrystalNN fingerprints beside matminer's, all sites."""
    chemistry = MetricsParameters().interface.chemistry()
    amorphous = reference("a_Si/inputs/train.extxyz.gz")[0]
    interface = reference("int/inputs/train.extxyz.gz")[0]
    compiled("fingerprints", lambda: (all_site_fingerprints(amorphous), site_fingerprints(interface, chemistry)))
    theirs = matminer(amorphous, range(256), None)
    in_turns("a-Si, 256 sites", lambda: all_site_fingerprints(amorphous), theirs, repeat)
    cations = np.flatnonzero(np.isin(interface.numbers, (3, 21, 27)))
    theirs = matminer(interface, cations, dict(chemistry.oxidation_states))
    in_turns("interface, 120 cations of 264 atoms", lambda: site_fingerprints(interface, chemistry), theirs, repeat)


def matminer(structure: StructureSet, sites: Iterable[int], states: dict[str, float] | None) -> Callable[[], object]:
    """Return the authors' way to the fingerprints; their anion shares, a loop over what is found, are not in it."""
    from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

    crystal = to_pymatgen(structure)[0]
    if states is not None:
        crystal.add_oxidation_state_by_element(states)
    featurizer = CrystalNNFingerprint.from_preset("ops", cation_anion=states is not None)
    return lambda: [featurizer.featurize(crystal, int(site)) for site in sites]


def sizes(repeat: int) -> None:
    """Fingerprints of cells of 32 to 2000 atoms; matminer on eight of the sites."""
    compiled("sizes", lambda: all_site_fingerprints(silicon(64)))
    for atoms in (32, 64, 128, 256, 512, 1000, 2000):
        structure = silicon(atoms)
        some = np.random.default_rng(0).choice(atoms, 8, replace=False)
        name = f"silicon, {atoms} sites (matminer: 8 of them, scaled)"
        ours = lambda structure=structure: all_site_fingerprints(structure)  # noqa: E731
        in_turns(name, ours, matminer(structure, some, None), repeat, atoms / 8)


def angles(repeat: int) -> None:
    """Bond angles and their histogram beside pymatgen's CrystalNN, as the authors set it."""
    from pymatgen.analysis.local_env import CrystalNN

    structure = reference("a_Si/inputs/train.extxyz.gz")[0]
    crystal = to_pymatgen(structure)[0]
    finder = CrystalNN(distance_cutoffs=None, x_diff_weight=0, porous_adjustment=False)

    def theirs() -> object:
        found = []
        for i, site in enumerate(crystal):
            vectors = [near["site"].coords - site.coords for near in finder.get_nn_info(crystal, i)]
            vectors = [vector / np.linalg.norm(vector) for vector in vectors]
            found += [np.degrees(np.arccos(np.clip(a @ b, -1, 1))) for j, a in enumerate(vectors) for b in vectors[:j]]
        return np.histogram(found, 360, (0, 180))

    def ours() -> object:
        return angle_histogram(*structure_angles(structure))

    compiled("angles", ours)
    in_turns("bond angles, a-Si, 256 sites", ours, theirs, repeat)


def rdf(repeat: int) -> None:
    """Radial distribution beside vasppy's of the 2×2×2 supercell, as the authors call it."""
    from vasppy.rdf import RadialDistributionFunction

    structure = reference("a_Si/inputs/train.extxyz.gz")[0]
    crystal = to_pymatgen(structure)[0]

    def theirs() -> object:
        supercell = crystal.copy()
        supercell.make_supercell(2)
        return RadialDistributionFunction([supercell], list(range(len(supercell)))).rdf

    def ours() -> object:
        return radial_distribution(structure.positions, structure.cells[0], structure.pbc[0])

    compiled("rdf", ours)
    in_turns("RDF to 10 Å, a-Si, 256 atoms", ours, theirs, repeat)


# ---------------------------------------------------------------------- beside quoted numbers
def alloy(repeat: int) -> None:
    """Clean-up and cluster counts beside the authors' seconds per structure (quoted, another machine)."""
    expansion = packaged_expansion()

    def cleaned(structures: StructureSet, align: Any) -> list[Any]:
        made = []
        for one in structures:
            found = clean(one.positions, one.cells[0], one.numbers, expansion.lattice, align, max_removed=256)
            made.append(found)
        return made

    def counted(made: list[Any]) -> None:
        for one in made:
            counts = count_pairs(one, expansion)
            cluster_probabilities(counts, expansion)
            short_range_order(counts)
            expansion.formation_energy(counts.fractions, counts.pairs)

    print("alloy: the other side is quoted, seconds per structure on a quiet machine of the authors' numbers")
    sets = {"none": "gen_i", "translate": "gen_ii", "rotate": "gen_iii"}
    for align, name in sets.items():
        structures = reference(f"alloy/inputs/{name}.extxyz.gz")
        compiled(f"clean-up, {align}", lambda s=structures, a=align: cleaned(s, a))
        seconds = best(lambda s=structures, a=align: cleaned(s, a), 0.3 * repeat) / len(structures)
        quoted(f"clean-up, {align}, {name}", seconds, QUOTED[align])
        seconds = best(lambda s=structures: cleaned(s, "auto"), 0.3 * repeat) / len(structures)
        quoted(f"clean-up, auto, {name}", seconds, QUOTED[align])
    perfect = cleaned(reference("alloy/inputs/train_300K.extxyz.gz"), "none")
    vacant = cleaned(reference("alloy/inputs/gen_i.extxyz.gz"), "none")
    seamed = [one for one in cleaned(reference("alloy/inputs/gen_iv.extxyz.gz"), "rotate") if one.supercell is None]
    for name, made in (("perfect", perfect), ("with vacancies", vacant), ("turned, with a seam", seamed)):
        if made:
            compiled(f"cluster counts, {name}", lambda made=made: counted(made))
            quoted(
                f"counts, SRO, energy, {name}", best(lambda m=made: counted(m)) / len(made), QUOTED["cluster counts"]
            )


def quoted(name: str, seconds: float, theirs: float) -> None:
    print(f"{name:48s}{1000 * seconds:9.3f} ms{theirs:9.3f} s{theirs / seconds:9.0f} × (quoted)")


# ---------------------------------------------------------------------- many structures
def bootstrap(repeat: int) -> None:
    """All metrics with intervals, motif shares and curves of 1000 structures against 1000, 1000 resamples."""
    files = {
        "interface": "int/inputs/gen_relaxed.extxyz.gz",
        "amorphous": "a_Si/inputs/gen_relaxed.extxyz.gz",
        "alloy": "alloy/inputs/train_300K.extxyz.gz",
    }
    for name, path in files.items():
        parameters = MetricsParameters.model_validate({"kind": name})
        kind = make_metrics(parameters)
        structures = reference(path)
        composition = composition_of(structures[0])
        some = np.zeros(len(structures), kind.dtype(composition))
        for record, structure in zip(some, structures, strict=True):
            for field, value in kind.describe(structure).items():
                record[field] = value
        # the time does not depend on the numbers: 1000 structures are some structures, over and over
        records = StoredRecords(some[np.arange(1000) % len(some)])
        everyone = np.arange(1000)
        given = Collected(1000, 0, [], everyone, records, np.ones(1000), np.full(1000, 256))
        target = Reference(composition, "", 1000, records)

        def resampled(kind: Any = kind, parameters: Any = parameters, target: Any = target, given: Any = given) -> Any:
            made = Comparison(kind, parameters, target, given)
            return made, made.metrics(), made.motifs(), made.curves()

        made = resampled()[0]
        print(f"bootstrap, {name:10s} {best(resampled, 0.3 * repeat):6.3f} s, noise floor {best(made.floor):6.3f} s")


def workers(repeat: int, structures: int = 1000) -> None:
    """Wall time of the task ``describe`` with one and with two processes, a-Si of 256 atoms."""
    rates: dict[int, float] = {}
    walls: dict[int, float] = {}
    cpu: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="dismai-benchmark-") as name:
        folder = Path(name)
        inputs = folder / "structures.npz"
        write_npz(StructureSet.concatenate([silicon(256, seed) for seed in range(structures)]), inputs)
        for turn in range(repeat):
            for number in (1, 2):
                own = folder / f"{turn}-{number}"
                own.mkdir()
                task = {"task": "describe", "inputs": {"structures": "../structures.npz"}}
                task["parameters"] = {"kind": "amorphous", "workers": number}
                (own / "task.json").write_text(json.dumps(task))
                wall, usage = run_alone([*DISMAI, "run", "task.json"], own)
                walls[number] = min(wall, walls.get(number, np.inf))
                cpu[number] = min(usage.ru_utime + usage.ru_stime, cpu.get(number, np.inf))
                rates[number] = max(rate_of(own / "progress.jsonl"), rates.get(number, 0))
    for number in (1, 2):
        print(
            f"{structures} × 256 atoms, {number} process(es): {walls[number]:.2f} s, {rates[number]:.1f} a second, "
            f"{cpu[number]:.2f} s of CPU time in all"
        )
    print(f"two against one: {rates[2] / rates[1]:.2f} × without start-up, {walls[1] / walls[2]:.2f} × with it")


def run_alone(command: list[str], folder: Path) -> tuple[float, Any]:
    """Run a command; returns its wall time and what it and its own processes used."""
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{' '.join(command[3:])} ended with {process.returncode}")
    return time.perf_counter() - started, usage


def rate_of(progress: Path, skipped: int = 40) -> float:
    """Return structures per second after the first ones, by when each was reported."""
    lines = [json.loads(line) for line in progress.read_text().splitlines()]
    first, last = lines[skipped - 1], lines[-1]
    return (last["done"] - first["done"]) / (last["time"] - first["time"])


def memory(repeat: int, counts: tuple[int, ...] = (500, 2000, 10_000)) -> None:
    """Largest memory of ``dismai metrics`` for more and more structures (alloys of 108 atoms)."""
    with tempfile.TemporaryDirectory(prefix="dismai-benchmark-") as name:
        folder = Path(name)
        write_npz(alloys(200), folder / "reference.npz")
        for n in counts:
            write_npz(alloys(n), folder / "generated.npz")
            command = [*DISMAI, "metrics", "alloy", "--generated", "generated.npz", "--reference", "reference.npz"]
            started = time.perf_counter()
            found = subprocess.run([*PEAK, *command], cwd=folder, capture_output=True, text=True, check=True)
            megabytes = int(found.stdout.split()[-1]) / 1024  # Linux counts in kilobytes
            print(f"{n:6d} × 108 atoms: at most {megabytes:.0f} MB, {time.perf_counter() - started:.1f} s")


PARTS: dict[str, Callable[[int], None]] = {
    part.__name__: part for part in (fingerprints, sizes, angles, rdf, alloy, bootstrap, workers, memory)
}


def chosen(names: tuple[str, ...]) -> Iterator[tuple[str, Callable[[int], None]]]:
    yield from ((name, PARTS[name]) for name in names or PARTS)


@click.command()
@click.option("--only", "names", multiple=True, type=click.Choice(tuple(PARTS)), help="Of these only.")
@click.option("--repeat", default=2, show_default=True, help="Turns of both sides.")
def main(names: tuple[str, ...], repeat: int) -> None:
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise click.UsageError("set OMP_NUM_THREADS=1: the ratios are of one thread each")
    warnings.simplefilter("ignore")  # CrystalNN warns at every site without oxidation states
    for name, part in chosen(names):
        print(f"== {name}")
        part(repeat)


if __name__ == "__main__":
    main()
