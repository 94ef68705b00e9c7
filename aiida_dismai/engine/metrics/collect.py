"""Records of many structures: one after another or in several processes, none of them computed twice.

Records are found again by a hash of the structure, in a file that says what they belong to. So a killed
task resumes where it was, and records of other structures or parameters are never used by mistake.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..context import Context
from ..descriptors.chemistry import composition_of, formula
from ..errors import NotAnalysed, Unfinished
from ..families.base import Composition, FamilyMetrics
from ..interfaces.energy import lateral_area
from ..structures import StructureSet, StructureStream
from ..workers import Died, choose_threads, choose_workers, map_items
from .records import RecordFile, Records

#: Structures that are given to a process at once.
BATCH = 4
#: Fewer structures are described here in the time that another process takes to start.
WORTH_A_PROCESS = 64
#: Properties that go with the structures into the results; NaN or None where there are none.
CARRIED = ("energy", "steps", "source_index")
#: All that metrics read of a structure besides its atoms and cell.
READ = (*CARRIED, "converged")

#: Place and key of a structure, and the structure where it is to be described.
Item = tuple[int, bytes, StructureSet | None]
#: Place and key, and the record, the reason why there is none, or None where it is recorded already.
Found = tuple[int, bytes, bytes | NotAnalysed | None]
Batch = list[tuple[int, bytes, StructureSet]]


@dataclass
class Collected:
    """A set of structures after all of them were described.

    Attributes:
        n: how many there are.
        n_not_converged: of these, how many were not analysed because their relaxation had not converged.
        failures: (place, reason) of the others that were not analysed.
        index: ``(m,)`` places of those that were.
        records: of those that were.
        energy_per_atom: ``(m,)`` eV; None when the structures have no energies.
        area: ``(m,)`` of the face spanned by the first two lattice vectors, Å².
        n_atoms: ``(m,)``.
        steps: ``(m,)`` of the relaxation, None when nothing is said of them.
        source_index: ``(m,)`` place in the structures generated; the same as ``index`` when nothing is said.
    """

    n: int
    n_not_converged: int
    failures: list[tuple[int, str]]
    index: NDArray[np.int64]
    records: Records
    area: NDArray[np.float64]
    n_atoms: NDArray[np.int64]
    energy_per_atom: NDArray[np.float64] | None = None
    steps: NDArray[Any] | None = None
    source_index: NDArray[np.int64] = field(default_factory=lambda: np.array([], dtype=np.int64))


def open_structures(path: Path) -> StructureStream:
    """Open a file of structures for metrics: only the properties that they need are read.

    Raises:
        BadInput: there is no such file.
    """
    return StructureStream(path, READ)


def key_of(structure: StructureSet) -> bytes:
    """Return the key of a structure's record: its atoms and cell, not its properties."""
    return bytes.fromhex(
        structure.without_properties().content_hash if structure.properties else structure.content_hash
    )


def describe_all(
    context: Context,
    stage: str,
    stream: StructureStream,
    kind: FamilyMetrics,
    file: RecordFile,
    composition: Composition,
) -> Collected:
    """Describe all structures of a file.

    Structures whose property ``converged`` is False and those of another composition are not described.

    Args:
        context: gets a progress line for every structure; its time limit is kept.
        stage: named in the progress.
        stream: the structures.
        kind: what is computed.
        file: what is finished already, and where to keep what is finished now.
        composition: of the reference; it must be that of every structure where the kind says so.

    Raises:
        Unfinished: out of time; what is finished is in the file.
    """
    total = len(stream)
    gathered = _Gathered(kind, composition)
    done = sum(1 for _ in _compute(context, stage, total, gathered.todo(stream, file), kind, file))
    if len(gathered.keys) < total or any(key is not None and key not in file for key in gathered.keys):
        raise Unfinished(f"{stage}: out of time after {done} more of {total} structures; run again to resume")
    return gathered.finish(file)


