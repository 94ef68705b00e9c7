"""A set of structures whose chosen sites were described: what could be, and why the others could not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..context import Context
from ..errors import BadInput
from ..metrics.records import RecordFile, Records
from ..structures import StructureSet, load_structures
from .parameters import NO_REGIONS, REGION
from .sites import Sites


@dataclass(frozen=True)
class Described:
    """A set after its structures were described.

    Attributes:
        n: structures that were given.
        n_not_converged: of these, not described because their relaxation had not converged.
        failures: (place, reason) of the others that could not be described.
        index: ``(m,)`` places of those that were.
        records: of those.
    """

    n: int
    n_not_converged: int
    failures: list[tuple[int, str]]
    index: NDArray[np.int64]
    records: Records

    def counts(self) -> dict[str, Any]:
        """Return how many structures and sites there are, and what was left out."""
        return {
            "n_structures": self.n,
            "n_analysed": len(self.records),
            "n_not_converged": self.n_not_converged,
            "n_not_analysed": len(self.failures),
            "not_analysed": [{"index": place, "reason": reason} for place, reason in self.failures],
            "n_isolated_sites": int(self.records.column("isolated_sites").sum()),
            "n_ambiguous_sites": int(self.records.column("ambiguous_sites").sum()),
        }


def read_set(path: Path) -> StructureSet:
    """Read structures with regions.

    Raises:
        BadInput: unreadable, empty, without regions, or not periodic along the interface.
    """
    structures = load_structures(path).require(str(path))
    if REGION not in structures.properties:
        raise BadInput(f"{path}: {NO_REGIONS}")
    structures.require_periodic(str(path), axes=2)
    return structures


def describe_set(context: Context, stage: str, structures: StructureSet, sites: Sites, file: RecordFile) -> Described:
    """Describe all structures of a set; those in the file are not computed again.

    Args:
        context: gets a progress line for every structure; its time limit is kept.
        stage: named in the progress.
        structures: with regions.
        sites: which sites.
        file: where records are kept.

    Raises:
        Unfinished: out of time; what is finished is in the file.
    """
    keys: dict[int, bytes] = {}
    not_converged = 0
    for index, structure in enumerate(structures):
        if "converged" in structure.properties and not structure.values("converged")[0]:
            not_converged += 1
            continue
        others = set(structure.properties) - {REGION}
        bare = structure.without_properties(*others) if others else structure
        keys[index] = bytes.fromhex(bare.content_hash)
        if keys[index] not in file:
            context.check_time(f"{stage}: {index} of {len(structures)} structures are described")
            file.keep(keys[index], sites.describe(bare))
        context.progress(stage, index + 1, len(structures))
    reasons = {index: file.reason(key) for index, key in keys.items()}
    analysed = [index for index, reason in reasons.items() if reason is None]
    return Described(
        len(structures),
        not_converged,
        [(index, reason) for index, reason in reasons.items() if reason is not None],
        np.array(analysed, dtype=np.int64),
        Records(file, [keys[index] for index in analysed], sites.dtype()),
    )
