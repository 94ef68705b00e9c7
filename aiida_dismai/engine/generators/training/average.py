"""The moving average of a network's weights with which structures are generated."""

from __future__ import annotations

#: Only every so many calls change the average.
INTERVAL = 10
#: Up to this call the average is a copy.
WARM_UP = 100
MAX_DECAY = 0.9999
POWER = 2 / 3


def decay(call: int) -> float | None:
    """Return by what the average is multiplied at a call, counted from one; None where it stays as it is.

    The calls 1, 11, 21, … count; up to 111 they copy the weights. From 121 on the share of the past grows as
    1 − (call − 100)^(−2/3): after m steps the average spans roughly the last m^(2/3) · 10 of them.
    """
    if (call - 1) % INTERVAL:
        return None
    if call <= WARM_UP + INTERVAL + 1:
        return 0.0
    return min(MAX_DECAY, 1 - (call - WARM_UP) ** -POWER)
