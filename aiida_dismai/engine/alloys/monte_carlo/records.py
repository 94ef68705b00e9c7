"""What each run went through, on disk: one record per sampled pass, appended in pieces; the last one is the checkpoint.

The pieces of all runs are in one :class:`~...store.Store`. The key of a piece is the number of its run and of its first
record, so that each follows from the one before; after one that was lost, the run is sampled again from there.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...ownership import Owner
from ...store import Store
from .parameters import SampleParameters
from .system import System

#: Raised when the same seed would give other numbers, or records are laid out in another way.
VERSION = 2


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


def owner_of(system: System, parameters: SampleParameters, seed: int) -> Owner:
    """Return what the records of a sampling are of."""
    expansion = system.expansion
    content = {
        "lattice": [expansion.lattice.cell.tolist(), expansion.lattice.basis.tolist()],
        "species": expansion.species,
        "vectors": [vectors.cartesian.tolist() for vectors in expansion.vectors],
        "terms": [expansion.constant, expansion.site_terms.tolist(), expansion.pair_terms.tolist()],
    }
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return Owner.of_parameters("alloys.sample", parameters, version=VERSION, seed=seed, expansion=key)


class RunRecords:
    """The records of one run.

    Args:
        store: of all runs.
        run: number of this one.
        dtype: of a record.

    Raises:
        BadInput: a piece that is not of such records.
    """

    def __init__(self, store: Store, run: int, dtype: np.dtype[Any]) -> None:
        self.store, self.run, self.dtype = store, run, dtype
        self._keys: list[str] = []
        self._count = 0
        while (key := f"{run}:{self._count}") in store:
            with store.reading():
                count = len(np.frombuffer(store.read(key), dtype))
                if not count:
                    raise ValueError("no record")
            self._note(key, count)
        if self._keys:
            with store.reading():  # compiled code looks at no bounds
                if int(self.last()["species"].max(initial=0)) >= dtype["bonds"].shape[-1]:
                    raise ValueError("a species that there is not")

    def _note(self, key: str, count: int) -> None:
        self._keys.append(key)
        self._count += count

    def __len__(self) -> int:
        """Return the number of records."""
        return self._count

    def last(self) -> Any:
        """Return the last record."""
        return np.frombuffer(self.store.read(self._keys[-1]), self.dtype)[-1]

    def read(self, limit: int) -> NDArray[Any]:
        """Return the first ``limit`` records."""
        return np.concatenate([np.frombuffer(self.store.read(key), self.dtype) for key in self._keys])[:limit]

    def append(self, records: NDArray[Any]) -> None:
        """Keep further records."""
        key = f"{self.run}:{self._count}"
        self.store.add(key, records.tobytes())
        self._note(key, len(records))
