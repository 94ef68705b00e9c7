"""The moving average of a network's weights with which structures are generated."""

from __future__ import annotations

#: Up to this call the average is a copy.
WARM_UP = 100
MAX_DECAY = 0.9999
POWER = 2 / 3


def decay(call: int, interval: int = 10) -> float | None:
    """Return by what the average is multiplied at a call, counted from one; None where it stays as it is.

    Only the calls 1, 1 + interval, 1 + 2 interval, … count; those up to the first after call 100 copy the weights. From
    then on the share of the past grows as 1 − (call − 100)^(−2/3): after m calls the average spans roughly the last
    m^(2/3) · interval of them.

    Args:
        call: number of the call.
        interval: calls between two changes; 10 as published.
    """
    if (call - 1) % interval:
        return None
    if call <= WARM_UP + interval + 1:
        return 0.0
    return min(MAX_DECAY, 1 - (call - WARM_UP) ** -POWER)
