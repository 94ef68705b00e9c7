"""One seed for a workflow, and from it one for each thing in it that draws random numbers."""

from __future__ import annotations

import hashlib

from aiida.orm import Int


def derive_seed(seed: Int | int, purpose: str) -> Int:
    """Return the seed for ``purpose`` (for instance ``model_2``): the first 31 bits of SHA-256 of ``"seed:purpose"``.

    The rule has no state: the same workflow seed gives the same seeds, whatever else runs beside it.
    """
    value = seed.value if isinstance(seed, Int) else seed
    digest = hashlib.sha256(f"{value}:{purpose}".encode()).digest()
    return Int(int.from_bytes(digest[:4], "big") >> 1)
