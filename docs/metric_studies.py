"""What the metrics do on the reference data: the measurements behind ``docs/metrics.md`` and its pictures.

Everything is computed with the package's own families of metrics from the small sets in ``tests/data/reference``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_dismai.engine.descriptors.chemistry import composition_of
from aiida_dismai.engine.errors import NotAnalysed
from aiida_dismai.engine.families.base import Composition, FamilyMetrics, Vectors, make_metrics
from aiida_dismai.engine.metrics.bootstrap import Draws, Interval, pivotal_interval
from aiida_dismai.engine.metrics.floor import noise_floor, scale
from aiida_dismai.engine.metrics.parameters import MetricsParameters
from aiida_dismai.engine.metrics.records import StoredRecords
from aiida_dismai.engine.metrics.statistics import average, weighted
from aiida_dismai.engine.structures import StructureSet, load_structures

REFERENCE = Path(__file__).parent.parent / "tests" / "data" / "reference"
#: Training and generated structures by family.
FILES = {
    "interface": ("int/inputs/train.extxyz.gz", "int/inputs/gen_relaxed.extxyz.gz"),
    "amorphous": ("a_Si/inputs/train.extxyz.gz", "a_Si/inputs/gen_relaxed.extxyz.gz"),
    "alloy": ("alloy/inputs/train_300K.extxyz.gz", "alloy/inputs/gen_i.extxyz.gz"),
}
#: What the paper compares: generated against training structures.
PAPER = (1000, 1200)
RESAMPLES, CONFIDENCE = 1000, 0.95

Change = Callable[[StructureSet, np.random.Generator], StructureSet]


@dataclass(frozen=True)
class Sample:
    """Structures after they were described.

    Attributes:
        kind: the family of metrics.
        composition: of a structure.
        records: of those that could be analysed.
        failures: why the others could not.
    """

    kind: FamilyMetrics
    composition: Composition
    records: StoredRecords
    failures: list[str]

    @classmethod
    def of(cls, kind: FamilyMetrics, structures: Iterator[StructureSet] | StructureSet) -> Sample:
        """Describe structures."""
        found: list[Mapping[str, Any]] = []
        failures: list[str] = []
        composition: Composition = {}
        for structure in structures:
            composition = composition or composition_of(structure)
            try:
                found.append(kind.describe(structure))
            except NotAnalysed as reason:
                failures.append(str(reason))
        records = np.zeros(len(found), kind.dtype(composition))
        for record, values in zip(records, found, strict=True):
            for name, value in values.items():
                record[name] = value
        return cls(kind, composition, StoredRecords(records), failures)

    def vectors(self, block: NDArray[Any]) -> Vectors:
        """Return the vectors of a block of records."""
        return self.kind.vectors(block, self.composition)

    @property
    def failed_percent(self) -> float:
        """The share of structures without a record."""
        return 100 * len(self.failures) / (len(self.failures) + len(self.records))

    def column(self, name: str) -> NDArray[Any]:
        """Return one field of all records."""
        return self.records.column(name)


@cache
def family(name: str, compat: bool = False) -> FamilyMetrics:
    """Return a family with its default parameters."""
    return make_metrics(MetricsParameters.model_validate({"kind": name, "compat": compat}))


@cache
def reference_structures(path: str) -> StructureSet:
    """Read a file of the reference data."""
    return load_structures(REFERENCE / path)


@cache
def reference_sample(kind: str, which: int, compat: bool = False) -> Sample:
    """Describe the training (0) or the generated (1) structures of a family."""
    return Sample.of(family(kind, compat), reference_structures(FILES[kind][which]))


def compare(generated: Sample, training: Sample) -> dict[str, Interval]:
    """Return every metric with its bootstrap interval."""
    target = average(training.records, training.vectors)
    value = average(generated.records, training.vectors)
    draws = Draws(len(generated.records), RESAMPLES, 7)
    resampled = weighted(generated.records, training.vectors, draws)
    return {
        name: pivotal_interval(
            float(metric.measure(value[metric.vector], target[metric.vector])),
            metric.measure(resampled[metric.vector], target[metric.vector]),
            CONFIDENCE,
        )
        for name, metric in training.kind.metrics().items()
    }


def values(generated: Sample, training: Sample) -> dict[str, float]:
    """Return every metric without an interval; NaN where nothing is left to compare."""
    target, own = (average(sample.records, training.vectors) for sample in (training, generated))
    return {
        name: float(metric.measure(own[metric.vector], target[metric.vector]))
        for name, metric in training.kind.metrics().items()
    }


def floors(training: Sample, n: int, divisions: int = 200) -> dict[str, Any]:
    """Return the noise floor of every distance for ``n`` generated structures."""
    found = noise_floor(
        training.records, training.vectors, training.kind.metrics(), n, divisions=divisions, confidence=CONFIDENCE
    )
    return found["metrics"]


def floor_at(training: Sample, name: str, compared: tuple[int, int]) -> float:
    """Return the floor of one metric brought to other numbers of structures (generated, training)."""
    total = len(training.records)
    metric = training.kind.metrics()[name]
    return floors(training, total)[name]["value"] * scale(metric, compared, (total, total))


# ---------------------------------------------------------------------- changes to structures
def noise(amplitude: float) -> Change:
    """Displace every coordinate by a Gaussian of this standard deviation, Å."""
    return lambda structure, random: structure.with_positions(
        structure.positions + random.normal(0, amplitude, structure.positions.shape)
    )


def strain(percent: float) -> Change:
    """Stretch the cell and everything in it, in all directions."""

    def change(structure: StructureSet, random: np.random.Generator) -> StructureSet:
        factor = 1 + percent / 100
        return StructureSet.from_uniform(
            structure.numbers, structure.positions[None] * factor, structure.cells * factor
        )

    return change


def exchange(first: int, second: int, pairs: int) -> Change:
    """Exchange atoms of two elements, chosen at random."""

    def change(structure: StructureSet, random: np.random.Generator) -> StructureSet:
        positions = structure.positions.copy()
        a, b = (random.choice(np.flatnonzero(structure.numbers == z), pairs, replace=False) for z in (first, second))
        positions[a], positions[b] = positions[b], positions[a].copy()
        return structure.with_positions(positions)

    return change


def shuffle(share: float) -> Change:
    """Shuffle the species of a share of the sites among these."""

    def change(structure: StructureSet, random: np.random.Generator) -> StructureSet:
        positions = structure.positions.copy()
        chosen = random.permutation(len(positions))[: round(share * len(positions))]
        positions[chosen] = positions[random.permutation(chosen)]
        return structure.with_positions(positions)

    return change


def without(atoms: int) -> Change:
    """Take atoms out, chosen at random."""

    def change(structure: StructureSet, random: np.random.Generator) -> StructureSet:
        kept = np.sort(random.permutation(len(structure.positions))[atoms:])
        return StructureSet.from_uniform(structure.numbers[kept], structure.positions[None, kept], structure.cells)

    return change


def displace(atoms: int, distance: float) -> Change:
    """Move some atoms by a distance (Å) in random directions."""

    def change(structure: StructureSet, random: np.random.Generator) -> StructureSet:
        positions = structure.positions.copy()
        chosen = random.choice(len(positions), atoms, replace=False)
        directions = random.normal(size=(atoms, 3))
        positions[chosen] += distance * directions / np.linalg.norm(directions, axis=1)[:, None]
        return structure.with_positions(positions)

    return change


def changed(kind: str, change: Change, seed: int = 1) -> Sample:
    """Describe the training structures of a family after each was changed."""
    random = np.random.default_rng(seed)
    return Sample.of(family(kind), (change(structure, random) for structure in reference_structures(FILES[kind][0])))


#: Changes that tell the metrics apart: name → what is done to every training structure.
CHANGES: dict[str, dict[str, Change]] = {
    "interface": {
        "noise of 0.1 Å": noise(0.1),
        "stretched by 2 %": strain(2),
        "6 of 72 Cl and O exchanged": exchange(17, 8, 6),
        "3 Co and 3 Sc exchanged": exchange(27, 21, 3),
        "9 Li and 9 Co exchanged": exchange(3, 27, 9),
    },
    "amorphous": {
        "noise of 0.1 Å": noise(0.1),
        "stretched by 2 %": strain(2),
        "8 of 256 atoms moved by 1 Å": displace(8, 1.0),
    },
    "alloy": {
        "noise of 0.1 Å": noise(0.1),
        "stretched by 2 %": strain(2),
        "a tenth of the species shuffled": shuffle(0.1),
        "all species shuffled": shuffle(1.0),
        "one atom missing": without(1),
        "13 of 256 atoms missing": without(13),
    },
}


def responses(kind: str) -> Iterator[tuple[str, dict[str, float], float]]:
    """Yield each change with the metrics it leads to and the failed share (%)."""
    training = reference_sample(kind, 0)
    for name, change in CHANGES[kind].items():
        sample = changed(kind, change)
        yield name, values(sample, training), sample.failed_percent


def single_distances(kind: str) -> dict[str, tuple[float, float]]:
    """Return the smallest and the largest distance of a training structure by itself to the training average."""
    training = reference_sample(kind, 0)
    target = average(training.records, training.vectors)
    found = {}
    for name, metric in training.kind.metrics().items():
        if metric.power:
            own = np.concatenate(
                [
                    metric.measure(training.vectors(block)[metric.vector], target[metric.vector])
                    for block in training.records.blocks()
                ]
            )
            found[name] = (float(own.min()), float(own.max()))
    return found


def noise_response(kind: str, amplitudes: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return each metric, and ``failed_percent``, against the amplitude of noise."""
    training = reference_sample(kind, 0)
    found: dict[str, list[float]] = {}
    for amplitude in amplitudes:
        sample = changed(kind, noise(float(amplitude)))
        for name, value in (values(sample, training) | {"failed_percent": sample.failed_percent}).items():
            found.setdefault(name, []).append(value)
    return {name: np.array(list_) for name, list_ in found.items()}


# ---------------------------------------------------------------------- how many structures
def random_alloys(n: int, share: float, seed: int) -> Sample:
    """Describe alloys that were ordered (300 K) before a share of their species was shuffled."""
    random = np.random.default_rng(seed)
    ordered = reference_structures(FILES["alloy"][0])
    change = shuffle(share)
    return Sample.of(family("alloy"), (change(ordered[i % len(ordered)], random) for i in range(n)))


def first(sample: Sample, n: int) -> Sample:
    """Return the first ``n`` structures of a sample."""
    return Sample(sample.kind, sample.composition, StoredRecords(sample.records.array[:n]), [])
