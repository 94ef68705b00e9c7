"""What each run went through, on disk: one record per sampled pass, appended; the last one is the checkpoint.

A run's file ``run-DIGEST-0003.bin`` holds nothing but records of one size. An append that was cut off by a kill leaves
an incomplete record at the end, which is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInput
from .parameters import SampleParameters
from .system import System

#: Raised when the same seed would give other numbers, or records are laid out in another way.
VERSION = 1


def record_type(system: System, interval: int) -> np.dtype[Any]:
    """Return what is known after a sampled pass.

    ``pass`` done and swaps ``accepted`` since the start, ``species`` on each site ``(sites,)``, directed ``bonds``
    ``(shells, species, species)``, and the ``change`` of the energy since the start, eV, after each
    of the last ``interval`` passes (0 before the start).
    """
    species, shells = len(system.expansion.species), len(system.expansion.vectors)
    return np.dtype(
        [
            ("pass", "<i8"),
            ("accepted", "<i8"),
            ("change", "<f8", (interval,)),
            ("bonds", "<i4", (shells, species, species)),
            ("species", "u1", (system.n_sites,)),
        ]
    )


def digest(system: System, parameters: SampleParameters, seed: int) -> str:
    """Return what the records of a sampling have in common; more passes, runs or workers make no other one."""
    expansion = system.expansion
    belongs = {
        "version": VERSION,
        "seed": seed,
        "temperature": parameters.temperature,
        "start": [parameters.start_temperature, parameters.burn_in],
        "interval": parameters.snapshot_interval,
        "offset": parameters.burn_in % parameters.snapshot_interval,
        "cell": system.cell.tolist(),
        "amounts": system.amounts.tolist(),
        "lattice": [expansion.lattice.cell.tolist(), expansion.lattice.basis.tolist()],
        "species": expansion.species,
        "vectors": [vectors.cartesian.tolist() for vectors in expansion.vectors],
        "terms": [expansion.constant, expansion.site_terms.tolist(), expansion.pair_terms.tolist()],
    }
    return hashlib.sha256(json.dumps(belongs, sort_keys=True).encode()).hexdigest()[:16]


class RunFile:
    """The records of one run.

    Args:
        path: the file; made with the first :meth:`append`.
        dtype: of a record.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self.path = path
        self.dtype = dtype

    def __len__(self) -> int:
        """Return the number of complete records."""
        return self.path.stat().st_size // self.dtype.itemsize if self.path.is_file() else 0

    def read(self, limit: int | None = None) -> NDArray[Any]:
        """Return the first ``limit`` records (all when None), mapped from the file."""
        count = len(self) if limit is None else min(limit, len(self))
        if not count:
            return np.empty(0, self.dtype)
        return np.memmap(self.path, self.dtype, mode="r", shape=(count,))

    def append(self, records: NDArray[Any]) -> None:
        """Append records and wait until they are on disk."""
        end = len(self) * self.dtype.itemsize
        with self.path.open("r+b" if self.path.is_file() else "wb") as handle:
            handle.seek(end)
            handle.write(records.tobytes())
            handle.truncate()
            handle.flush()
            os.fsync(handle.fileno())

    def check(self, system: System, offset: int, interval: int) -> None:
        """Refuse records that no run of this system leaves behind.

        Raises:
            BadInput: the file is damaged; says what to do.
        """
        records = self.read()
        if not len(records):
            return
        passes = offset + interval * np.arange(len(records))
        amounts = np.bincount(records[-1]["species"], minlength=len(system.amounts))
        if not (np.array_equal(records["pass"], passes) and np.array_equal(amounts, system.amounts)):
            raise BadInput(f"{self.path}: the records of this run are damaged; remove the file to restart the run")
