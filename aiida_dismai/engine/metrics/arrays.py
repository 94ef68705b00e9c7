"""Fields and vectors of records as arrays of which a block at a time is in memory."""

from __future__ import annotations

import numpy as np

from ..arrays import Streamed
from ..families.base import Composition, FamilyMetrics
from .records import Records


def field(records: Records, name: str) -> Streamed:
    """Return one field of all records."""
    item = records.dtype[name]
    return Streamed((len(records), *item.shape), item.base, lambda: (block[name] for block in records.blocks()))


def vector(records: Records, kind: FamilyMetrics, composition: Composition, name: str, length: int) -> Streamed:
    """Return one vector of all structures."""
    blocks = lambda: (kind.vectors(block, composition)[name] for block in records.blocks())  # noqa: E731
    return Streamed((len(records), length), np.dtype("<f8"), blocks)