class _Gathered:
    """What is noted of each structure while the file is read."""

    def __init__(self, kind: FamilyMetrics, composition: Composition) -> None:
        self.kind = kind
        self.composition = composition
        #: key of a structure that is to be described, None otherwise
        self.keys: list[bytes | None] = []
        self.failures: dict[int, str] = {}
        self.not_converged = 0
        self.area: list[float] = []
        self.n_atoms: list[int] = []
        self.carried: dict[str, list[Any]] = {name: [] for name in CARRIED}
        self.missing: set[str] = set()

    def todo(self, stream: StructureStream, file: RecordFile) -> Iterator[Item]:
        """Read the structures; yields index, key, and the structure if it is not recorded yet."""
        asked: set[bytes] = set()
        for block in stream.blocks():
            block.require_periodic(str(stream.path), len(self.keys), self.kind.spec.periodic_axes)
            for structure in block:
                index = len(self.keys)
                self._note(structure)
                reason = self._reason(structure)
                if reason is not None:
                    self.keys.append(None)
                    if reason:
                        self.failures[index] = reason
                    else:
                        self.not_converged += 1
                    continue
                bare = structure.without_properties() if structure.properties else structure
                key = key_of(bare)
                self.keys.append(key)
                # equal structures have equal keys and are computed once
                new = key not in file and key not in asked
                asked.add(key)
                yield index, key, bare if new else None

    def _note(self, structure: StructureSet) -> None:
        self.area.append(float(lateral_area(structure.cells[0])))
        self.n_atoms.append(len(structure.numbers))
        for name, values in self.carried.items():
            if name in structure.properties:
                values.append(structure.properties[name].values[0])
            else:
                self.missing.add(name)

    def _reason(self, structure: StructureSet) -> str | None:
        """Return why a structure is not to be described: empty for one that has not converged, None if it is."""
        if "converged" in structure.properties and not structure.properties["converged"].values[0]:
            return ""
        if self.kind.spec.same_composition and self.composition:
            counts = composition_of(structure)
            if self.kind.differs(counts, self.composition):
                return f"{formula(counts)} where the reference has {formula(self.composition)}"
        return None

    def finish(self, file: RecordFile) -> Collected:
        """Put everything together."""
        reasons = {i: file.reason(key) for i, key in enumerate(self.keys) if key is not None}
        failures = self.failures | {i: reason for i, reason in reasons.items() if reason is not None}
        index = np.array([i for i, reason in reasons.items() if reason is None], dtype=np.int64)
        keys = [key for key in (self.keys[i] for i in index) if key is not None]
        n_atoms = np.array(self.n_atoms, dtype=np.int64)[index]
        carried = {
            name: None if name in self.missing or not self.keys else np.array(values)[index]
            for name, values in self.carried.items()
        }
        energy = None if carried["energy"] is None else carried["energy"].astype(float) / n_atoms
        source = index if carried["source_index"] is None else carried["source_index"]
        return Collected(
            len(self.keys),
            self.not_converged,
            sorted(failures.items()),
            index,
            Records(file, keys, self.kind.dtype(self.composition)),
            np.array(self.area)[index],
            n_atoms,
            energy,
            carried["steps"],
            source,
        )


def describe(kind: FamilyMetrics, structure: StructureSet) -> bytes | NotAnalysed:
    """Describe one structure; returns the bytes of its record, or why it has none."""
    record = np.zeros((), kind.dtype(composition_of(structure)))
    try:
        for name, value in kind.describe(structure).items():
            record[name] = value
    except NotAnalysed as reason:
        return reason
    return record.tobytes()


def describer(kind: FamilyMetrics) -> Callable[[Batch], list[bytes | NotAnalysed]]:
    """Return the function that describes the structures of a batch, in a process of its own."""
    return lambda batch: [describe(kind, structure) for _, _, structure in batch]


def _compute(
    context: Context,
    stage: str,
    total: int,
    todo: Iterable[Item],
    kind: FamilyMetrics,
    file: RecordFile,
) -> Iterator[int]:
    """Record the structures and report them; yields each index that was computed. Stops early when out of time."""
    threads = choose_threads(None)
    workers = choose_workers(kind.parameters.workers, total, threads, context.cores, context.warn)
    if total < WORTH_A_PROCESS:
        workers = 1
    found = _in_this_process(context, todo, kind)
    if workers > 1:
        found = _in_processes(context, todo, kind, workers, threads)
    for done, (index, key, content) in enumerate(found, start=1):
        failed = {}
        if content is not None:
            file.keep(key, content)
            failed = {"failed": True} if isinstance(content, NotAnalysed) else {}
            yield index
        context.progress(stage, done, total, index=index, **failed)


def _in_this_process(context: Context, todo: Iterable[Item], kind: FamilyMetrics) -> Iterator[Found]:
    for index, key, structure in todo:
        if structure is None:
            yield index, key, None
            continue
        yield index, key, describe(kind, structure)
        if context.out_of_time():
            return


def _in_processes(
    context: Context, todo: Iterable[Item], kind: FamilyMetrics, workers: int, threads: int
) -> Iterator[Found]:
    waiting, known = iter(todo), deque[tuple[int, bytes]]()
    # The first one is described here: kernels are compiled once (and that is said), the processes find them on disk.
    for index, key, structure in waiting:
        yield index, key, None if structure is None else describe(kind, structure)
        if structure is not None:
            break
    batches = _batches(waiting, known)
    first = list(islice(batches, 1))  # processes are not started for nothing
    if first and context.out_of_time():
        return
    apart: list[Batch] = []
    for items, alone in ((chain(first, batches) if first else (), False), (apart, True)):
        if alone and not apart:
            break
        for batch, found in map_items(items, describer, (kind,), workers, threads, context.out_of_time):
            if not isinstance(found, Died):
                yield from ((index, key, one) for (index, key, _), one in zip(batch, found, strict=True))
            elif alone:
                index, key, _ = batch[0]
                yield index, key, NotAnalysed(f"killed: its process died twice ({found.how})")
            else:  # one of them it was; each by itself, so that the others are not lost
                apart += [[one] for one in batch]
            while known:
                yield (*known.popleft(), None)
    while known:
        yield (*known.popleft(), None)


def _batches(todo: Iterator[Item], known: deque[tuple[int, bytes]]) -> Iterator[Batch]:
    """Divide what is to be described into batches; what is recorded already goes into ``known``."""
    batch: Batch = []
    for index, key, structure in todo:
        if structure is None:
            known.append((index, key))
            continue
        batch.append((index, key, structure))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
