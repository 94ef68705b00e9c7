"""Random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011).

Every number is a function of what it is for: the seed is the key; the counter is made of the attempt, the purpose,
the run and the temperature. Nothing is carried from one number to the next, so that runs do not depend on each
other, on the number of cores, or on where a run was interrupted.
"""

from __future__ import annotations

import numpy as np

from ...compiled import inlined

#: What numbers are drawn for; upper byte of the second counter word.
ATTEMPTS, ARRANGEMENT = 0, 1

# multipliers and the Weyl increments of the key, table 2 and section 3.3 of the paper
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
ROUNDS = 10
HALF = np.uint64(32)


@inlined
def philox(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Return four random words of 32 bits for a counter of four words and a key of two (all uint32)."""
    for _ in range(ROUNDS):
        p0 = np.uint64(c0) * M0
        p1 = np.uint64(c2) * M1
        c0, c1, c2, c3 = (
            np.uint32(p1 >> HALF) ^ c1 ^ k0,
            np.uint32(p1),
            np.uint32(p0 >> HALF) ^ c3 ^ k1,
            np.uint32(p0),
        )
        k0 = np.uint32(k0 + W0)
        k1 = np.uint32(k1 + W1)
    return c0, c1, c2, c3


@inlined
def draw(stream, purpose, number):  # type: ignore[no-untyped-def]
    """Return four random words for a number below 2^56 and a purpose."""
    high = np.uint32(number >> HALF) | np.uint32(purpose << 24)
    return philox(np.uint32(number), high, stream[2], stream[3], stream[0], stream[1])


@inlined
def below(word, n):  # type: ignore[no-untyped-def]
    """Return a number in ``0 … n - 1`` (both uint64) from a word of 32 bits."""
    return (np.uint64(word) * n) >> HALF


@inlined
def unit(first, second):  # type: ignore[no-untyped-def]
    """Return a number in [0, 1) with 53 random bits from two words."""
    return (np.float64(first >> np.uint32(5)) * 67108864.0 + np.float64(second >> np.uint32(6))) * 2.0**-53


def make_stream(seed: int, run: int, temperature: float) -> np.ndarray:
    """Return the key and the fixed part of the counter of a run, ``(4,)`` uint32.

    Args:
        seed: 0 … 2^63 - 1.
        run: number of the run.
        temperature: K; two temperatures that differ as float32 have different streams.
    """
    kelvin = int(np.float32(temperature).view(np.uint32))
    return np.array([seed & 0xFFFFFFFF, seed >> 32, run, kelvin], dtype=np.uint64).astype(np.uint32)
