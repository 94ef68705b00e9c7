"""The runs of a sampling on threads, each from where its records end."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store import Store
from ...units import BOLTZMANN
from ...workers import available_cores
from .interactions import build_tables
from .kernel import advance, arrange, count_bonds
from .parameters import SampleParameters
from .records import RunRecords, owner_of, record_type
from .streams import make_stream
from .system import System

#: Attempted swaps between two writings of a run's records: a second or less.
CHUNK = 4_000_000


def temperatures(parameters: SampleParameters, passes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the temperature of each pass (numbered from 0), K.

    It falls by the same factor from pass to pass in the first half of the burn-in, and stays.
    """
    end, start = parameters.temperature, parameters.start_temperature
    cooling = parameters.burn_in // 2
    if start is None or start <= end or not cooling:
        return np.full(len(passes), end)
    return np.asarray(end * (start / end) ** np.maximum(0.0, 1.0 - passes / cooling))


class Sampler:
    """Independent runs of one system.

    Args:
        system: what is sampled.
        parameters: temperature, lengths.
        seed: of all random numbers.
        folder: where the records are kept.

    Raises:
        BadInput: the folder holds records of another sampling.
    """

    def __init__(self, system: System, parameters: SampleParameters, seed: int, folder: Path) -> None:
        self.system = system
        self.parameters = parameters
        self.seed = seed
        self.tables = build_tables(system)
        self.interval = parameters.snapshot_interval
        #: the first sampled pass: such that the end of the burn-in is one
        self.offset = parameters.burn_in % self.interval
        #: sampled passes of a run; what would follow the last of them is not run
        self.samples = (parameters.passes - self.offset) // self.interval + 1
        self.dtype = record_type(system, self.interval)
        store = Store.in_folder(folder, owner_of(system, parameters, seed))
        self.files = [RunRecords(store, run, self.dtype) for run in range(parameters.runs)]
        self.workers = min(parameters.workers or available_cores(), parameters.runs)
        self._advance_by_nothing()

    def start(self, run: int) -> NDArray[np.uint8]:
        """Return the random arrangement that a run begins with, ``(sites,)`` places in the expansion's species."""
        return np.asarray(arrange(self.system.amounts, self._stream(run)))

    def bonds(self, species: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the directed bonds of an arrangement, ``(shells, species, species)``."""
        counts = np.zeros(self.dtype["bonds"].shape, np.int64)
        count_bonds(species, self.tables, counts)
        return counts

    def done(self) -> int:
        """Return the sampled passes of all runs that are on disk."""
        return sum(min(len(file), self.samples) for file in self.files)

    def records(self, run: int) -> NDArray[Any]:
        """Return the records of a finished run."""
        return self.files[run].read(self.samples)

    def go_on(self) -> Generator[int, None, None]:
        """Sample; yields the swaps attempted after every writing of records, and ends when all runs are finished.

        A caller that stops asking lets the pieces that are being sampled come to their end.
        """
        waiting = [run for run in range(len(self.files)) if len(self.files[run]) < self.samples]
        running: dict[Future[tuple[NDArray[Any], int]], int] = {}
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < self.workers:
                        run = waiting.pop(0)
                        running[pool.submit(self._piece, run)] = run
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        records, attempts = future.result()
                        run = running.pop(future)
                        self.files[run].append(records)
                        if len(self.files[run]) < self.samples:
                            waiting.insert(0, run)
                        yield attempts
            finally:
                for future, run in running.items():
                    self.files[run].append(future.result()[0])

    def _piece(self, run: int) -> tuple[NDArray[Any], int]:
        """Sample the next records of a run; returns them and the number of attempts."""
        written = self.files[run]
        count = max(1, CHUNK // (self.interval * self.system.n_sites))
        records = np.zeros(min(count, self.samples - len(written)), self.dtype)
        lengths = np.full(len(records), self.interval, np.int64)
        if len(written):
            last = written.last()
            species, done = np.array(last["species"]), int(last["pass"])
            change, accepted = float(last["change"][-1]), int(last["accepted"])
        else:
            species, done, change, accepted = self.start(run), 0, 0.0, 0
            lengths[0] = self.offset
        states = np.zeros(records["species"].shape, np.uint8)
        bonds = np.zeros(records["bonds"].shape, np.int64)
        accepts = np.zeros(len(records), np.int64)
        energies = np.zeros(records["change"].shape)
        self._advance(species, done, change, accepted, lengths, run, states, bonds, accepts, energies)
        records["pass"] = done + np.cumsum(lengths)
        records["species"], records["bonds"] = states, bonds
        records["accepted"], records["change"] = accepts, energies
        return records, int(lengths.sum()) * self.system.n_sites

    def _advance_by_nothing(self) -> None:
        """Compile the kernel before the clock runs, and not in several threads."""
        empty = np.zeros(0, self.dtype)
        states, bonds = np.zeros(empty["species"].shape, np.uint8), np.zeros(empty["bonds"].shape, np.int64)
        none = np.zeros(0, np.int64)
        self._advance(self.start(0), 0, 0.0, 0, none, 0, states, bonds, none, np.zeros(empty["change"].shape))

    def _advance(self, species, done, change, accepted, lengths, run, states, bonds, accepts, energies):  # type: ignore[no-untyped-def]
        passes = np.arange(done, done + lengths.sum())
        betas = 1.0 / (BOLTZMANN * temperatures(self.parameters, passes))
        stream = self._stream(run)
        advance(
            species, done, change, accepted, lengths, betas, stream, self.tables, states, bonds, accepts, energies
        )  # fmt: skip

    def _stream(self, run: int) -> NDArray[np.uint32]:
        return make_stream(self.seed, run, self.parameters.temperature)
